"""Derivatives of layers against whole jacobians of the eager models in float64, and layers of which they are known."""

import copy

import numpy as np
import pytest
import scipy.linalg
import torch
from small import FAMILIES, batches, build, images, stirred
from torch import nn
from torch.func import jacrev
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm.auto import tqdm

import seealike
from seealike import figures, laws
from seealike.errors import RunError, StudyError
from seealike.images.preprocessing import Preprocessing
from seealike.kernel import Given, fold, read, reading
from seealike.measures.jacobian import Jacobian
from seealike.models.graph import Graph
from seealike.selection import Models
from seealike.statistics import spectra
from seealike.statistics.spectra import Derivative, Reached, Spectra
from seealike.study.toml import study

SIZE = (3, 10, 10)
CHAIN = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
COLOURS = ((0.5, 0.4, 0.3), (0.2, 0.25, 0.5))


def graph_of(module, size=SIZE):
    return Graph.of(module.eval(), size, "net")


def bind(graph, layers="**", colours=None, **question):
    prepared = {} if colours is None else {"net": Preprocessing(lambda image: image, "plain", None, *colours)}
    return Jacobian("net", layers, **question).bind(Models({"net": graph}, preprocessings=prepared))


def ask(graph, x, layers="**", batch=1, **question):
    bound = bind(graph, layers, **question)
    return read(bound, bound.needs(), fold(bound.needs(), batches({"net": graph}, x, batch)))


def run(statistic, graph, x, first=0):
    return statistic.run(Given(graph, x, 0, first + torch.arange(len(x))))


def exact(compute, image):
    """The jacobian of what is computed of one image, layer numbers x image numbers."""
    with sdpa_kernel(SDPBackend.MATH):
        return jacrev(lambda one: compute(one[None]).flatten())(image).detach().flatten(1).numpy()


def flat(width, inputs=300):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width))


@pytest.mark.parametrize("width", [1, 40, 300, 500])
def test_a_linear_layer_sees_as_many_directions_as_it_has_numbers(width):
    module = flat(width)
    answer = ask(graph_of(module), images(2, SIZE), "1")
    rank = min(width, 300)
    assert (answer["rank"] == rank).all() and (answer.null_dimension == 300 - rank).all()
    sigma = np.linalg.svd(module[1].weight.detach().double().numpy(), compute_uv=False)
    assert answer.spectrum.dims == ("image", "layer", "value") and answer.value.values.tolist() == [*range(1, rank + 1)]
    np.testing.assert_allclose(answer.spectrum[1, 0], sigma, rtol=1e-10)
    np.testing.assert_allclose(answer.condition[0, 0], sigma[0] / sigma[-1], rtol=1e-9)
    np.testing.assert_allclose(answer.log_condition[0], np.log10(sigma[0] / sigma[-1]), atol=1e-12)
    np.testing.assert_allclose(answer.mean_spectrum[0], sigma / sigma[0], rtol=1e-10)
    assert answer.dimension.values.tolist() == [width] and answer.attrs["input_dimension"] == 300
    assert answer.attrs["notes"][0].startswith("derivatives are with respect to the network's input, as what brought")


class Doubled(nn.Module):
    """Sees red and blue in sum alone, then all of that."""

    def __init__(self):
        super().__init__()
        self.map = nn.Conv2d(2, 6, 3, padding=1)

    def forward(self, x):
        return self.map(torch.stack([x[:, 0] + x[:, 2], x[:, 1]], 1)).tanh()


def test_what_a_network_sees_in_sum_alone_it_cannot_take_apart():
    torch.manual_seed(0)
    answer = ask(graph_of(Doubled().double()), images(2, SIZE).double(), ("input", "map", "tanh"))
    np.testing.assert_array_equal(answer["rank"], [[300, 200, 200]] * 2)
    np.testing.assert_array_equal(answer.null_dimension, [[0, 100, 100]] * 2)
    np.testing.assert_allclose(answer.effective_rank[:, 0], 300, rtol=1e-12)  # the input is all of itself
    assert (answer.stable_rank < answer.effective_rank + 1e-9).all()
    assert (answer.effective_rank < answer["rank"] + 1e-9).all()


