"""How far heads look, against the weights of the eager models and brute force in float64 on them."""

import copy
import functools
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import FAMILIES, batches, build, images, stirred
from torch import nn

import seealike
from seealike.errors import RunError, StudyError
from seealike.kernel import fold, read
from seealike.measures.attention_distance import AttentionDistance
from seealike.models.graph import Graph
from seealike.plan.digest import digest
from seealike.selection import Models
from seealike.study.toml import study

SIZE, GRID, HEADS = (3, 16, 24), (4, 6), 4  # of Toy: patches of 4 x 4 pixels
KEYS = ("attention_distance", "attention_distance_renormalised")


def ask(of, x, size=4, **question):
    bound = AttentionDistance(**question).bind(Models(of))
    return read(bound, bound.needs(), fold(bound.needs(), batches(of, x, size)))


def grid(rows, columns, step, first):
    """2 x places, row by row."""
    return np.array([(first + step * y, first + step * x) for y in range(rows) for x in range(columns)]).T


def behind(prefix, places):
    return np.concatenate([np.full((2, prefix), np.nan), places], 1)


def by_hand(weights, queries, keys):
    """Of `images x heads x queries x keys` and the places of both (NaN: none): distance and its renormalised form."""
    apart = np.hypot(*(queries[:, :, None] - keys[:, None, :]))
    asking, placed = (np.isfinite(p).all(0) for p in (queries, keys))
    weights, apart = weights.astype(float)[:, :, asking][..., placed], apart[asking][:, placed]
    far, weight = (weights * apart).sum(-1), weights.sum(-1)
    over = np.divide(far, weight, out=np.zeros_like(far), where=weight > 0)
    return far.mean((0, 2)), over.sum((0, 2)) / (weight > 0).sum((0, 2))


def check(answer, layer, expected, atol=1e-5):
    for name, values in zip(KEYS, expected, strict=True):
        found = answer[name].sel(layer=layer).values
        np.testing.assert_allclose(found[: len(values)], values, rtol=0, atol=atol * values.max())
        assert np.isnan(found[len(values) :]).all()


class Toy(nn.Module):
    """Patches of 4 x 4 pixels behind `prefix` tokens, attending once in the way it is given."""

    def __init__(self, attend, prefix=0):
        super().__init__()
        self.patch, self.qkv = nn.Conv2d(3, 24, 4, 4), nn.Linear(24, 72)
        self.prefix = nn.Parameter(torch.randn(1, prefix, 24))
        self.attend = attend

    def heads(self, x):
        x = self.patch(x).flatten(2).mT
        if self.prefix.shape[1]:
            x = torch.cat([self.prefix.expand(x.shape[0], -1, -1), x], 1)
        return self.qkv(x).unflatten(-1, (3, HEADS, 6)).permute(2, 0, 3, 1, 4).unbind(0)

    def forward(self, x):
        return self.attend(*self.heads(x))


def toy(attend, prefix=0):
    torch.manual_seed(0)
    return stirred(Toy(attend, prefix))


def test_uniform_attention_has_the_mean_distance_of_the_grid():
    x = images(4, SIZE)
    places = list(itertools.product(range(GRID[0]), range(GRID[1])))
    mean = np.mean([4 * np.hypot(a - c, b - d) for a, b in places for c, d in places])
    for attend in (
        lambda q, k, v: F.scaled_dot_product_attention(0 * q, k, v),
        lambda q, k, v: (0 * q @ k.mT).softmax(-1) @ v,
    ):
        answer = ask({"net": Graph.of(toy(attend), SIZE, "net")}, x, model="net")
        assert answer.attention_distance.shape == (1, HEADS)
        np.testing.assert_allclose(answer.attention_distance, mean, rtol=1e-6)
        np.testing.assert_allclose(answer.attention_distance_renormalised, mean, rtol=1e-6)
        # three tokens beside the patches: no queries; as keys they take their share of the weight, and no distance
        answer = ask({"net": Graph.of(toy(attend, 3), SIZE, "net")}, x, model="net")
        np.testing.assert_allclose(answer.attention_distance, mean * 24 / 27, rtol=1e-6)
        np.testing.assert_allclose(answer.attention_distance_renormalised, mean, rtol=1e-6)


