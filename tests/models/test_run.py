"""Running a graph: each operation shown before and after, and nothing of the user's changed by it."""

import copy

import pytest
import torch
from small import build, images, stirred, tensors
from torch import nn

from seealike.errors import RunError
from seealike.models import run as running
from seealike.models.graph import Graph
from seealike.models.run import output, run

SIZE = (3, 8, 8)


class OverwritesItsInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        x[:, 0].sub_(1).mul_(2)
        return self.c(x)


def test_images_that_a_model_overwrites_are_its_own():
    module = stirred(OverwritesItsInput())
    graph = Graph.of(module, SIZE, "net")
    x = images(2, SIZE)
    kept = x.clone()
    seen = tensors(graph, x)["c"]
    assert torch.equal(x, kept)
    assert torch.equal(seen, module(kept.clone())) and torch.equal(output(graph, x), seen)
    assert torch.equal(x, kept)


class Counts(nn.Module):
    """Each forward changes what the next one gives."""

    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 4, 1)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("last", torch.zeros(2))

    def forward(self, x):
        self.calls += 1
        self.last = self.last + 0.5
        return self.c(x) * self.calls + self.last.sum()


def test_buffers_that_a_forward_changes_are_restored():
    module = stirred(Counts())
    graph = Graph.of(module, SIZE, "net")
    x = images(2, SIZE)
    first = output(graph, x)
    for _ in range(2):
        assert torch.equal(output(graph, x), first)
        tensors(graph, x, ["c"])  # stops when all was seen
    assert graph.module.calls == 0 and not graph.module.last.any()
    assert module.calls == 0 and not module.last.any()
    assert torch.equal(first, module(x))


def test_buffers_are_restored_after_a_failure():
    graph = Graph.of(stirred(Counts()), SIZE, "net")

    def fail(operation):
        raise KeyError("looked")

    with pytest.raises(KeyError, match="looked"):
        run(graph, images(2, SIZE), [(graph.by_name["mul"], "after", fail)])
    assert graph.module.calls == 0


class Adds(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.norm, self.act = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.norm(self.c(x))
        y += x
        return self.act(y)


def test_inputs_are_seen_before_they_are_overwritten_and_outputs_before_what_follows():
    module = stirred(Adds())
    graph = Graph.of(module, SIZE, "net")
    x, seen = images(2, SIZE), {}

    def keep(name):
        def look(operation):
            tensor = operation.inputs[0] if name == "branch" else operation.output
            seen[name] = None if tensor is None else tensor.clone()

        return look

    add = graph.by_name["add"]
    run(
        graph,
        x,
        [
            (add, "before", keep("branch")),
            (add, "before", keep("not yet")),
            (add, "after", keep("sum")),
            (graph.by_name["norm"], "after", keep("norm")),
            (graph.by_name["act"], "after", keep("act")),
        ],
    )
    norm = module.norm(module.c(x)).detach()
    assert seen["not yet"] is None
    for name, expected in {"branch": norm, "norm": norm, "sum": norm + x, "act": (norm + x).relu()}.items():
        assert torch.equal(seen[name], expected), name


def test_several_may_watch_one_tensor_and_all_are_called_in_the_order_of_execution():
    graph = Graph.of(stirred(Adds()), SIZE, "net")
    calls = []
    watches = [
        (graph.by_name[name], when, lambda o, w=when: calls.append((o.layer.name, w)))
        for name in ("act", "input", "c", "act")
        for when in ("after", "before")
    ]
    run(graph, images(1, SIZE), watches)
    each = [("input", "before"), ("input", "after"), ("c", "before"), ("c", "after")]
    assert calls == each + 2 * [("act", "before")] + 2 * [("act", "after")]


def test_the_rest_does_not_run_once_all_was_seen(monkeypatch):
    module = stirred(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Tanh(), nn.ReLU()))
    graph = Graph.of(module, SIZE, "net")
    ran = []
    interpreter = running._Run(graph, [(graph.by_name["1"], "after", lambda o: ran.append(o.layer.name))])
    computed = []
    monkeypatch.setattr(interpreter, "call_function", lambda target, a, k: computed.append(target) or target(*a, **k))
    interpreter.run(images(1, SIZE), enable_io_processing=False)
    assert ran == ["1"] and len(computed) == 2