def torchvision_resnet():
    from torchvision.models import resnet18

    torch.manual_seed(0)
    return resnet18().eval()


def narrow_resnet():
    from torchvision.models.resnet import BasicBlock, ResNet

    torch.manual_seed(0)
    module = ResNet(BasicBlock, [1, 1, 1, 1], width_per_group=64, num_classes=5)
    for name, count in {"layer3": 12, "layer4": 8}.items():  # fewer numbers than the image has
        setattr(module, name, nn.Conv2d({"layer3": 128, "layer4": 12}[name], count, 3, 2, 1))
    module.fc = nn.Linear(8, 5)
    return module.eval()


def chain(module, names=CHAIN):
    """Each part of a torchvision ResNet, as a function of the image."""
    parts = [getattr(module, name) for name in CHAIN]
    return {name: nn.Sequential(*parts[: CHAIN.index(name) + 1]) for name in names}


def check_chain(module, size, names):
    """Rank and spectrum of the traced network against the eager one's jacobian, in numpy."""
    x = torch.rand(1, *size, generator=torch.Generator().manual_seed(0))
    answer = ask(graph_of(module, size), x, names)
    whole = chain(copy.deepcopy(module).double(), names)
    for i, part in enumerate(whole.values()):
        matrix = exact(part, x[0].double())
        one = answer.isel(layer=i, image=0)
        assert one["rank"] == np.linalg.matrix_rank(matrix) == matrix.shape[1] - one.null_dimension
        sigma = np.linalg.svd(matrix, compute_uv=False)
        np.testing.assert_allclose(one.spectrum[: len(sigma)], sigma, rtol=0, atol=1e-12 * sigma[0])
        assert one.spectrum[len(sigma) :].isnull().all() and one.dimension == matrix.shape[0]
        np.testing.assert_allclose(one.stable_rank, (sigma**2).sum() / sigma[0] ** 2, rtol=1e-9)
    return answer


def test_it_is_the_jacobian_of_the_eager_model():
    """Of a narrower ResNet: pooling is the first that loses a direction, and none comes back."""
    rank = check_chain(narrow_resnet(), (3, 8, 8), ("conv1", "bn1", "relu", "maxpool", "layer2"))["rank"].values[0]
    assert (rank[:3] == 192).all() and rank[3] < 192 and (np.diff(rank) <= 0).all()


@pytest.mark.long
def test_pooling_is_the_first_loss_of_a_resnet():
    answer = check_chain(torchvision_resnet(), (3, 16, 16), CHAIN)
    rank = answer["rank"].values[0]
    assert (rank[:3] == 768).all() and rank[3] < 768 and (np.diff(rank) <= 0).all()
    assert (np.diff(answer.null_dimension[0]) >= 0).all() and rank[-1] < 200
    assert answer.effective_rank[0, -1] < 0.2 * answer.effective_rank[0, 0]


def vit():
    import timm

    torch.manual_seed(0)
    options = {"img_size": 16, "patch_size": 4, "depth": 2, "embed_dim": 24, "num_heads": 3, "num_classes": 5}
    return stirred(timm.create_model("vit_tiny_patch16_224", **options))


@pytest.fixture(scope="module")
def transformer():
    return graph_of(vit(), (3, 16, 16))