@pytest.mark.parametrize("prefix", [0, 2])
def test_attention_to_oneself_has_no_distance(prefix):
    def fused(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=torch.eye(q.shape[-2], dtype=torch.bool))

    def written(q, k, v):
        unit = F.normalize(q, dim=-1)
        return (1e6 * unit @ unit.mT).softmax(-1) @ v

    for attend in (fused, written):
        answer = ask({"net": Graph.of(toy(attend, prefix), SIZE, "net")}, images(4, SIZE), model="net")
        assert (answer.attention_distance == 0).all() and (answer.attention_distance_renormalised == 0).all()


def softmax(q, k, scale=6**-0.5, bias=0.0):
    return (q @ k.mT * scale + bias).softmax(-1)


def gated(q, k):
    """As in ConViT: partly weights of what is where, which no image changes."""
    gate, where = torch.tensor(0.3).to(q).sigmoid(), BIAS.to(q).softmax(-1)
    mixed = (1 - gate) * softmax(q, k) + gate * where
    mixed = mixed / mixed.sum(-1).unsqueeze(-1)
    return mixed


N = GRID[0] * GRID[1] + 1
KEEP = torch.rand(N, N, generator=torch.Generator().manual_seed(1)) > 0.6
KEEP[5] = False
BIAS = torch.randn(HEADS, N, N, generator=torch.Generator().manual_seed(2))
sdpa = F.scaled_dot_product_attention
# how attention is written: what runs, and its weights
FORMS = {
    "fused": (sdpa, softmax),
    "scale": (lambda q, k, v: sdpa(q, k, v, scale=0.7), lambda q, k: softmax(q, k, 0.7)),
    "causal": (
        lambda q, k, v: sdpa(q, k, v, is_causal=True),
        lambda q, k: softmax(q, k, bias=torch.full((N, N), -torch.inf).triu(1)),
    ),
    "mask": (  # one query may attend to nothing
        lambda q, k, v: sdpa(q, k, v, attn_mask=KEEP),
        lambda q, k: softmax(q, k, bias=torch.where(KEEP, 0, -torch.inf)).nan_to_num(),
    ),
    "bias": (
        lambda q, k, v: sdpa(q, k, v, attn_mask=BIAS.expand(q.shape[0], -1, -1, -1)),
        lambda q, k: softmax(q, k, bias=BIAS),
    ),
    "grouped": (
        lambda q, k, v: sdpa(q, k[:, :2], v[:, :2], enable_gqa=True),
        lambda q, k: softmax(q, k[:, [0, 0, 1, 1]]),
    ),
    "flat": (
        lambda q, k, v: sdpa(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)),
        softmax,
    ),
    "written": (lambda q, k, v: softmax(q, k) @ v, softmax),
    "scaled": (lambda q, k, v: softmax(q, k) * 0.5 @ v, lambda q, k: softmax(q, k) * 0.5),
    "gated": (lambda q, k, v: gated(q, k) @ v, gated),
    "einsum": (
        lambda q, k, v: torch.einsum("bhqk,bkhd->bqhd", softmax(q, k), v.transpose(1, 2)),
        softmax,
    ),
    "transposed": (lambda q, k, v: v.mT @ softmax(q, k).mT, softmax),
    "folded": (lambda q, k, v: torch.bmm(softmax(q, k).flatten(0, 1), v.flatten(0, 1)), softmax),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_write_attention(form):
    attend, weigh = FORMS[form]
    module, x = toy(attend, 1), images(5, SIZE)
    graph = Graph.of(module, SIZE, "net")
    (attention,) = graph.attentions
    assert attention.kind == "token"
    with torch.no_grad():
        q, k, _ = copy.deepcopy(module).double().heads(x.double())
        weights = weigh(q, k).numpy()
    places = behind(1, grid(*GRID, 4, 2))
    check(ask({"net": graph}, x, model="net"), f"net:{attention.name}", by_hand(weights, places, places))


def hooked(module, x):
    """The weights of a timm model in the order of its attentions, its fused kernels off."""
    module, kept = copy.deepcopy(module), []
    for m in module.modules():
        if hasattr(m, "fused_attn"):
            m.fused_attn = False
            m.attn_drop.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    with torch.no_grad():
        module(x)
    return kept


