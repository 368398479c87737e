"""Gradients through a graph: those of the module in autograd, with nothing of the user's changed by it."""

import pytest
import torch
from small import FAMILIES, build, images, stirred
from torch import nn

from seealike.errors import RunError
from seealike.models.gradients import gradients, held, opened
from seealike.models.graph import Graph
from seealike.models.run import output

SIZE = (3, 8, 8)


def of_graph(graph, x, names):
    """The gradient of the sum of each layer."""
    leaf, taken = opened(graph, x, [(graph.by_name[n], lambda rows: rows.flatten(1).clone()) for n in names])
    return [gradients(graph, one, leaf, torch.ones_like(one)) for one in taken]


def of_module(compute, x):
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(compute(leaf).sum(), leaf)[0]


def check(module, x, **compute):
    graph = Graph.of(module, tuple(x.shape[1:]), "net")
    kept = x.clone()
    found = of_graph(graph, x, list(compute))
    assert torch.equal(x, kept) and not x.requires_grad
    for one, layer in zip(found, compute.values(), strict=True):
        expected = of_module(layer, x)
        assert expected.any()
        torch.testing.assert_close(one, expected, rtol=1e-5, atol=1e-6)
    return graph


class Overwrites(nn.Module):
    """Images, a branch, and a sum that the next operation overwrites."""

    def __init__(self):
        super().__init__()
        self.c, self.norm, self.act = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU(inplace=True)

    def forward(self, x):
        x[:, 0].sub_(1).mul_(2)
        y = self.norm(self.c(x))
        y += x
        return self.act(y)


def test_what_is_overwritten_is_seen_as_it_was():
    module = stirred(Overwrites())

    def shifted(x):
        return torch.cat([(x[:, :1] - 1) * 2, x[:, 1:]], 1)

    def norm(x):
        return module.norm(module.c(shifted(x)))

    names = {"norm": norm, "add": lambda x: norm(x) + shifted(x), "act": lambda x: (norm(x) + shifted(x)).relu()}
    check(module, images(2, SIZE), **names)


class Stops(nn.Module):
    """Stops gradients in every way that a forward knows; `stop` says whether it does."""

    def __init__(self, stop=True):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.stop = stop

    def forward(self, x):
        with torch.set_grad_enabled(not self.stop):
            y = self.a(x).tanh()
        z = self.b(y)
        return (y + z.detach() if self.stop else y + z).sigmoid()


def test_gradients_pass_where_the_forward_stops_them():
    module = stirred(Stops())
    passing = Stops(stop=False)
    passing.load_state_dict(module.state_dict())
    assert not module(images(2, SIZE).requires_grad_()).requires_grad
    graph = check(module, images(2, SIZE), sigmoid=passing)
    assert any("set_grad_enabled" in str(n.target) for n in graph.module.graph.nodes)
    x = images(2, SIZE)
    with torch.no_grad():
        assert torch.equal(output(graph, x), module(x))
        of_graph(graph, x, ["sigmoid"])
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


class Counts(nn.Module):
    """Each forward changes what the next one gives, by numbers that depend on the images too."""

    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 4, 1)
        self.register_buffer("calls", torch.ones(()))
        self.register_buffer("last", torch.zeros(4, 8, 8))

    def forward(self, x):
        self.calls += 1
        y = self.c(x).tanh() * self.calls
        self.last.copy_(y[0] * self.calls)
        return y * self.calls


def test_buffers_are_as_before():
    module = stirred(Counts())
    x = images(1, SIZE)  # one: what it writes depends on its first image

    def double(x):
        return module.c(x).tanh() * 2

    graph = Graph.of(module, SIZE, "net")
    for _ in range(2):
        first, second = of_graph(graph, x, ["mul", "mul@1"])
        torch.testing.assert_close(first, of_module(double, x))
        torch.testing.assert_close(second, of_module(lambda x: double(x) * 2, x))
    assert graph.module.calls == 1 and not graph.module.last.any() and module.calls == 1
    assert not any(b.requires_grad for b in graph.module.buffers())


def test_weights_and_the_state_of_torch_are_as_before():
    module = build("vit").train()
    module.patch_embed.requires_grad_(False)
    module.head.weight.grad = torch.ones_like(module.head.weight)
    before = [(p, p.requires_grad, p.grad, p.detach().clone()) for p in module.parameters()]
    graph = Graph.of(module, FAMILIES["vit"].size, "vit")
    random = torch.get_rng_state()
    assert of_graph(graph, images(2), ["blocks.1", "head"])[0].any()
    assert torch.equal(torch.get_rng_state(), random) and module.training
    for p, required, grad, value in before:
        assert p.requires_grad == required and p.grad is grad and torch.equal(p, value)
    assert (module.head.weight.grad == 1).all()


class Lower(nn.Module):
    def __init__(self):
        super().__init__()
        self.low, self.last = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            y = self.low(x)
            y = y.tanh()
        return self.last(y.float())


def test_a_region_that_was_entered_is_left():
    module = stirred(Lower())
    graph = Graph.of(module, SIZE, "net")
    (found,) = of_graph(graph, images(2, SIZE), ["low"])
    assert not torch.is_autocast_enabled("cpu")
    expected = module.low.weight.sum((0, 2, 3))[None, :, None, None].expand_as(found)
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=1e-2)


def test_what_lies_behind_is_not_run():
    graph = Graph.of(stirred(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Tanh())), SIZE, "net")

    def ran(*inputs):
        raise KeyError("it ran")

    graph.by_name["1"].node.target = ran
    assert of_graph(graph, images(2, SIZE), ["0"])[0].any()
    with pytest.raises(KeyError, match="it ran"):
        of_graph(graph, images(2, SIZE), ["0", "1"])


def test_a_layer_that_does_not_depend_on_the_images_has_no_gradient():
    class Signs(nn.Module):
        def forward(self, x):
            return x.round(), x * 0

    graph = Graph.of(Signs(), SIZE, "net")
    for one in of_graph(graph, images(2, SIZE), ["round", "mul"]):
        assert one.shape == (2, *SIZE) and not one.any() and not one.requires_grad


def test_what_the_gradient_needs_may_not_be_overwritten():
    class Squares(nn.Module):
        def forward(self, x):
            return x.exp().mul_(2).tanh()

    graph = Graph.of(Squares(), SIZE, "net")
    message = (
        r"^net: no gradient can be taken through it: an operation in place \(`add_`, `x\[\.\.\.\] = `\) overwrites"
    )
    with pytest.raises(RunError, match=message):
        of_graph(graph, images(2, SIZE), ["tanh"])


def test_images_of_another_size_are_refused():
    graph = Graph.of(stirred(Overwrites()), SIZE, "net")
    with pytest.raises(RunError, match="was traced for images of size 3x8x8, but was given 3x8x16"):
        of_graph(graph, images(2, (3, 8, 16)), ["c"])


def test_what_an_image_holds_is_counted_up_to_the_deepest_layer():
    graph = Graph.of(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AvgPool2d(2)), SIZE, "net")
    assert held(graph, graph.layers[:1]) == 4 * 4 * 64
    assert held(graph, graph.layers[1:2]) == 4 * 2 * 4 * 64
    assert held(graph, graph.layers) == 4 * (2 * 4 * 64 + 4 * 16)
