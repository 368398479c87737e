"""CKA of subsets of heads, against brute force in float64 on what the eager model's heads hand on."""

import functools
import itertools

import numpy as np
import pytest
import torch
import xarray as xr
from brute import centred
from small import batches, build, images, stirred, tensors
from torch import nn

import seealike
from seealike.errors import StudyError
from seealike.kernel import fold, read
from seealike.measures.attention_distance import AttentionDistance
from seealike.measures.head_cka import HeadCKA, of_heads
from seealike.models.graph import Graph
from seealike.plan.digest import digest
from seealike.selection import Models

SIZE = (3, 32, 32)


def convolutional():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.Conv2d(6, 8, 3, 2), nn.ReLU(), nn.Flatten())
    return stirred(net)


@functools.cache
def modules(double=False):
    made = {"vit": build("vit"), "cnn": convolutional()}
    return {name: module.double() if double else module for name, module in made.items()}


@functools.cache
def graphs(double=False):
    return {name: Graph.of(module, SIZE, name) for name, module in modules(double).items()}


def ask(of, x, size, **question):
    bound = HeadCKA(**question).bind(Models(of))
    return read(bound, bound.needs(), fold(bound.needs(), batches(of, x, size)))


def handed_on(module, block, x):
    """images x heads x tokens x channels: what the eager model projects after its attention."""
    kept, attention = [], module.blocks[block].attn
    hook = attention.proj.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    with torch.no_grad():
        module(x)
    hook.remove()
    return kept[0].unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)


def cka(pairs, biased=False):
    """S_KL / sqrt(S_KK S_LL), S the sum over batches: a pair of tensors each."""
    made = [(centred(x, biased), centred(y, biased)) for x, y in pairs]
    cross, one, other = (sum(float((p[i] * p[j]).sum()) for p in made) for i, j in ((0, 1), (0, 0), (1, 1)))
    return cross / (one * other) ** 0.5


def every_subset(count):
    return [s for k in range(1, count + 1) for s in itertools.combinations(range(count), k)]


@pytest.mark.parametrize(("double", "within"), [(True, 1e-9), (False, 1e-5)])
@pytest.mark.parametrize("case", ["plain", "without cls", "biased", "second block"])
def test_every_subset_is_the_cka_of_the_joined_outputs(double, within, case):
    of, x = graphs(double), images(26, SIZE).to(torch.float64 if double else torch.float32)
    question = {
        "plain": {},
        "without cls": {"cls": False},
        "biased": {"estimator": "biased"},
        "second block": {"block": "blocks.1"},
    }[case]
    answer = ask(of, x, 10, model="vit", b="cnn:**", **question)  # the last batch is short
    layers = ["0", "1", "2", "3"]
    assert answer.layer_b.values.tolist() == [f"cnn:{name}" for name in layers]
    batches_of = []
    for part in x.split(10):
        heads = handed_on(modules(double)["vit"], int(case == "second block"), part)
        batches_of.append((heads[:, :, int(case == "without cls") :], tensors(of["cnn"], part, layers)))
    for subset in every_subset(3):
        found = of_heads(answer, subset).values
        for name, value in zip(layers, found, strict=True):
            pairs = [(heads[:, list(subset)], others[name]) for heads, others in batches_of]
            assert value == pytest.approx(cka(pairs, case == "biased"), rel=within, abs=within)
    for subset in answer.subset:
        heads = [int(h) for h in str(answer.heads.sel(subset=subset).values).split(",")]
        np.testing.assert_allclose(answer.head_cka.sel(subset=subset), of_heads(answer, heads), rtol=1e-12)


def test_subsets_run_from_local_to_global():
    of, x = graphs(), images(12, SIZE)
    answer = ask(of, x, 6, model="vit", b="cnn:0")
    asked = AttentionDistance("vit", "blocks.0").bind(Models(of))
    far = read(asked, asked.needs(), fold(asked.needs(), batches(of, x, 6))).attention_distance.values[0]
    order = [int(h) for h in np.argsort(far)]
    assert answer.subset.values.tolist() == [
        "1 most local",
        "2 most local",
        "3 most local",
        "2 of 3",
        "3 of 3",
        "2 to 3 of 3",
    ]
    expected = [order[:1], order[:2], order, order[1:2], order[2:], order[1:]]
    assert answer.heads.values.tolist() == [",".join(map(str, heads)) for heads in expected]
    np.testing.assert_allclose(answer.distance, [far[heads].mean() for heads in expected], rtol=1e-6)
    assert answer["size"].values.tolist() == [1, 2, 3, 1, 1, 2]
    assert answer["first"].values.tolist() == [0, 0, 0, 1, 2, 1]
    assert (np.diff(answer.distance[:3]) > 0).all() and answer.attrs["attention"] == "vit:blocks.0.attn"
    assert answer.distance.attrs["units"] == "pixel" and list(answer.head_cka.dims) == ["subset", "layer_b"]


class Turned(nn.Module):
    """The same network with its heads in another order."""

    def __init__(self, order):
        super().__init__()
        self.vit = build("vit")
        for block in self.vit.blocks:
            a = block.attn
            a.qkv.weight.data = a.qkv.weight.data.reshape(3, 3, 8, 24)[:, order].reshape(72, 24)
            a.qkv.bias.data = a.qkv.bias.data.reshape(3, 3, 8)[:, order].reshape(72)
            a.proj.weight.data = a.proj.weight.data.reshape(24, 3, 8)[:, order].reshape(24, 24)

    def forward(self, x):
        return self.vit(x)


