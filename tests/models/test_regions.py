"""What runs under `no_grad` or `autocast` inside a forward has names, and the numbers of the module."""

import pytest
import torch
from small import images, stirred, tensors
from torch import nn

from seealike.models.graph import Graph
from seealike.models.regions import open_regions
from seealike.models.run import output, run

SIZE = (3, 8, 8)


class Regions(nn.Module):
    """Frozen stem; a part in its own precision, which holds a region itself; two results of one region."""

    def __init__(self):
        super().__init__()
        self.stem, self.low, self.high, self.last = (nn.Conv2d(3, 3, 1) for _ in range(4))

    def forward(self, x):
        with torch.no_grad():
            x = self.stem(x)
            y = x.tanh()
        with torch.autocast("cpu", torch.bfloat16):
            y = self.low(y)
            with torch.autocast("cpu", enabled=False):
                z = self.high(y.float())
        return self.last(x + z)


@pytest.mark.parametrize("last", ["stem", "low", "high"])
def test_a_run_that_ends_inside_a_region_leaves_it(last):
    graph, seen = Graph.of(stirred(Regions()), SIZE, "net"), []
    run(graph, images(2, SIZE), [(graph.by_name[last], "after", lambda o: seen.append(o.layer.name))])
    assert seen == [last] and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")


def test_regions_are_opened():
    module = stirred(Regions())
    graph = Graph.of(module, SIZE, "net")
    assert [x.name for x in graph.layers] == ["stem", "tanh", "low", "high", "add", "last"]
    x = images(3, SIZE)
    with torch.no_grad():
        assert torch.equal(output(graph, x), module(x))
    seen = tensors(graph, x)
    assert seen["low"].dtype == torch.bfloat16 and seen["high"].dtype == torch.float32
    assert torch.equal(seen["stem"], module.stem(x))
    assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")


def test_gradients_stop_where_the_module_stops_them():
    module = stirred(Regions())
    program = torch.export.export(module, (images(2, SIZE),), strict=False)
    opened = open_regions(program.module(check_guards=False))
    assert not any("wrap_with" in str(n.target) for n in opened.graph.nodes)
    x = images(2, SIZE).requires_grad_()
    y = opened(x)
    assert torch.equal(y, module(x))
    y.sum().backward()
    assert x.grad is None and module.stem.weight.grad is None
    assert module.low.weight.grad.abs().sum() > 0 and module.last.weight.grad.abs().sum() > 0


class Several(nn.Module):
    """A region of several results, one of which is never used again, and one that returns a mere input."""

    def forward(self, x):
        with torch.no_grad():
            a, b = (x * 2).chunk(2, 2)
            unused = a.relu()  # noqa: F841
        with torch.no_grad():
            c = a.exp()
        return a + b, c


@pytest.mark.parametrize("count", [1, 4])
def test_regions_of_several_results(count):
    graph = Graph.of(Several(), SIZE, "net")
    x = images(count, SIZE)
    for mine, theirs in zip(output(graph, x), Several()(x), strict=True):
        assert torch.equal(mine, theirs)
