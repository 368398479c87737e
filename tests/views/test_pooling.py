"""What of a layer stands for an image, against the tensors taken apart by hand."""

import functools

import pytest
import torch
from small import FAMILIES, build, images, stirred, tensors
from torch import nn

from seealike.errors import StudyError
from seealike.maths.gram import gram
from seealike.models.graph import Graph
from seealike.models.run import run
from seealike.views.gram import Gram
from seealike.views.pooling import Pool


@functools.cache
def graph_of(name):
    return Graph.of(build(name), FAMILIES[name].size, name)


def views(name, layer, *how):
    """What each view shows of a layer, and the layer's tensor."""
    graph, found = graph_of(name), {}
    x = images(3, graph.size)
    node = graph.by_name[layer]
    watches = [(node, "after", lambda o, h=h: found.update({h: Pool(h).see(o).clone()})) for h in how]
    run(graph, x, watches)
    return [found[h] for h in how], tensors(graph, x, [layer])[layer]


def equal(a, b):
    torch.testing.assert_close(a.flatten(1), b.flatten(1), rtol=1e-5, atol=1e-6)


def test_a_map_with_its_channels_first():
    (flat, mean, tokens, grid, wide), t = views("resnet18", "layer1.0", "flatten", "mean", "tokens", "4x4", "2x1")
    assert t.shape == (3, 64, 8, 8)
    equal(flat, t)
    equal(mean, t.mean((2, 3)))
    equal(tokens, t.flatten(2).transpose(1, 2))
    # places at 4 i + 0.5: cells of 8 pixels hold rows 0, 1; 2, 3; ...
    equal(grid, t.unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean((3, 5)).permute(0, 2, 3, 1))
    equal(wide, torch.stack([t[:, :, :4].mean((2, 3)), t[:, :, 4:].mean((2, 3))], 1))


def test_a_map_with_its_channels_last():
    (mean, grid), t = views("convnext", "stages.1.blocks.0.norm", "mean", "4x4")
    assert t.shape == (3, 8, 8, 16)
    equal(mean, t.mean((1, 2)))
    equal(grid, t.unflatten(1, (4, 2)).unflatten(3, (4, 2)).mean((2, 4)))


@pytest.mark.parametrize(("name", "prefix"), [("vit", 1), ("deit_distilled", 2)])
def test_tokens_behind_a_prefix(name, prefix):
    (flat, mean, cls, tokens, grid), t = views(name, "blocks.1", "flatten", "mean", "cls", "tokens", "2x2")
    assert t.shape == (3, 16 + prefix, 24)
    equal(flat, t)
    equal(cls, t[:, 0])
    equal(tokens, t[:, prefix:])
    equal(mean, t[:, prefix:].mean(1))
    equal(grid, t[:, prefix:].unflatten(1, (2, 2, 2, 2)).mean((2, 4)))


def test_heads_and_time_major_tokens():
    attention = "encoder.layers.encoder_layer_0.self_attention"
    (mean, cls), t = views("tv_vit", f"{attention}.scaled_dot_product_attention", "mean", "cls")
    assert t.shape == (3, 3, 17, 8)
    equal(cls, t[:, :, 0])
    equal(mean, t[:, :, 1:].mean(2))
    (mean, cls, flat), t = views("tv_vit", attention, "mean", "cls", "flatten")
    equal(cls, t[:, 0])
    equal(mean, t[:, 1:].mean(1))
    equal(flat, t)


def test_windows_come_back_to_their_places():
    """The same image cells, whether the layer lies in windows or not; padding stands for nothing."""
    (tokens, mean, grid), t = views("tv_swin", "features.1.1.attn.linear@1", "tokens", "mean", "2x2")
    assert t.shape == (3, 9, 16, 12) and tokens.shape == (3, 100, 12)
    (plain_mean, plain_grid), plain = views("tv_swin", "features.1.1.attn", "mean", "2x2")
    assert plain.shape == (3, 10, 10, 12)
    equal(mean, plain_mean)
    equal(grid, plain_grid)
    equal(plain_grid, plain.unflatten(1, (2, 5)).unflatten(3, (2, 5)).mean((2, 4)))


def test_a_grid_finer_than_the_layer_leaves_cells_empty():
    (grid,), t = views("vit", "blocks.1", "8x8")
    assert grid.shape == (3, 64, 24)
    filled = grid.abs().sum(-1) > 0
    assert filled.sum(1).tolist() == [16] * 3
    equal(grid[filled].reshape(3, -1), t[:, 1:])


@pytest.mark.parametrize("how", ["flatten", "mean", "cls", "tokens", "2x2"])
def test_the_gram_is_of_what_the_view_shows(how):
    graph, found = graph_of("vit"), {}
    layer = graph.by_name["blocks.0.attn.qkv"]
    both = {"gram": Gram(Pool(how)), "seen": Pool(how)}
    watches = [(layer, "after", lambda o, k=k: found.update({k: both[k].see(o).clone()})) for k in both]
    run(graph, images(5), watches)
    torch.testing.assert_close(found["gram"], gram(found["seen"]))
    assert found["gram"].shape == (5, 5)


REFUSED = {
    ("resnet18", "layer1.0", "cls"): "it has no token beside those of the image (no CLS)",
    ("mixer", "blocks.0", "cls"): "it has no token beside those of the image (no CLS)",
    ("xcit", "blocks.0.attn.matmul", "mean"): "its places in the image could not be found",
    ("cait", "blocks_token_only.0", "mean"): "none of its positions stands for a part of the image",
    ("cait", "blocks_token_only.0", "4x4"): "none of its positions stands for a part of the image",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_view_that_a_layer_has_not(case):
    name, layer, how = case
    assert Pool(how).refuses(graph_of(name).by_name[layer]) == REFUSED[case]
    assert Pool("flatten").refuses(graph_of(name).by_name[layer]) is None


def test_a_class_token_by_itself_has_one():
    assert Pool("cls").refuses(graph_of("cait").by_name["blocks_token_only.0"]) is None


@pytest.mark.parametrize("how", ["4x", "x4", "4x4x4", "Mean", "", "-1x2"])
def test_what_is_no_view(how):
    with pytest.raises(StudyError, match="is no view"):
        Pool(how)


def test_the_image_itself_is_a_layer():
    graph, found = Graph.of(stirred(nn.Sequential(nn.Conv2d(3, 4, 3))), (3, 8, 8), "net"), {}
    x = images(2, (3, 8, 8))
    run(graph, x, [(graph.by_name["input"], "after", lambda o: found.update(grid=Pool("2x2").see(o)))])
    equal(found["grid"], x.unflatten(2, (2, 4)).unflatten(4, (2, 4)).mean((3, 5)).permute(0, 2, 3, 1))