def of_multihead(module, x):
    module, kept = copy.deepcopy(module), []
    for m in module.modules():
        if isinstance(m, nn.MultiheadAttention):
            asked = {"need_weights": True, "average_attn_weights": False}
            m.register_forward_pre_hook(lambda _, given, named: (given, named | asked), with_kwargs=True)  # noqa: B023
            m.register_forward_hook(lambda _, given, output: kept.append(output[1]))
    with torch.no_grad():
        module(x)
    return kept


def of_huggingface(module, x):
    module = copy.deepcopy(module)
    module.set_attn_implementation("eager")
    with torch.no_grad():
        return module(x, output_attentions=True).attentions


# family: its patch, tokens beside the patches, where its eager weights come from, its attentions' names
TOKENS = {
    "vit": (8, 1, hooked, "blocks.{}.attn"),
    "deit_distilled": (8, 2, hooked, "blocks.{}.attn"),
    "eva02": (7, 1, hooked, "blocks.{}.attn"),
    "tv_vit": (8, 1, of_multihead, "encoder.layers.encoder_layer_{}.self_attention"),
    "hf_vit": (8, 1, of_huggingface, "vit.layers.{}.attention"),
    "hf_dinov2_registers": (8, 5, of_huggingface, "encoder.layer.{}.attention"),
}


module_of = functools.cache(build)


@functools.cache
def graph_of(name):
    return Graph.of(module_of(name), FAMILIES[name].size, name)


@pytest.mark.parametrize("name", TOKENS)
def test_it_is_that_of_the_eager_models_own_weights(name):
    patch, prefix, eager, called = TOKENS[name]
    graph, x = graph_of(name), images(4, FAMILIES[name].size)
    places = behind(prefix, grid(4, 4, patch, patch / 2))
    answer = ask({name: graph}, x, 3, model=name)
    assert answer.layer.values.tolist() == [f"{name}:{called.format(i)}" for i in range(2)]
    uniform = by_hand(np.full((1, 1, 16 + prefix, 16 + prefix), 1 / (16 + prefix)), places, places)[0]
    for layer, weights in zip(answer.layer.values, eager(module_of(name), x), strict=True):
        check(answer, layer, by_hand(weights.numpy(), places, places))
        assert (abs(answer.attention_distance.sel(layer=layer) - uniform) > 1e-3).any()