def test_a_transformer_by_both_methods(transformer):
    """17 tokens of 24 numbers, of which the class token has seen the image from the second block on."""
    x = images(2, (3, 16, 16))
    whole = ask(transformer, x, ("patch_embed", "blocks.0", "head"))
    module = vit().double()
    for block in module.blocks:
        block.attn.fused_attn = False
    matrix = exact(lambda one: module.blocks[0](module._pos_embed(module.patch_embed(one))), x[1].double())
    sigma = np.linalg.svd(matrix, compute_uv=False)
    np.testing.assert_allclose(whole.spectrum[1, 1, : len(sigma)], sigma, rtol=0, atol=1e-12 * sigma[0])
    assert whole["rank"][1].values.tolist() == [384, np.linalg.matrix_rank(matrix), 5]
    part = ask(transformer, x, ("patch_embed", "blocks.0", "head"), method="randomised", vectors=8)
    check_part(part, whole, 8)
    np.testing.assert_allclose(part.spectrum[:, 2, :5], whole.spectrum[:, 2, :5], rtol=1e-10)  # there are no more
    assert part.spectrum[:, 2, 5:].isnull().all()


def check_part(part, whole, count):
    """What was found of the largest values: near, never too large, and no further off than it says."""
    top = whole.spectrum[..., :count].values
    below = top - part.spectrum.values
    known = np.isfinite(top)
    assert np.isfinite(part.spectrum.values[known]).all() and (below[known] > -1e-10 * np.nanmax(top)).all()
    assert (below[known] <= np.broadcast_to(part.spectrum_error.values[..., None], top.shape)[known] + 1e-12).all()
    apart = np.abs(part.spectrum.values[..., None] - whole.spectrum.values[..., None, :])
    assert (
        np.where(np.isnan(apart), np.inf, apart).min(-1)[known] <= part.spectrum_residual.values[known] + 1e-12
    ).all()
    np.testing.assert_allclose(part.spectrum[..., 0], top[..., 0], rtol=0.05)
    np.testing.assert_allclose(part.stable_rank, whole.stable_rank, rtol=0.3)


def test_what_needs_all_values_is_undefined_of_some(transformer):
    answer = ask(transformer, images(4, (3, 16, 16)), "blocks.1", method="randomised", vectors=4)
    for name in ("rank", "null_dimension", "effective_rank", "condition"):
        assert answer[name].isnull().all()
    for name in ("mean_rank", "mean_null_dimension", "mean_effective_rank", "log_condition"):
        assert answer[name].isnull().all() and answer[f"{name}_se"].isnull().all()
    assert answer.mean_stable_rank > 1 and answer.mean_stable_rank_se > 0 and answer.sizes["value"] == 4
    assert answer.attrs["notes"][1] == (
        'method = "randomised" finds the 4 largest singular values; rank, null dimension, effective rank and condition '
        "number need all of them and are undefined"
    )


def bent():
    """In place, as torchvision's are, with strides and a pool."""
    torch.manual_seed(1)
    parts = (nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3))
    return stirred(nn.Sequential(*parts))


@pytest.fixture(scope="module")
def net():
    return graph_of(bent(), (3, 12, 12))


def pictures(n):
    return images(n, (3, 12, 12))


@pytest.mark.parametrize("method", ["exact", "randomised"])
def test_pixels_are_in_0_to_1_where_that_is_known(net, method):
    """By the chain rule each column of a colour is divided by its deviation."""
    x = pictures(2)
    answer = ask(net, x, ("0", "1", "4"), colours=COLOURS, method=method)
    assert answer.spectrum.attrs["units"] == "1 / pixel value" and not any("input" in n for n in answer.attrs["notes"])
    module = bent().double()
    for i, depth in enumerate((1, 2, 5)):
        matrix = exact(module[:depth], x[1].double()) / np.repeat(COLOURS[1], 144)
        found, sigma = answer.spectrum[1, i].dropna("value").values, np.linalg.svd(matrix, compute_uv=False)
        near = {"exact": 1e-12, "randomised": 0.1}[method]
        np.testing.assert_allclose(found, sigma[: len(found)], rtol=near, atol=1e-12 * sigma[0])


