"""Grams of the parts of a tensor, against features taken apart by hand in float64."""

import functools
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import FAMILIES, build, images, stirred, tensors
from torch import nn

from seealike.kernel import View
from seealike.maths.gram import gram, grams
from seealike.models.graph import Graph
from seealike.models.names import INPUT
from seealike.models.places import NOWHERE, Places
from seealike.models.raster import Raster
from seealike.models.run import run
from seealike.views.parts import Heads, Patches, Tokens

SIZE, HEADS, TOKENS = (3, 8, 12), 4, 6  # of Toy: 2 x 3 patches of 4 x 4 pixels


@functools.cache
def graph_of(name):
    return Graph.of(build(name), FAMILIES[name].size, name)


def reference(x):
    """The Gram of features centred over the images, in float64."""
    y = x.double().reshape(len(x), -1)
    y = y - y.mean(0)
    return y @ y.T


def stack(x):
    """Of images x parts x all else."""
    return torch.stack([reference(part) for part in x.unbind(1)])


def seen(graph, layer, view: View, x, dtype=torch.float32):
    found = []
    run(graph, x, [(graph.by_name[layer], "after", lambda o: found.append(view.see(o)))], dtype)
    return found[0]


def equal(a, b, rtol=1e-5):
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=0, atol=rtol * float(b.abs().max()))


# The Grams of many parts.


@pytest.mark.parametrize("shape", [(5, 7), (6, 9, 4), (4, 5, 3, 2, 2), (20, 3, 50), (130, 2, 3)])
@pytest.mark.parametrize("chunk", [1, 500, 1 << 23])
def test_grams_of_parts_in_any_chunks(shape, chunk, monkeypatch):
    monkeypatch.setattr("seealike.maths.gram.CHUNK_BYTES", {"cpu": chunk})
    x = images(shape[0], shape[1:]) + 30
    kept, h = x.clone(), torch.eye(len(x), dtype=torch.float64) - 1 / len(x)
    made = grams(x)
    assert made.dtype == torch.float32 and torch.equal(x, kept)
    equal(h @ made.double() @ h, stack(x), 2e-6)
    equal(h @ grams(x.double()) @ h, stack(x), 1e-12)
    # parts that do not lie together, images that do
    equal(h @ grams(x.transpose(0, 1).contiguous().transpose(0, 1)).double() @ h, stack(x), 2e-6)
    equal(made.sum(0), gram(x), 2e-6)


@pytest.mark.parametrize("n", [5, 16, 20, 33])
def test_a_part_that_is_the_same_for_all_images_has_a_gram_of_zeros(n):
    x = images(n, (3, 7))
    x[:, 1] = images(1, (7,), 1) / 3
    made = grams(x)
    assert not made[1].any() and made[0].any() and made[2].any()


def test_half_precision_is_multiplied_in_single():
    x = (images(6, (3, 400)) + 3).half()
    with torch.autocast("cpu", torch.bfloat16):
        made = grams(x)
    assert made.dtype == torch.float32
    equal(made, stack(x), 1e-6)


# Heads.


class Toy(nn.Module):
    """Patches of 4 x 4 pixels behind `prefix` tokens, attending once in the way it is given."""

    def __init__(self, attend, prefix):
        super().__init__()
        self.patch, self.qkv = nn.Conv2d(3, 24, 4, 4), nn.Linear(24, 72)
        self.prefix = nn.Parameter(torch.randn(1, prefix, 24))
        self.attend = attend

    def heads(self, x):
        x = torch.cat([self.prefix.expand(x.shape[0], -1, -1), self.patch(x).flatten(2).mT], 1)
        return self.qkv(x).unflatten(-1, (3, HEADS, 6)).permute(2, 0, 3, 1, 4).unbind(0)

    def forward(self, x):
        return self.attend(*self.heads(x))


def softmax(q, k):
    return (q @ k.mT * 6**-0.5).softmax(-1)


def by_head(q, k, v):
    return (softmax(q, k) @ v).transpose(0, 1)


