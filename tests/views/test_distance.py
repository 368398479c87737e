"""The weights of an attention in blocks, whatever the blocks; in half precision; and what is seen of them."""

import functools

import pytest
import torch
from small import FAMILIES, build, images

from seealike.models.graph import Graph
from seealike.models.run import run
from seealike.views import weights as blocks
from seealike.views.distance import Distance
from seealike.views.weights import weights


@functools.cache
def graph_of(name):
    return Graph.of(build(name), FAMILIES[name].size, name)


def seen(graph, see, x, dtype=torch.float32):
    """What is seen of every token attention."""
    found = {}
    layers = [layer for layer in graph.tensors if layer.attention]

    def look(operation):
        found[operation.layer.attention.name] = see(operation)

    run(graph, x, [(layer, "before", look) for layer in layers], dtype)
    return found


def whole(operation):
    made = weights(operation)
    return made.block(slice(None), slice(None))


@pytest.mark.parametrize("name", ["vit", "tv_swin", "pvt"])
def test_the_view_is_one_row_an_image_and_blocks_do_not_change_it(name, monkeypatch):
    graph, x = graph_of(name), images(3, FAMILIES[name].size)
    expected = seen(graph, Distance().see, x)
    assert len(expected) == len(graph.attentions)
    counts = []

    def cut(operation):
        counts[-1] += len(list(weights(operation).blocks()))
        return Distance().see(operation)

    for most in (1, 1000, 100_000):
        monkeypatch.setattr(blocks, "CACHED", most)
        counts.append(0)
        for attention, rows in seen(graph, cut, x).items():
            assert rows.shape[:2] == (3, 3)
            torch.testing.assert_close(rows, expected[attention], rtol=1e-5, atol=1e-5)
    assert counts[0] == sum(3 * a.queries for a in graph.attentions) > counts[1] > counts[2]


@pytest.mark.parametrize("name", ["vit", "tv_swin", "pvt"])
def test_weights_of_a_query_add_up_to_one(name):
    for rows in seen(graph_of(name), whole, images(2, FAMILIES[name].size)).values():
        torch.testing.assert_close(rows.sum(-1), torch.ones(rows.shape[:-1]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["vit", "tv_swin"])
def test_half_precision_rounds_the_network_not_the_distance(name, dtype):
    graph, x = graph_of(name), images(3, FAMILIES[name].size)
    expected = seen(graph, Distance().see, x)
    for attention, rows in seen(graph, Distance().see, x, dtype).items():
        assert rows.dtype == torch.float32
        torch.testing.assert_close(rows, expected[attention], rtol=2e-2, atol=1e-3)
        assert not torch.equal(rows, expected[attention])


def test_a_network_in_double_precision_keeps_it():
    graph = Graph.of(build("vit").double(), (3, 32, 32), "vit")
    for rows in seen(graph, Distance().see, images(2).double()).values():
        assert rows.dtype == torch.float64


def test_large_attentions_are_never_whole():
    shape = (2, 1, 4096, 4096)
    made = blocks.Weights(shape, lambda images, queries: torch.empty(0), torch.device("cpu"))
    cut = list(made.blocks())
    assert len({(i.start, q.start) for i, q in cut}) == len(cut)
    for images_, queries in cut:
        n, q = len(range(2)[images_]), len(range(4096)[queries])
        assert n == 1 and n * q * 4096 <= blocks.CACHED
    assert sum(len(range(2)[i]) * len(range(4096)[q]) for i, q in cut) == 2 * 4096