@pytest.mark.parametrize("question", [{}, {"method": "randomised", "vectors": 5}])
def test_no_cut_of_the_images_changes_it(net, question, monkeypatch):
    x, names = pictures(5), ("0", "4")
    whole = ask(net, x, names, batch=5, **question)
    for batch in (1, 2):
        np.testing.assert_allclose(ask(net, x, names, batch=batch, **question).spectrum, whole.spectrum, rtol=1e-9)
    monkeypatch.setattr(spectra, "ROOM", 1)  # each vector in a run by itself
    alone = ask(net, x[:1], "4", **question).spectrum[0, 0]
    np.testing.assert_allclose(alone, whole.spectrum[0, 1, : len(alone)], rtol=1e-9, atol=1e-14)
    (statistic, _) = bind(net, names, **question).needs()
    monkeypatch.undo()
    laws.check(statistic, [run(statistic, net, part, first) for first, part in zip((4, 0, 5), x.split(2), strict=True)])
    assert statistic == bind(net, names, **question).needs()[0]


def test_a_seed_draws_other_vectors_and_plays_no_part_where_all_is_known(net):
    x = pictures(1)
    values = [ask(net, x, "0", method="randomised", vectors=5, seed=s).spectrum.values for s in (0, 0, 1)]
    assert (values[0] == values[1]).all() and (values[0] != values[2]).any()
    assert bind(net, "0", seed=3, vectors=5) == bind(net, "0") and bind(net, "0").needs()[0].seed == 0


@pytest.mark.parametrize("width", [40, 400])
def test_what_a_linear_layer_cannot_see_of_a_difference(width):
    """The share of its squared norm in the kernel of the weights; of pixels, those weights over the deviation."""
    module = flat(width)
    graph, x = graph_of(module), images(3, SIZE).double()
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in COLOURS)
    pixels = x * std + mean
    generator = torch.Generator().manual_seed(2)
    found = {1: torch.randn(2, *SIZE, generator=generator).double(), 2: pixels[2:]}
    state = run(Spectra("net", "1", colours=COLOURS, reached=Reached(found)), graph, x)
    weights = module[1].weight.detach().double().numpy() / np.repeat(COLOURS[1], 100)
    null = scipy.linalg.null_space(weights)
    apart = (found[1] - pixels[1]).flatten(1).numpy()
    expected = np.linalg.norm(apart @ null, axis=1) ** 2 / np.linalg.norm(apart, axis=1) ** 2
    np.testing.assert_allclose(state["unseen"][1], expected, atol=1e-12)
    assert (expected > 0.5).all() if width == 40 else not expected.any()
    assert state["unseen"].shape == (3, 2) and state["unseen"][[0, 2]].isnan().all()  # nothing found; the image itself
    with pytest.raises(StudyError, match='known of method = "exact" alone'):
        Spectra("net", "1", "randomised", reached=Reached(found))


class Dead(nn.Module):
    def forward(self, x):
        return x * 0, (x * 0).abs().sqrt(), x.relu()


def test_a_layer_that_nothing_reaches_and_one_that_is_not_finite():
    x = images(4, (3, 4, 4))
    x[0] = -1  # silences the last
    answer = ask(graph_of(Dead(), (3, 4, 4)), x)
    assert answer.attrs["notes"][1:] == [
        "net:mul: at 4 of 4 images nothing of the image reaches it",
        "net:mul@1: at 4 of 4 images nothing of the image reaches it",
        "net:abs: at 4 of 4 images nothing of the image reaches it",
        "net:sqrt: its derivative is not finite at 4 of 4 images",
        "net:relu: at 1 of 4 images nothing of the image reaches it",
    ]
    one = answer.sel(layer="net:mul")
    assert (one["rank"] == 0).all() and (one.null_dimension == 48).all() and one.condition.isnull().all()
    assert answer["rank"].sel(layer="net:sqrt").isnull().all() and answer.mean_rank.sel(layer="net:sqrt").isnull()
    np.testing.assert_array_equal(answer["rank"].sel(layer="net:relu"), (x > 0).flatten(1).sum(1))


