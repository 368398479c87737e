"""Where the numbers of a tensor are: against windows cut by hand, and against what a changed pixel changes."""

import functools

import numpy as np
import pytest
import torch
from small import FAMILIES, build, images, stirred, tensors
from torch import nn

from seealike.models.graph import Graph
from seealike.models.places import NOWHERE, PADDING


@functools.cache
def graph_of(name):
    return Graph.of(build(name), FAMILIES[name].size, name)


def centres(count, step, first=None):
    """2 x count x count: the centres of a square grid of patches, `step` pixels apart."""
    line = step * np.arange(count) + (step / 2 if first is None else first)
    return np.stack(np.meshgrid(line, line, indexing="ij"))


def with_prefix(grid, prefix):
    return np.concatenate([np.full((2, prefix), NOWHERE), grid.reshape(2, -1)], 1)


def check(graph, name, expected, dims):
    places = graph.by_name[name].places
    assert places.dims == dims
    np.testing.assert_allclose(places.yx.numpy(), expected, atol=1e-4)


# family: patch, tokens that stand for no part of the image, layers of tokens
PREFIXES = {
    "vit": (8, 1, ("blocks.0.norm1", "blocks.0.attn.qkv", "blocks.0.attn", "blocks.1", "norm")),
    "deit_distilled": (8, 2, ("blocks.0.norm1", "blocks.1.mlp.fc1", "norm")),
    "eva02": (7, 1, ("blocks.0.norm1", "blocks.1")),
    "hf_vit": (8, 1, ("vit.layers.1", "vit.layernorm")),
    "hf_dinov2_registers": (8, 5, ("layernorm",)),
    "tv_vit": (8, 1, ("encoder.layers.encoder_layer_0.ln_1", "encoder")),
    "cait": (8, 0, ("blocks.0", "blocks.1")),
    "mixer": (8, 0, ("blocks.0.norm1", "blocks.0.mlp_channels.fc1", "blocks.1")),
}