def test_images_of_another_size_are_refused():
    graph = Graph.of(stirred(Adds()), SIZE, "net")
    with pytest.raises(RunError, match=r"^net was traced for images of size 3x8x8, but was given 3x8x16\.$"):
        run(graph, images(2, (3, 8, 16)), [])
    with pytest.raises(RunError, match="given 1x8x8"):
        output(graph, images(2, (1, 8, 8)))


def test_half_precision_is_set_when_it_runs():
    module = build("vit")
    graph = Graph.of(module, (3, 32, 32), "vit")
    x, seen = images(2), {}
    run(graph, x, [(graph.by_name["blocks.1"], "after", lambda o: seen.update(half=o.rows.clone()))], torch.bfloat16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = module.blocks(module.norm_pre(module._pos_embed(module.patch_embed(x))))
    assert torch.equal(seen["half"], expected)
    assert not torch.is_autocast_enabled("cpu")
    with torch.no_grad():
        assert torch.equal(output(graph, x), module(x))


def test_a_model_in_half_precision_is_traced_in_it():
    module = build("vit").bfloat16()
    graph = Graph.of(module, (3, 32, 32), "vit")
    x = images(3).bfloat16()
    with torch.no_grad():
        assert torch.equal(output(graph, x), module(x))
    assert len(graph.layers) == len(Graph.of(build("vit"), (3, 32, 32), "vit").layers)


def test_the_fast_path_of_torchs_own_encoder_is_met_to_rounding():
    """Under `no_grad` it takes a fused kernel that no graph shows; under grad it is bit-equal."""

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 8, 2, 2)
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

        def forward(self, x):
            return self.layer(self.patch(x).flatten(2).transpose(1, 2))

    module = stirred(Encoder())
    graph = Graph.of(module, SIZE, "net")
    x = images(3, SIZE)
    assert torch.equal(output(graph, x), module(x))
    with torch.no_grad():
        torch.testing.assert_close(output(graph, x), module(x), rtol=0, atol=2e-6)


def state_of(module):
    return {
        "modes": {name: m.training for name, m in module.named_modules()},
        "hooks": {
            (name, kind): list(getattr(m, kind))
            for name, m in module.named_modules()
            for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
        },
        "tensors": {n: (id(t), t.device, t.dtype, t.requires_grad, t.grad) for n, t in named(module)},
        "training": module.training,
        "attributes": {name: sorted(vars(m)) for name, m in module.named_modules()},
    }


def named(module):
    return (*module.named_parameters(), *module.named_buffers())


def test_the_users_module_is_as_before():
    module = build("resnet18").train()
    module.layer1.eval()
    module.conv1.weight.requires_grad_(False)
    called = []
    module.layer2.register_forward_hook(lambda *_: called.append("user's"))
    kept, before = copy.deepcopy(module.state_dict()), state_of(module)
    torch.manual_seed(5)
    random = torch.get_rng_state()
    graph = Graph.of(module, (3, 32, 32), "resnet")
    assert torch.equal(torch.get_rng_state(), random)
    called.clear()
    x = images(4)
    tensors(graph, x)
    output(graph, x)
    assert graph.fingerprint
    assert state_of(module) == before
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), kept.values(), strict=True))
    assert torch.equal(torch.get_rng_state(), random) and torch.is_grad_enabled()
    assert called == []  # the user's own hooks are not run by graphs


def test_the_graph_reads_the_users_own_parameters_and_its_own_buffers():
    module = build("resnet18")
    graph = Graph.of(module, (3, 32, 32), "resnet")
    assert {id(p) for p in graph.module.parameters()} == {id(p) for p in module.parameters()}
    assert not {id(b) for b in graph.module.buffers()} & {id(b) for b in module.buffers()}
    # a model in training mode is read in evaluation mode: no batch statistics
    assert torch.equal(output(Graph.of(module.train(), (3, 32, 32)), images(2)), output(graph, images(2)))


def test_the_fingerprint_is_of_what_is_computed():
    def of(module, size=SIZE, name="net"):
        return Graph.of(module, size, name).fingerprint

    module = stirred(Adds())
    same = of(module)
    assert of(copy.deepcopy(module)) == same == of(module, name="renamed")
    assert of(module, (3, 8, 16)) != same
    changed = copy.deepcopy(module)
    with torch.no_grad():
        changed.c.weight[0, 0, 0, 0] += 1e-6
    assert of(changed) != same
    moved = copy.deepcopy(module)
    moved.norm.running_mean[0] += 1e-6
    assert of(moved) != same
    other = copy.deepcopy(module)
    other.act = nn.Tanh()
    assert of(other) != same
