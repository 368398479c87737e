"""Names: who returns a tensor, how often, under what other names; and what patterns select."""

import pytest
import torch
import torch.nn.functional as F
from small import build, images, stirred, tensors
from torch import nn

from seealike.errors import StudyError
from seealike.models.graph import Graph

SIZE = (3, 8, 8)


def graph_of(module, name="net"):
    return Graph.of(stirred(module), SIZE, name)


def shown(graph):
    return [x.name for x in graph.layers]


def same(channels=3):
    return nn.Conv2d(3, channels, 1)


class Reused(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.act = same(), nn.ReLU(inplace=True)
        self.body = nn.Sequential(same(), nn.Tanh())

    def forward(self, x):
        return self.body(self.body(self.act(self.a(self.act(self.a(x))))))


def test_each_call_of_a_reused_module_has_its_name():
    graph = graph_of(Reused())
    assert shown(graph) == ["a", "act", "a@1", "act@1", "body.0", "body.1", "body.0@1", "body.1@1"]
    assert graph.by_name["body@1"].name == "body.1@1"
    seen = tensors(graph, images(2, SIZE))
    assert len({t.sum().item() for t in seen.values()}) == len(seen)


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = self.second = same()

    def forward(self, x):
        return self.second(self.first(x))


def test_one_module_under_two_names_keeps_both():
    module = Shared()
    graph = graph_of(module)
    assert shown(graph) == ["first", "second"]
    assert graph.parameters == sum(p.numel() for p in module.parameters())


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.nothing, self.drop = same(), nn.Identity(), nn.Dropout(0.5)

    def forward(self, x):
        y = self.drop(self.nothing(torch.relu(self.c(x))))
        y += x
        y = torch.relu(y) + torch.relu(-y)
        return y.mul_(2)


class Stacked(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.stages = nn.Sequential(nn.Sequential(Block()), nn.Sequential(Block()))
        self.never, self.side, self.drop = nn.Linear(3, 3), same(2), nn.Dropout()

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        self.side(x)
        return F.relu(self.drop(self.stages(x)).flatten(1))


INSIDE = ["c", "drop", "add", "relu@1", "neg", "relu@2", "add@1"]


def test_operations_containers_and_modules_that_compute_nothing():
    graph = graph_of(Stacked())
    blocks = ["blocks.0", "blocks.1", "stages.0.0", "stages.1.0"]
    expected = [f"{b}.{x}" for b in blocks for x in INSIDE]
    for b in blocks:
        expected.insert(expected.index(f"{b}.add@1") + 1, b)
    expected.insert(expected.index("blocks.1") + 1, "side")  # computed, though nothing uses it
    assert shown(graph) == [*expected, "relu"]
    assert "never" not in graph.by_name
    # a relu that dropout passes on is what the dropout returns; a container returns what its last member does
    assert "blocks.0.relu" in graph.by_name["blocks.0.drop"].aliases
    assert {"stages", "stages.1", "drop", "flatten"} <= set(graph.by_name["stages.1.0"].aliases)
    assert "blocks" not in graph.by_name and not any("nothing" in n for n in graph.by_name)


def test_an_operation_in_place_is_named_like_any_other():
    assert shown(graph_of(nn.Sequential(same(), nn.ReLU(inplace=True)))) == ["0", "1"]
    in_place = graph_of(Stacked()).by_name["blocks.0"]
    assert in_place.aliases == ("blocks.0.mul",) and str(in_place.node.target) == "aten.mul_.Tensor"


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = same(4)

    def forward(self, x):
        a, b = self.c(x).chunk(2, 1)
        return a * 2, b * 3


class Takes(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair = Pair()

    def forward(self, x):
        a, b = self.pair(x)
        return {"sum": a + b}


def test_a_module_that_returns_several_tensors():
    graph = graph_of(Takes())
    assert shown(graph) == ["pair.c", "pair[0]", "pair[1]", "add"]
    assert [x.name for x in graph.select("pair[1]")] == ["pair[1]"]  # brackets are no part of a glob
    assert [x.name for x in graph.select("*[1]")] == ["pair[1]"]
    # the halves are parts of another tensor: not listed, found by their own name alone
    assert [x.name for x in graph.parts] == ["input", "pair.getitem", "pair.getitem@1"]
    assert [x.name for x in graph.select("pair.getitem@1")] == ["pair.getitem@1"]
    with pytest.raises(StudyError, match="matches no layer"):
        graph.select("pair.getitem*")


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.input = same()

    def forward(self, x):
        return self.input(x).relu()


def test_a_module_called_input_is_not_the_input():
    graph = graph_of(Named())
    assert shown(graph) == ["input@1", "relu"] == [x.name for x in graph.select("**")]
    x = images(2, SIZE)
    assert torch.equal(tensors(graph, x, ["input"])["input"], x)


def test_the_input_is_found_by_its_name_alone():
    graph = graph_of(nn.Sequential(same(), nn.ReLU()))
    assert [x.name for x in graph.select("input")] == ["input"]
    assert [x.name for x in graph.select("**")] == ["0", "1"]


def test_globs():
    graph = graph_of(Stacked())

    def chosen(pattern):
        return [x.name for x in graph.select(pattern)]

    assert chosen("blocks.*") == ["blocks.0", "blocks.1"]
    assert chosen("blocks.*.add") == ["blocks.0.add", "blocks.1.add"]
    assert chosen("blocks.0.**") == [*(f"blocks.0.{x}" for x in INSIDE), "blocks.0"]  # also `blocks.0.mul`
    assert chosen("**") == shown(graph)
    assert chosen("**.c") == ["blocks.0.c", "blocks.1.c", "stages.0.0.c", "stages.1.0.c"]
    assert chosen("stages.*") == ["stages.0.0", "stages.1.0"]  # by their aliases, `stages.0` and `stages.1`
    assert chosen("blocks.0.relu") == ["blocks.0.drop"]
    assert chosen("s*") == ["side", "stages.1.0"]


def test_kinds():
    graph = graph_of(Stacked())

    def chosen(kind):
        return [x.name for x in graph.select(kind)]

    blocks = ["blocks.0", "blocks.1", "stages.0.0", "stages.1.0"]
    assert chosen("@block") == blocks
    assert chosen("@residual") == [f"{b}.add" for b in blocks]


def test_kinds_of_a_transformer():
    graph = Graph.of(build("vit"), (3, 32, 32), "vit")

    def chosen(kind):
        return [x.name for x in graph.select(kind)]

    assert chosen("@block") == ["blocks.0", "blocks.1"]
    assert chosen("@attention") == ["blocks.0.attn", "blocks.1.attn"]
    assert chosen("@mlp") == ["blocks.0.mlp", "blocks.1.mlp"]
    assert chosen("@norm") == ["blocks.0.norm1", "blocks.0.norm2", "blocks.1.norm1", "blocks.1.norm2", "norm"]
    assert chosen("@residual") == [f"blocks.{i}{x}" for i in (0, 1) for x in (".add", "")]


def test_kinds_without_residuals_take_the_composite_modules():
    graph = Graph.of(build("densenet"), (3, 32, 32), "densenet")
    assert [x.name for x in graph.select("@block")] == ["features.denseblock1", "features.denseblock2"]


def refusal(graph, pattern):
    with pytest.raises(StudyError) as error:
        graph.select(pattern)
    return str(error.value)


def test_what_matches_nothing_is_refused_in_the_users_words():
    graph = graph_of(nn.Sequential(same(), nn.ReLU(), nn.Identity()), "small")
    assert refusal(graph, "conv.*") == (
        "small:conv.* matches no layer of small. Closest: 0.conv2d. See them all: seealike layers. "
        "A module that computes nothing (Identity, dropout of a part) has no tensor of its own."
    )
    assert refusal(graph, "2").startswith("small:2 matches no layer of small.")
    assert refusal(graph, "1.rel").startswith("small:1.rel matches no layer of small. Closest: 1.relu")
    assert refusal(graph, "0?").startswith("small:0? matches no layer")  # `?` and brackets mean themselves
    assert refusal(graph, "[01]").startswith("small:[01] matches no layer")


def test_unknown_and_empty_kinds_are_refused():
    graph = graph_of(nn.Sequential(same(), nn.ReLU()), "small")
    assert refusal(graph, "@blok") == "small:@blok is no kind of layer. Closest: block."
    assert refusal(graph, "@attention").startswith("small has no layer of the kind @attention.")