@pytest.mark.parametrize("name", PREFIXES)
def test_tokens_are_at_the_centres_of_their_patches(name):
    patch, prefix, layers = PREFIXES[name]
    graph = graph_of(name)
    expected = with_prefix(centres(graph.size[1] // patch, patch), prefix)
    for layer in layers:
        check(graph, layer, expected, (0,))
        assert int(graph.by_name[layer].places.nowhere.sum()) == prefix


def test_the_class_token_of_a_late_class_attention_is_nowhere():
    graph = graph_of("cait")
    assert graph.by_name["blocks_token_only.0"].places.nowhere.all()
    check(graph, "norm", with_prefix(centres(4, 8), 1), (0,))


def test_heads_and_time_major_attention():
    """`nn.MultiheadAttention` has its images last or folded behind its tokens, its heads folded behind the images."""
    graph = graph_of("tv_vit")
    expected = with_prefix(centres(4, 8), 1)
    attention = "encoder.layers.encoder_layer_0.self_attention"
    folds = [graph.by_name[n].axis for n in (f"{attention}.linear", attention)]
    assert [(a.dim, a.outer, a.inner) for a in folds] == [(1, 1, 1), (0, 17, 1)]
    for name in (f"{attention}.linear", attention):
        check(graph, name, expected, (0,))
    check(graph, f"{attention}.scaled_dot_product_attention", expected, (1,))
    check(graph_of("vit"), "blocks.0.attn.scaled_dot_product_attention", with_prefix(centres(4, 8), 1), (1,))


def partition(grid, window):
    """2 x h x w -> 2 x windows x places, window by window, row by row."""
    _, h, w = grid.shape
    rows = [
        grid[:, y : y + window, x : x + window].reshape(2, -1) for y in range(0, h, window) for x in range(0, w, window)
    ]
    return np.stack(rows, 1)


def rolled(grid, shift):
    h, w = grid.shape[1:]
    out = np.empty_like(grid)
    for y in range(h):
        for x in range(w):
            out[:, y, x] = grid[:, (y + shift) % h, (x + shift) % w]
    return out


def padded(grid, window):
    _, h, w = grid.shape
    out = np.full((2, -(-h // window) * window, -(-w // window) * window), PADDING)
    out[:, :h, :w] = grid
    return out


@pytest.mark.parametrize(("block", "shift"), [(0, 0), (1, 3)])
def test_windows_of_swin(block, shift):
    graph = graph_of("swin")
    expected = partition(rolled(centres(14, 4), shift), 7)
    attention = f"layers.0.blocks.{block}.attn"
    check(graph, f"{attention}.qkv", expected, (0, 1))
    check(graph, attention, expected, (0, 1))
    check(graph, f"{attention}.softmax", expected, (0, 2))  # windows x heads x queries x keys: the query's place
    check(graph, f"layers.0.blocks.{block}.add", centres(14, 4), (0, 1))


@pytest.mark.parametrize(("block", "shift"), [(0, 0), (1, 2)])
def test_windows_of_torchvisions_swin_pad_and_then_roll(block, shift):
    graph = graph_of("tv_swin")
    expected = partition(rolled(padded(centres(10, 4), 4), shift), 4)
    places = graph.by_name[f"features.1.{block}.attn.linear"].places
    assert places.dims == (0, 1) and np.array_equal(places.yx.numpy(), expected)
    assert int((~places.somewhere).sum()) == 44 and not places.nowhere.any()
    check(graph, f"features.1.{block}.attn", centres(10, 4), (0, 1))
    check(graph, f"features.1.{block}", centres(10, 4), (0, 1))


def test_windows_of_timms_swin_roll_and_then_pad():
    from timm.models.swin_transformer import SwinTransformer

    options = {"img_size": 40, "patch_size": 4, "depths": (2,), "embed_dim": 12, "num_heads": (2,), "window_size": 4}
    graph = Graph.of(stirred(SwinTransformer(num_classes=5, **options)), (3, 40, 40), "swin")
    expected = partition(padded(rolled(centres(10, 4), 2), 4), 4)
    assert np.array_equal(graph.by_name["layers.0.blocks.1.attn.qkv"].places.yx.numpy(), expected)
    check(graph, "layers.0.blocks.1.add", centres(10, 4), (0, 1))


@pytest.mark.parametrize(("name", "layers"), [("swin", ("layers.1.downsample",)), ("tv_swin", ("features.2",))])
def test_patch_merging_is_at_the_centre_of_its_four(name, layers):
    graph = graph_of(name)
    side = graph.by_name[layers[0]].shape[0]
    for layer in (*layers, f"{layers[0]}.norm"):
        check(graph, layer, centres(side, 8), (0, 1))


@pytest.mark.long
def test_windows_and_grids_of_maxvit():
    """Attention in windows, then over a grid of strided places: 4 x 4 places each on a map of 16 x 16 pixels."""
    graph = graph_of("maxvit")
    grid = centres(16, 4, first=1)  # the two ways through a strided block are a pixel apart
    attentions = [a.name for a in graph.attentions[:2]]
    windows = partition(grid, 4)
    strided = np.stack([grid[:, y::4, x::4].reshape(2, -1) for y in range(4) for x in range(4)], 1)
    for attention, expected in zip(attentions, (windows, strided), strict=True):
        places = graph.by_name[f"{attention}.qkv"].places
        assert np.abs(places.yx.reshape(2, 16, 16).numpy() - expected).max() <= 1, attention


# the position i of a layer lies at pixel first + step * i
STRIDES = {
    "resnet18": {
        "conv1": (2, 0.5),
        "maxpool": (4, 0.5),
        "layer1.1": (4, 0.5),
        "layer2.0.conv1": (8, 0.5),
        "layer2.0.downsample": (8, 0.5),
        "layer3.0": (16, 0.5),
    },
    "convnext": {"stem.0": (4, 2), "stages.0": (4, 2), "stages.1.downsample.1": (8, 4), "stages.2": (16, 8)},
    "pvt": {"patch_embed.proj": (4, 0.5), "stages.0.blocks.0.attn.q": (4, 0.5)},
}


@pytest.mark.parametrize("name", STRIDES)
def test_strides(name):
    graph = graph_of(name)
    for layer, (step, first) in STRIDES[name].items():
        places = graph.by_name[layer].places
        side = round(places.yx[0].numel() ** 0.5)
        np.testing.assert_allclose(places.yx.reshape(2, side, side), centres(side, step, first), atol=1e-4)


def test_channels_first_and_channels_last():
    graph = graph_of("convnext")
    for name, dims in {"conv_dw": (1, 2), "norm": (0, 1), "mlp.fc1": (1, 2)}.items():
        check(graph, f"stages.1.blocks.0.{name}", centres(8, 8), dims)


def test_a_grid_of_as_many_channels_as_places():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last, self.norm = nn.Conv2d(3, 4, 2, 2), nn.Linear(4, 4), nn.LayerNorm(4)

        def forward(self, x):
            return self.norm(self.last(self.first(x).permute(0, 2, 3, 1)))

    graph = Graph.of(stirred(Net()), (3, 8, 8), "net")
    check(graph, "first", centres(4, 2), (1, 2))
    check(graph, "norm", centres(4, 2), (0, 1))


def test_what_mixes_all_places_has_none_that_vary():
    graph = graph_of("mixer")
    for name in ("blocks.0.mlp_tokens.fc1", "blocks.0.mlp_tokens.act"):
        assert graph.by_name[name].places.dims == ()
    assert graph_of("resnet18").by_name["global_pool"].places.dims == ()
    np.testing.assert_allclose(graph.by_name["head"].places.yx, [16, 16])


class Windows(nn.Module):
    """A convolution and a pool within each of four windows, then a query that all four share."""

    def __init__(self):
        super().__init__()
        self.patch, self.conv, self.pool = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 3, padding=1), nn.MaxPool2d(2)

    def forward(self, x):
        grid = self.patch(x)
        windows = grid.unflatten(3, (2, 4)).unflatten(2, (2, 4)).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
        keys = self.pool(self.conv(windows)).flatten(2).mT
        shared = nn.functional.avg_pool2d(grid, 4).flatten(2).mT.repeat_interleave(4, 0)
        attended = (shared @ keys.mT).softmax(-1) @ keys
        return (keys + attended).relu()


def test_what_keeps_a_grid_keeps_that_of_each_window():
    graph = Graph.of(stirred(Windows()), (3, 32, 32), "net")
    for layer, step in (("conv", 4), ("pool", 8)):
        side = 16 // step
        check(
            graph,
            layer,
            centres(32 // step, step).reshape(2, 2, side, 2, side).swapaxes(2, 3).reshape(2, 4, side, side),
            (0, 2, 3),
        )


def test_what_windows_ask_for_together_has_no_place_in_them():
    graph = Graph.of(stirred(Windows()), (3, 32, 32), "net")
    assert [x.name for x in graph.layers if x.places is None] == ["matmul", "softmax", "matmul@1"]
    assert [a.kind for a in graph.attentions] == ["unplaced"]
    check(graph, "relu", graph.by_name["pool"].places.yx.reshape(2, 4, 4), (0, 1))


def test_places_that_cannot_be_found_are_none():
    class Sorts(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = nn.Conv2d(3, 4, 1)

        def forward(self, x):
            return self.c(x).flatten(2).sort(-1)[0].relu()

    graph = Graph.of(stirred(Sorts()), (3, 8, 8), "net")
    assert graph.by_name["c"].places is not None and graph.by_name["relu"].places is None


# what follows a patch embedding without mixing places
PIXELWISE = {
    "vit": (8, ("patch_embed.proj", "patch_embed", "blocks.0.norm1", "blocks.0.attn.qkv")),
    "swin": (4, ("patch_embed", "layers.0.blocks.0.attn.qkv")),
    "tv_swin": (4, ("features.0.0", "features.1.0.attn.linear")),
    "tv_vit": (8, ("conv_proj", "encoder.layers.encoder_layer_0.self_attention.linear")),
    "hf_dinov2_registers": (8, ("embeddings",)),
    "convnext": (4, ("stem.0", "stem.1")),
    "mixer": (8, ("stem", "blocks.0.norm1")),
    "cait": (8, ("patch_embed", "blocks.0.attn.qkv")),
}


@pytest.mark.parametrize("name", PIXELWISE)
def test_a_changed_patch_changes_the_places_in_it_and_no_others(name):
    patch, layers = PIXELWISE[name]
    graph = graph_of(name)
    row, column = 1, 2
    x = images(2, graph.size)
    before = tensors(graph, x, layers)
    x[0, :, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch] += 1
    after = tensors(graph, x, layers)
    for name in layers:
        layer = graph.by_name[name]
        changed = before[layer.name][0] != after[layer.name][0]
        others = [d for d in range(changed.ndim) if d not in layer.places.dims]
        changed = changed.any(dim=others) if others else changed
        y, x_ = layer.places.yx
        inside = (y // patch == row) & (x_ // patch == column)
        assert torch.equal(changed, inside), layer.name
        assert int(inside.sum()) == 1