sdpa = F.scaled_dot_product_attention
# how attention is written: what runs, and heads x images x queries x channels of it
FORMS = {
    "fused": (sdpa, by_head),
    "grouped": (
        lambda q, k, v: sdpa(q, k[:, :2], v[:, :2], enable_gqa=True),
        lambda q, k, v: by_head(q, k[:, [0, 0, 1, 1]], v[:, [0, 0, 1, 1]]),
    ),
    "flat": (lambda q, k, v: sdpa(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)), by_head),
    "written": (lambda q, k, v: softmax(q, k) @ v, by_head),
    "transposed": (lambda q, k, v: v.mT @ softmax(q, k).mT, by_head),
    "folded": (lambda q, k, v: torch.bmm(softmax(q, k).flatten(0, 1), v.flatten(0, 1)), by_head),
    "einsum": (lambda q, k, v: torch.einsum("bhqk,bkhd->bqhd", softmax(q, k), v.transpose(1, 2)), by_head),
    "einsum, heads first": (
        lambda q, k, v: torch.einsum("hbqk,hbkd->bqdh", softmax(q, k).transpose(0, 1), v.transpose(0, 1)),
        by_head,
    ),
    # one set of weights for all: one head
    "shared": (
        lambda q, k, v: softmax(q[:, :1], k[:, :1]) @ v,
        lambda q, k, v: (softmax(q[:, :1], k[:, :1]) @ v).permute(0, 2, 1, 3)[None],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_heads_of_every_way_to_write_attention(form):
    attend, heads = FORMS[form]
    torch.manual_seed(0)
    module, x = stirred(Toy(attend, 2)).double(), images(5, SIZE).double()
    graph = Graph.of(module, SIZE, "net")
    (layer,) = (layer.name for layer in graph.tensors if layer.attention)
    with torch.no_grad():
        expected = heads(*module.heads(x)).transpose(0, 1)  # images x heads x queries x channels
    made = seen(graph, layer, Heads(), x)
    equal(made, stack(expected), 1e-12)
    equal(made.sum(0), reference(tensors(graph, x, [layer])[layer]), 1e-12)
    equal(seen(graph, layer, Heads(cls=False), x), stack(expected[:, :, 2:]), 1e-12)


@pytest.mark.parametrize("name", ["vit", "tv_vit"])
def test_heads_add_up_to_the_product(name):
    graph, x = graph_of(name), images(4, FAMILIES[name].size)
    for layer in [layer for layer in graph.tensors if layer.attention][:2]:
        made = seen(graph, layer.name, Heads(), x)
        assert len(made) > 1
        equal(made.sum(0), reference(tensors(graph, x, [layer.name])[layer.name]))


def windows(count, side, shift):
    """windows x positions: row and column of each, NaN beyond the `count` rows and columns of the map."""
    whole = -(-count // side) * side
    at = [i if i < count else np.nan for i in range(whole)]
    found = [
        [(at[(y + shift) % whole], at[(x + shift) % whole]) for y in range(t, t + side) for x in range(u, u + side)]
        for t in range(0, whole, side)
        for u in range(0, whole, side)
    ]
    return np.array(found)


class Windows(nn.Module):
    """As torchvision's Swin: 6 x 6 patches filled up to 8 x 8, moved by `shift`, attending in windows of 4 x 4."""

    def __init__(self, shift):
        super().__init__()
        self.patch, self.qkv, self.shift = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 24), shift

    def forward(self, x):
        x = F.pad(self.patch(x).permute(0, 2, 3, 1), (0, 0, 0, 2, 0, 2)).roll((-self.shift, -self.shift), (1, 2))
        x = x.unflatten(1, (2, 4)).unflatten(3, (2, 4)).transpose(2, 3).reshape(-1, 16, 8)
        return sdpa(*self.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4).unbind(0))


@pytest.mark.parametrize("shift", [0, 2])
def test_windows_are_parts_of_a_head_and_what_fills_them_up_is_none(shift):
    graph, x = Graph.of(stirred(Windows(shift)), (3, 24, 24), "net"), images(4, (3, 24, 24))
    (layer,) = (layer.name for layer in graph.tensors if layer.attention)
    t = tensors(graph, x, [layer])[layer]
    assert t.shape == (4, 4, 2, 16, 4)  # images, windows, heads, places, channels
    inside = torch.from_numpy(np.isfinite(windows(6, 4, shift)).all(-1))
    assert int(inside.sum()) == 36
    expected = stack(t.transpose(1, 2)[:, :, inside])
    for cls in (True, False):
        equal(seen(graph, layer, Heads(cls), x), expected)


# Tokens.


@functools.cache
def cnn():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 5, 3, 2, 1), nn.ReLU(), nn.Conv2d(5, 6, 3, 2, 1))
    return Graph.of(stirred(net), (3, 16, 24), "cnn")