def test_the_order_of_the_heads_changes_nothing():
    order, x = [2, 0, 1], images(24, SIZE)
    of = {"vit": graphs()["vit"], "turned": Graph.of(Turned(order).eval(), SIZE, "turned"), "cnn": graphs()["cnn"]}
    one, other = (ask(of, x, 6, model=name, b="cnn:**") for name in ("vit", "turned"))
    for name in ("head_cka", "distance", "head_cka_se"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-5)
    assert one.subset.values.tolist() == other.subset.values.tolist()
    new = {old: i for i, old in enumerate(order)}
    moved = [",".join(str(new[int(h)]) for h in heads.split(",")) for heads in one.heads.values]
    assert other.heads.values.tolist() == moved
    np.testing.assert_allclose(one.products[order, order], other.products, rtol=1e-4, atol=1e-5)


def test_all_heads_are_the_product_itself_and_units_do_not_depend_on_the_images():
    of, x = graphs(), images(32, SIZE)
    product = next(layer.name for layer in of["vit"].tensors if layer.attention)
    answer = ask(of, x, 8, model="vit", b=(f"vit:{product}", "cnn:0"))
    assert answer.head_cka.sel(subset="3 most local", layer_b=f"vit:{product}") == pytest.approx(1, abs=1e-6)
    assert float(answer.products.sum()) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(answer.own_b[0], 1, rtol=1e-5)
    assert float(answer.head_cka.max()) <= 1
    half = ask(of, x[:16], 8, model="vit", b="cnn:0")
    np.testing.assert_allclose(half.products, answer.products, atol=0.2)
    assert (answer.products_se.values < 0.2).all() and (answer.head_cka_se > 0)[:, 1].all()


def test_what_is_the_same_for_all_images_has_no_value():
    class Dead(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.attn = nn.Conv2d(3, 8, 8, 8), nn.MultiheadAttention(8, 2, batch_first=True)
            self.attn.in_proj_weight.data[-4:] = 0  # the values of the second head

        def forward(self, x):
            x = self.patch(x).flatten(2).mT
            return self.attn(x, x, x, need_weights=False)[0]

    torch.manual_seed(0)
    of = {"net": Graph.of(Dead().eval(), SIZE, "net")}
    answer = ask(of, images(10, SIZE), 10, model="net", b="net:patch")
    assert answer.attrs["notes"][0] == "head 1 of net:attn is the same for all images: its CKA is undefined"
    assert np.isnan(of_heads(answer, [1])).all() and np.isfinite(of_heads(answer, [0])).all()
    np.testing.assert_allclose(of_heads(answer, [0, 1]), of_heads(answer, [0]), rtol=1e-6)


def test_heads_that_an_answer_has_not_are_refused():
    answer = ask(graphs(), images(8, SIZE), 8, model="vit", b="cnn:0")
    assert isinstance(of_heads(answer, (0, 2)), xr.DataArray) and of_heads(answer, (0, 2)).dims == ("layer_b",)
    with pytest.raises(StudyError, match=r"^there is no head 3\. There are: 0, 1, 2\.$"):
        of_heads(answer, [0, 3])
    for heads in ([], [1, 1]):
        with pytest.raises(StudyError, match=r"^heads = \[.*\]: name at least one, and each once\.$"):
            of_heads(answer, heads)


REFUSED = {
    "several": (
        {"model": "vit", "b": "cnn:0", "block": "blocks.*"},
        'block = "blocks.*" matches 2 attentions: blocks.0.attn, blocks.1.attn. Name one.',
    ),
    "no attention": (
        {"model": "cnn", "b": "vit:@block"},
        "cnn has no attention of parts of the image to parts of the image. Models of this study that have it: vit.",
    ),
    "no such block": (
        {"model": "vit", "b": "cnn:0", "block": "block.0"},
        "vit:block.0 matches no attention of vit. Closest: blocks.0.attn, blocks.1.attn.",
    ),
    "no b": (
        {"model": "vit", "b": ()},
        'head_cka needs b, the layers that heads are compared with: b = "resnet:@block".',
    ),
    "no view": (
        {"model": "vit", "b": "cnn:0", "view": "cls"},
        "cnn:0 cannot be seen so: it has no token beside those of the image (no CLS).",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_asked_is_refused(case):
    question, message = REFUSED[case]
    with pytest.raises(StudyError) as error:
        HeadCKA(**question).bind(Models(graphs()))
    assert str(error.value) == message


def test_a_view_that_is_none_is_refused():
    with pytest.raises(StudyError, match=r'^view = "clss" is no view'):
        HeadCKA("vit", "cnn:0", view="clss")


def test_the_digest_is_that_of_what_is_asked():
    def of(**question):
        return digest(HeadCKA("vit", **question).bind(Models(graphs())), {"vit": "1f", "cnn": "2e"})

    assert of(b="cnn:0") == of(b=("cnn:0",), block="blocks.0") == of(b="cnn:0", block="vit:blocks.0.attn")
    assert len({of(b="cnn:0"), of(b="cnn:1"), of(b="cnn:0", cls=False), of(b="cnn:0", block="blocks.1")}) == 4


def test_in_one_line():
    answer = seealike.answer(HeadCKA("net", "net:@block"), {"net": modules()["vit"]}, images(40, SIZE), batch=8)
    assert answer.head_cka.dims == answer.head_cka_se.dims == ("subset", "layer_b")
    assert answer.attrs["measure"] == "head_cka" and 0 < float(answer.depth_b[0]) < float(answer.depth_b[1]) <= 1