def windows(count, side, shift, step, first):
    """2 x windows x places: the grid filled up to whole windows (NaN), moved round by `shift`, cut into windows."""
    whole = -(-count // side) * side
    pixel = [first + step * i if i < count else np.nan for i in range(whole)]
    found = []
    for top in range(0, whole, side):
        for left in range(0, whole, side):
            cells = itertools.product(range(top, top + side), range(left, left + side))
            rows = [(pixel[(y + shift) % whole], pixel[(x + shift) % whole]) for y, x in cells]
            found.append([pair if np.isfinite(pair).all() else (np.nan, np.nan) for pair in rows])
    return np.array(found).transpose(2, 0, 1)


def by_hand_in_windows(weights, places):
    """Every query of every image and window for itself."""
    n = places.shape[1]
    weights = weights.astype(float).reshape(-1, n, *weights.shape[1:])
    heads = weights.shape[2]
    sums, count = np.zeros((2, heads)), 0
    for image in weights:
        for window, own in enumerate(image):
            for q, place in enumerate(places[:, window].T):
                if np.isfinite(place).all():
                    apart = np.hypot(*(places[:, window] - place[:, None]))
                    far = np.nansum(own[:, q] * apart, -1)
                    sums += far, far / (own[:, q] * np.isfinite(apart)).sum(-1)
                    count += 1
    return sums / count


@pytest.mark.parametrize("fused", [False, True])
def test_windows_of_swin_and_shifted_ones(fused):
    size = FAMILIES["swin"].size
    module, x = build("swin"), images(3, size)
    for m in module.modules():
        if hasattr(m, "fused_attn"):
            m.fused_attn = fused
    graph = Graph.of(module, size, "swin")
    assert {str(a.product.target) for a in graph.attentions} == {
        "aten.scaled_dot_product_attention.default" if fused else "aten.matmul.default"
    }
    answer = ask({"swin": graph}, x, 2, model="swin")
    cut = [windows(14, 7, 0, 4, 2), windows(14, 7, 3, 4, 2), windows(7, 7, 0, 8, 4), windows(7, 7, 0, 8, 4)]
    for layer, weights, places in zip(answer.layer.values, hooked(module, x), cut, strict=True):
        check(answer, layer, by_hand_in_windows(weights.numpy(), places))
    assert answer.layer.values.tolist() == [f"swin:layers.{s}.blocks.{b}.attn" for s in (0, 1) for b in (0, 1)]
    assert answer.attrs["notes"][0] == "layers have 2 to 4 heads: the values of heads that a layer has not are NaN"


def test_windows_that_are_filled_up(monkeypatch):
    """torchvision's Swin pads its grid: what fills it up neither asks nor lies anywhere, but is attended to."""
    size, kept, kernel = FAMILIES["tv_swin"].size, [], F.softmax
    module, graph, x = module_of("tv_swin"), graph_of("tv_swin"), images(3, FAMILIES["tv_swin"].size)
    assert size == (3, 40, 40)
    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(F, "softmax", lambda *given, **named: kept.append(kernel(*given, **named)) or kept[-1])
        module(x)
    cut = [windows(10, 4, 0, 4, 2), windows(10, 4, 2, 4, 2), windows(5, 4, 0, 8, 4), windows(5, 4, 2, 8, 4)]
    answer = ask({"swin": graph}, x, 2, model="swin")
    for layer, weights, places in zip(answer.layer.values, kept, cut, strict=True):
        check(answer, layer, by_hand_in_windows(weights.numpy(), places))
    assert (answer.attention_distance < answer.attention_distance_renormalised)[::2, :2].all()


def test_places_that_lie_apart_in_a_group():
    """MaxViT: attention in windows, then among the places four apart in either direction."""
    graph, x = graph_of("maxvit"), images(2, FAMILIES["maxvit"].size)
    answer = ask({"maxvit": graph}, x, model="maxvit")
    map_ = grid(16, 16, 4, 1).reshape(2, 16, 16)
    apart = np.stack([map_[:, y::4, x::4].reshape(2, -1) for y in range(4) for x in range(4)], 1)
    for layer, weights, places in zip(
        answer.layer.values, hooked(module_of("maxvit"), x), (windows(16, 4, 0, 4, 1), apart), strict=False
    ):
        check(answer, layer, by_hand_in_windows(weights.numpy(), places))
    assert float(answer.attention_distance[1, 0]) > 3 * float(answer.attention_distance[0, 0])


def test_keys_that_are_coarser_than_the_queries():
    graph, x = graph_of("pvt"), images(3, FAMILIES["pvt"].size)
    answer = ask({"pvt": graph}, x, 2, model="pvt")
    stages = [(16, 4, 8), (8, 8, 4), (4, 16, 2), (2, 32, 1)]  # tokens a side, pixels apart, reduced by
    for layer, weights, (side, step, reduced) in zip(
        answer.layer.values, hooked(module_of("pvt"), x), stages, strict=True
    ):
        asking, first = grid(side, side, step, 0.5), 0.5 + step * (reduced - 1) / 2
        asked = grid(side // reduced, side // reduced, step * reduced, first)
        check(answer, layer, by_hand(weights.numpy(), asking, asked))
    assert np.isfinite(answer.attention_distance).sum("head").values.tolist() == [1, 2, 3, 4]


class Shared(nn.Module):
    """Two windows whose keys are their own and whose queries are the same, as the global ones of GCViT."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)

    def forward(self, x):
        halves = self.patch(x).unflatten(2, (2, 2)).permute(0, 2, 3, 4, 1).flatten(2, 3)
        shared = nn.functional.avg_pool2d(self.patch(x), 2).flatten(2).mT[:, None].expand(-1, 2, -1, -1)
        return sdpa(shared, halves, halves)


def test_queries_that_windows_share_have_no_place():
    graph = Graph.of(stirred(Shared()), SIZE, "net")
    assert [a.kind for a in graph.attentions] == ["unplaced"]
    with pytest.raises(StudyError, match=r"^net has no attention .* \(its attentions: 1 unplaced\)\."):
        AttentionDistance("net").bind(Models({"net": graph}))


class Weighs(nn.Module):
    """A softmax over the places of an image that weighs them, as a pool does: nothing attends, and nothing is split."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)

    def forward(self, x):
        y = self.patch(x).flatten(2)
        return (y * y.softmax(-1)).sum(-1)


def test_weights_of_places_are_no_attention():
    assert Graph.of(stirred(Weighs()), SIZE, "net").attentions == ()


def test_neither_the_batch_nor_the_order_changes_it():
    of, x = {"vit": graph_of("vit")}, images(12)
    whole = ask(of, x, 12, model="vit")
    for size in (1, 5):
        other = ask(of, x, size, model="vit")
        for name in KEYS:
            np.testing.assert_allclose(other[name], whole[name], rtol=1e-6)
    turned = ask(of, x.flip(0), 5, model="vit")
    np.testing.assert_allclose(turned.attention_distance, whole.attention_distance, rtol=1e-6)


def test_standard_errors_are_over_images():
    of, x = {"vit": graph_of("vit")}, images(16)
    answer = ask(of, x, 1, model="vit")
    each = np.stack([ask(of, one, 1, model="vit").attention_distance for one in x.split(1)])
    np.testing.assert_allclose(answer.attention_distance_se, each.std(0, ddof=1) / 4, rtol=1e-6)
    assert (answer.attention_distance_renormalised_se > 0).all()
    few = ask(of, x, 8, model="vit")
    assert few.attention_distance_se.isnull().all() and "no standard errors" in few.attrs["notes"][0]


def test_a_head_that_attends_to_no_place_has_no_renormalised_distance():
    only = torch.zeros(25, 25, dtype=torch.bool)
    only[:, 0] = True
    graph = Graph.of(toy(lambda q, k, v: sdpa(q, k, v, attn_mask=only), 1), SIZE, "net")
    answer = ask({"net": graph}, images(8, SIZE), 2, model="net")
    assert (answer.attention_distance == 0).all() and answer.attention_distance_renormalised.isnull().all()


def chosen(layers, name="vit"):
    bound = AttentionDistance(name, layers).bind(Models({"vit": graph_of("vit"), "swin": graph_of("swin")}))
    return [str(a) for a in bound.bound]


def test_attentions_are_asked_by_their_names_or_by_the_modules_around_them():
    both = ["vit:blocks.0.attn", "vit:blocks.1.attn"]
    for all_of_them in ((), "**", "vit:**", "@attention", "vit:@attention", "blocks.*", "blocks", "*", "**.attn"):
        assert chosen(all_of_them) == both
    for first in ("blocks.0", "vit:blocks.0", "blocks.0.attn", ("vit:blocks.0.attn", "blocks.0"), "blocks.0.*"):
        assert chosen(first) == both[:1]
    assert chosen(("blocks.1", "blocks.0")) == both[::-1]
    assert chosen("layers.*.blocks.1", "swin") == [f"swin:layers.{i}.blocks.1.attn" for i in (0, 1)]


class Pool(nn.Module):
    """A learned query attends to all patches, as in SigLIP."""

    def __init__(self):
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, 8))

    def forward(self, x):
        return sdpa(self.query.expand(x.shape[0], -1, -1)[:, None], x[:, None], x[:, None])


