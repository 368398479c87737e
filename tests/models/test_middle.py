"""The middle of a layer, in whatever order its positions are kept."""

import itertools

import pytest
import torch
from small import images, tensors

from seealike.models.graph import Graph
from seealike.models.middle import middle, no_middle
from seealike.models.places import NOWHERE, PADDING, Places


def grid(rows, columns, step):
    lines = (step * (torch.arange(n) + 0.5) for n in (rows, columns))
    return torch.stack(torch.meshgrid(*lines, indexing="ij"))


@pytest.mark.parametrize(("rows", "columns"), list(itertools.product((1, 4, 5), (1, 2, 3))))
def test_it_is_found_in_any_order(rows, columns):
    """Tokens shuffled, others before them and padding between."""
    yx = grid(rows, columns, 8.0).flatten(1)
    beside = torch.tensor([[NOWHERE, PADDING], [NOWHERE, PADDING]])
    order = torch.randperm(rows * columns + 2, generator=torch.Generator().manual_seed(rows))
    shuffled = torch.cat([beside, yx], 1)[:, order]
    found = middle(Places((0,), shuffled))
    ((position,),) = found.positions
    assert found.grid == (rows, columns) and found.cells == ((rows // 2, columns // 2),)
    assert tuple(shuffled[:, position].tolist()) == found.pixel == (8 * (rows // 2) + 4, 8 * (columns // 2) + 4)
    several = middle(Places((0,), shuffled), "mean4")
    assert len(several.positions) == (2 - rows % 2) * (2 - columns % 2)
    assert several.pixel == (4.0 * rows, 4.0 * columns)
    assert {tuple((shuffled[:, p].squeeze(1) // 8).int().tolist()) for p in several.positions} == set(several.cells)


def test_rounding_makes_no_line_of_its_own():
    yx = grid(3, 4, 1.0)
    jittered = yx + 1e-4 * torch.rand(yx.shape, generator=torch.Generator().manual_seed(0))
    found = middle(Places((1, 2), jittered))
    assert found.grid == (3, 4) and found.cells == ((1, 2),) and found.positions == ((1, 2),)


def test_the_numbers_in_it_are_a_copy():
    x = images(2, (3, 4, 4))
    found = middle(Places((1, 2), grid(4, 4, 1.0)))
    taken = found.of(x, Places((1, 2), grid(4, 4, 1.0)))
    assert torch.equal(taken, x[:, :, 2, 2])
    x.zero_()
    assert taken.all()


class Windows(torch.nn.Module):
    """A grid of 4 x 6 moved round and cut into windows of 2 x 2, a map in each, and put together again."""

    def __init__(self):
        super().__init__()
        self.patch, self.map = torch.nn.Conv2d(3, 8, 4, 4), torch.nn.Linear(8, 8)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        cut = x.roll((-1, -1), (1, 2)).unflatten(1, (2, 2)).unflatten(3, (3, 2)).transpose(2, 3).flatten(0, 2)
        y = self.map(cut.flatten(1, 2))
        y = y.unflatten(1, (2, 2)).unflatten(0, (-1, 2, 3)).transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return x + y.roll((1, 1), (1, 2))


def test_windows_have_the_middle_of_the_whole_grid():
    """What the branch holds in its middle comes out in the middle of the stream it is added to."""
    graph = Graph.of(Windows(), (3, 16, 24), "net")
    (residual,) = graph.residuals
    assert graph.by_name["map"].shape == (6, 4, 8) and residual.branch == "map"
    seen = tensors(graph, images(2, graph.size), ["patch", "map", "add"])
    own = {n: middle(p).of(x, p) for n, x in seen.items() if (p := graph.by_name[n].places)}
    torch.testing.assert_close(own["add"] - own["patch"], own["map"])
    assert (own["map"] != seen["map"][:, 0, 0]).any()


class Channels(torch.nn.Module):
    """Channels by channels, and a token that stands for nothing."""

    def __init__(self):
        super().__init__()
        self.token = torch.nn.Parameter(torch.ones(1, 1, 3))

    def forward(self, x):
        x = x.relu().flatten(2)
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), x.mT], 1)
        return x @ x.mT, torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)[:, 0].tanh()


def test_what_has_no_middle_says_why():
    graph = Graph.of(Channels(), (3, 4, 4), "net")
    assert {x.name: no_middle(x) for x in graph.layers} == {
        "relu": None,
        "cat": None,
        "scaled_dot_product_attention": None,
        "matmul": "its places in the image could not be found",
        "tanh": "none of its positions stands for a part of the image",
    }


class Some(torch.nn.Module):
    """All positions of a grid but one."""

    def forward(self, x):
        return torch.cat([x.flatten(2)[:, :, :5], x.flatten(2)[:, :, 6:]], 2).relu()


def test_a_grid_with_a_gap_is_none():
    (layer,) = (x for x in Graph.of(Some(), (3, 4, 4), "some").layers if x.name == "relu")
    assert no_middle(layer) == "its places form no grid"