def test_values_of_each_image_have_no_error_and_averages_have(net):
    bound = bind(net, ("0", "4"))
    found = reading(bound, bound.needs(), fold(bound.needs(), batches({"net": net}, pictures(16), 1)))
    assert "rank_se" not in found.answer and "spectrum_se" not in found.answer
    assert found.answer.mean_effective_rank_se[1] > 0 and found.answer.mean_spectrum_se.dims == ("layer", "value")
    each = found.answer.effective_rank.values
    np.testing.assert_allclose(found.answer.mean_effective_rank, each.mean(0))
    np.testing.assert_allclose(found.answer.mean_effective_rank_se, each.std(0, ddof=1) / 4, rtol=1e-9, atol=1e-10)
    assert found.leave_outs is not None and "rank" not in found.leave_outs
    assert found.answer.image.values.tolist() == [*range(16)] and found.answer["rank"].dims == ("image", "layer")


def test_it_takes_a_few_images_and_changes_nothing_of_the_module():
    module, random = bent(), torch.get_rng_state()
    kept = copy.deepcopy(module.state_dict())
    asked = Jacobian("net", "2", take=16)
    answer = seealike.answer(asked, {"net": module}, images(40, (3, 12, 12)), batch=40)
    assert answer.attrs["images_seen"] == 16 and answer.sizes["image"] == 16
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, kept[name]) for name, value in module.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())


def test_its_messages(net):
    both = Models({"net": net, "large": Graph.of(nn.Conv2d(3, 1, 3), (3, 48, 64), "large")})
    wrong = {
        r'^model = "nett": there is no such model\. Closest: net\.$': {"model": "nett"},
        r'^"large:1" is a layer of large, but model = "net"\.': {"layers": "large:1"},
        r'^layers = \[\]: name at least one, or leave layers out for "@block"\.$': {"layers": ()},
        r"^net has no layer of the kind @block": {"layers": "@block"},
        r"^net:nothing matches no layer of net": {"layers": ("0", "nothing")},
        r"^large takes images of 3 x 48 x 64 = 9,216 numbers, and all singular values are sought of 4,096 at most: "
        r"3 x 36 x 36 would do\. Give large smaller images, or write method = \"randomised\"": {"model": "large"},
    }
    for message, keys in wrong.items():
        with pytest.raises(StudyError, match=message):
            Jacobian(**({"model": "net", "layers": "**"} | keys)).bind(both)
    assert Jacobian("large", "**", "randomised").bind(both).inputs == 9216
    for message, keys in {
        r'^method = "svd": there are "exact" and "randomised"\.$': {"method": "svd"},
        r"^vectors = 0: find at least 1 singular value\.$": {"vectors": 0},
        r"^take = 0: take at least 1 image\.$": {"take": 0},
    }.items():
        with pytest.raises(StudyError, match=message):
            Jacobian(**({"model": "net"} | keys))


class Far(nn.Module):
    """An operation that torch derives backwards alone."""

    def forward(self, x):
        return torch.cdist(x[:, 0], x[:, 1])


def test_what_cannot_be_derived_forwards_is_told():
    graph, x = graph_of(Far(), (3, 30, 30)), images(1, (3, 30, 30))
    (name,) = [layer.name for layer in graph.layers][-1:]
    with pytest.raises(RunError, match=r'^net: no derivative can be taken forward .* method = "exact" needs none\.'):
        ask(graph, x, name, method="randomised")
    assert ask(graph, x, name)["rank"] > 100


def asked(**keys):
    models, sets = {"vit": {"source": "zoo:vit"}}, {"s": {"source": "scenes:16"}}
    return study({"models": models, "images": sets, "ask": {"f": {"measure": "jacobian", "model": "vit", **keys}}})