class Mixed(nn.Module):
    """Patches that attend to each other, then a learned query that attends to them."""

    def __init__(self):
        super().__init__()
        self.patch, self.pool = nn.Conv2d(3, 8, 4, 4), Pool()
        self.tokens = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        x = self.patch(x).flatten(2).mT
        return self.pool(self.tokens(x, x, x, need_weights=False)[0])


@functools.cache
def several():
    mixed = Graph.of(stirred(Mixed()), SIZE, "mixed")
    cnn = Graph.of(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), SIZE, "cnn")
    return {"vit": graph_of("vit"), "cnn": cnn, "cait": graph_of("cait"), "mixed": mixed}


HAVE = "Models of this study that have it: vit, mixed."
REFUSED = {
    ("cnn", ()): f"cnn has no attention of parts of the image to parts of the image. {HAVE}",
    ("cait", "blocks.0"): (
        "cait has no attention of parts of the image to parts of the image "
        f"(its attentions: 2 talking heads, 2 class). {HAVE}"
    ),
    ("vti", ()): 'model = "vti": there is no such model. Closest: vit.',
    ("vit", "block.0"): ("vit:block.0 matches no attention of vit. Closest: blocks.0.attn, blocks.1.attn."),
    ("vit", "@block"): "vit:@block matches no attention of vit. Closest: blocks.1.attn, blocks.0.attn.",
    ("vit", "cnn:0"): ('"cnn:0" is a layer of cnn, but model = "vit". Ask of each model by itself.'),
    ("vit", "vot:blocks.0"): '"vot:blocks.0": there is no model "vot". Closest: vit.',
    ("mixed", "pool"): (
        "mixed:pool is class attention: its queries stand for no part of the image. "
        "Only token attention has a distance."
    ),
    ("mixed", "po*"): (
        "mixed:pool is class attention: its queries stand for no part of the image. "
        "Only token attention has a distance."
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_distance_is_refused(case):
    model, layers = case
    with pytest.raises(StudyError) as error:
        AttentionDistance(model, layers).bind(Models(several()))
    assert str(error.value) == REFUSED[case]


def test_a_glob_leaves_out_what_has_no_distance():
    bound = AttentionDistance("mixed", "**").bind(Models(several()))
    assert [str(a) for a in bound.bound] == ["mixed:tokens"]


def test_where_no_model_has_attention_none_is_named():
    with pytest.raises(StudyError, match=r"No model of this study has it\.$"):
        AttentionDistance("cnn").bind(Models({"cnn": several()["cnn"]}))


def test_weights_that_are_none_name_their_attention():
    graph, x = Graph.of(toy(lambda q, k, v: sdpa(q.exp(), k, v)), SIZE, "net"), images(6, SIZE)
    x[4] *= 1e4
    with pytest.raises(RunError) as error:
        ask({"net": graph}, x, 2, model="net")
    assert str(error.value) == (
        "the weights of the attention scaled_dot_product_attention hold NaN or infinity. Look at the images and the "
        "weights; half precision overflows above 65504 (run with --dtype float32). "
        "Met in batch 2: images image 4 ... image 5."
    )


def test_in_a_study():
    table = {
        "models": {"vit": {"source": "timm:vit_tiny_patch16_224"}},
        "images": {"some": {"source": "folder:photographs"}},
        "ask": {"distance": {"measure": "attention_distance", "model": "vit", "layers": ["blocks.0", "vit:blocks.1"]}},
    }
    (one,) = study(table).ask.values()
    assert one.measure == AttentionDistance("vit", ("blocks.0", "vit:blocks.1"))
    with pytest.raises(StudyError, match=r"^ask\.distance\.model is missing\.$"):
        study(table | {"ask": {"distance": {"measure": "attention_distance"}}})


def test_another_name_of_the_model_asks_the_same():
    asked = {name: AttentionDistance(name).bind(Models({name: graph_of("vit")})) for name in ("vit", "other")}
    first, second = (digest(bound, {name: "1f"}) for name, bound in asked.items())
    assert first == second != digest(asked["vit"], {"vit": "2e"})
    part = AttentionDistance("vit", "blocks.0").bind(Models({"vit": graph_of("vit")}))
    assert digest(part, {"vit": "1f"}) != first


def test_in_one_line():
    answer = seealike.answer(AttentionDistance("net"), {"net": build("vit")}, images(40), batch=4)
    assert answer.attention_distance.dims == answer.attention_distance_se.dims == ("layer", "head")
    assert answer.attention_distance.attrs["units"] == "pixel" and answer["head"].values.tolist() == [0, 1, 2]
    assert answer.attrs["question"] == {"model": "net", "layers": (), "bound": ()}
    assert 0 < float(answer.depth[0]) < float(answer.depth[1]) < 1
    assert list(answer.attrs["models"]) == ["net"]