def test_tokens_behind_a_prefix_and_positions_of_maps():
    cases = [
        (graph_of("vit"), "blocks.1", lambda t: t[:, 1:]),
        (cnn(), "2", lambda t: t.flatten(2).mT),
        (graph_of("swin"), "layers.0.blocks.0", lambda t: t.reshape(4, 196, 12)),
    ]
    for graph, layer, tokens in cases:
        x = images(4, graph.size)
        equal(seen(graph, layer, Tokens(), x), stack(tokens(tensors(graph, x, [layer])[layer])))


def test_tokens_in_windows_come_row_by_row():
    """Swin's second block moves its 14 x 14 places by 3 before it cuts them into windows of 7."""
    graph, x = graph_of("swin"), images(4, FAMILIES["swin"].size)
    layer = "layers.0.blocks.1.attn.qkv"
    t = tensors(graph, x, [layer])[layer]
    assert t.shape[1:3] == (4, 49)
    by_place = {tuple(p): t[:, w, i] for w, row in enumerate(windows(14, 7, 3)) for i, p in enumerate(row)}
    expected = torch.stack([by_place[place] for place in itertools.product(range(14), range(14))], 1)
    equal(seen(graph, layer, Tokens(), x), stack(expected))


def test_a_raster_is_every_row_with_every_column():
    y, x = torch.meshgrid(torch.tensor([2.0, 6.0]), torch.tensor([2.0, 6.0, 10.0]), indexing="ij")
    whole = torch.stack([y, x]).flatten(1)
    turned = [3, 0, 5, 1, 4, 2]
    raster = Raster.of(Places((0,), whole[:, turned] + 1e-3 * torch.rand(2, 6)))
    assert raster is not None and (raster.rows, raster.columns) == (2, 3)
    assert [turned[i] for i in raster.order] == list(range(6))
    assert raster.centre == pytest.approx((4, 6), abs=1e-2)
    behind = Raster.of(Places((0,), torch.cat([torch.full((2, 1), NOWHERE), whole], 1)))
    assert behind is not None and behind.positions(torch.device("cpu")) == slice(1, 7)
    assert Raster.of(None) is None
    assert Raster.of(Places((0,), whole[:, :5])) is None  # one is missing
    assert Raster.of(Places((0,), whole[:, [0, 1, 2, 3, 4, 4]])) is None  # and another is there twice
    assert Raster.of(Places((0,), torch.full((2, 3), NOWHERE))) is None


# Patches.


def test_patches_of_the_input():
    graph, x = graph_of("vit"), images(4)
    for made in (x, x.contiguous(memory_format=torch.channels_last)):
        whole = seen(graph, INPUT, Patches((4, 2), (8, 16)), made)
        blocks = [x[:, :, t : t + 8, u : u + 16] for t in range(0, 32, 8) for u in range(0, 32, 16)]
        equal(whole, torch.stack([reference(b) for b in blocks]))
        equal(whole.sum(0), reference(x))
    part = seen(graph, INPUT, Patches((2, 3), (5, 7), (3, 9)), x)
    blocks = [x[:, :, t : t + 5, u : u + 7] for t in (3, 8) for u in (9, 16, 23)]
    equal(part, torch.stack([reference(b) for b in blocks]))


def test_a_run_in_half_precision_multiplies_grams_in_single():
    graph, x = graph_of("vit"), images(4)
    for layer, view in ((INPUT, Patches((4, 4), (8, 8))), ("blocks.0", Tokens()), ("blocks.0.attn", Heads())):
        name = layer if not isinstance(view, Heads) else next(n.name for n in graph.tensors if n.attention)
        kept = []
        watch = (graph.by_name[name], "after", lambda o, v=view, k=kept: k.extend([v.see(o), o.rows.float()]))
        run(graph, x, [watch], torch.bfloat16)
        equal(kept[0].sum(0), reference(kept[1] if not isinstance(view, Tokens) else kept[1][:, 1:]), 1e-6)


def test_views_of_what_has_no_such_parts_are_refused_by_the_measures_first():
    graph, x = graph_of("vit"), images(2)
    with pytest.raises(AssertionError, match="no token attention"):
        seen(graph, "blocks.0", Heads(), x)
    with pytest.raises(AssertionError, match="no grid"):
        seen(graph, "head", Tokens(), x)