def test_what_a_study_may_write():
    assert asked().ask["f"].measure == Jacobian("vit")
    every = asked(layers=["@mlp"], method="randomised", vectors=8, take=4, seed=3).ask["f"].measure
    assert every == Jacobian("vit", ("@mlp",), "randomised", 8, 4, 3) and every.few == 4
    for key, value in {"method": "all", "vectors": "some", "take": "all", "colours": 1, "inputs": 3}.items():
        with pytest.raises(StudyError, match=rf"ask\.f\.{key}|ask\.f: method"):
            asked(**{key: value})


def test_a_long_one_says_how_far_it_is(net, monkeypatch):
    bars = []

    class Bar(tqdm):
        def __init__(self, **told):
            super().__init__(**told, disable=True)
            self.told, self.count = told, 0
            bars.append(self)

        def update(self, n=1):
            self.count += n

    monkeypatch.setattr(spectra, "tqdm", Bar)
    for method in ("exact", "randomised"):
        ask(net, pictures(3), "0", batch=3, method=method)
    assert [b.count for b in bars] == [b.told["total"] for b in bars] == [3 * 144, 3 * (42 * 6 + 32 + 10)]
    assert bars[0].told["desc"] == "net: derivatives of 0" and not bars[0].told["leave"]


@pytest.mark.parametrize("method", ["exact", "randomised"])
def test_its_figure(net, method):
    answer = ask(net, pictures(4), ("0", "2", "4"), method=method, vectors=6)
    answer = answer.assign_attrs(measure="jacobian", models={"net": {}}, images={"count": 16})
    left, right, *_ = figures.draw(answer, error=True).axes
    named = [text.get_text() for text in left.get_legend().get_texts()]
    ranks = ["rank", "effective rank"] if method == "exact" else []
    assert named == ["numbers of the layer", *ranks, "stable rank"]
    assert left.get_ylabel() == "share of the image's 432 numbers" and left.get_yscale() == "log"
    drawn = dict(zip(named, left.get_lines(), strict=True))
    np.testing.assert_allclose(drawn["numbers of the layer"].get_ydata(), [144 / 432, 144 / 432, 6 / 432])
    np.testing.assert_allclose(drawn["stable rank"].get_ydata(), answer.mean_stable_rank / 432)
    assert len(right.get_lines()) == 3 and right.get_lines()[0].get_ydata()[0] == 1
    (ax,) = figures.draw(answer.drop_vars("mean_stable_rank_se"), ax=left).axes[:1]
    assert ax is left
    if method == "exact":
        with pytest.raises(StudyError, match="this answer has no mean_rank_se"):
            figures.draw(answer.drop_vars("mean_rank_se"), error=True)


@pytest.mark.long
@pytest.mark.parametrize("name", FAMILIES)
def test_both_directions_are_of_one_matrix(name):
    """u . J v = J' u . v, in every family."""
    graph = Graph.of(build(name), FAMILIES[name].size, name)
    image = torch.rand(graph.size, generator=torch.Generator().manual_seed(0)).double()
    for layer in (graph.layers[len(graph.layers) // 2], graph.layers[-1]):
        with sdpa_kernel(SDPBackend.MATH), tqdm(disable=True) as bar:
            derivative = Derivative(graph, layer, image, COLOURS, bar)
            u, v = (torch.randn(2, n, generator=torch.Generator().manual_seed(n)).double() for n in derivative.shape)
            one, other = (derivative.forward(v) * u).sum(1), (derivative.backward(u) * v).sum(1)
        assert one.any()
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("method", ["exact", "randomised"])
def test_a_gpu_gives_the_same(method):
    module, x = bent(), pictures(2)
    here = ask(graph_of(module, (3, 12, 12)), x, ("0", "4"), method=method)
    there = ask(graph_of(copy.deepcopy(module).cuda(), (3, 12, 12)), x.cuda(), ("0", "4"), method=method)
    np.testing.assert_allclose(there.spectrum, here.spectrum, rtol=1e-7, atol=1e-12)
