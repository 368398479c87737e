"""What the branch of a residual addition holds, and which additions a user's patterns select."""

import functools

import pytest
import torch
from small import FAMILIES, TINY, build, images, stirred, tensors, timm_model
from torch import nn

from seealike.errors import StudyError
from seealike.models.graph import Graph
from seealike.selection import Models

PAIR = ["attention", "mlp"]
SIZE = (3, 16, 16)

KINDS = {
    "vit": PAIR * 2,
    "eva02": PAIR * 2,
    "hf_dinov2_registers": PAIR * 2,  # behind a LayerScale
    "swin": PAIR * 4,
    "pvt": PAIR * 4,
    "mixer": ["mlp"] * 4,
    "convnext": ["mlp"] * 5,  # 1 x 1 convolutions, scaled by what is learned
    "cait": PAIR * 4,  # the first class attention comes to a CLS that no image has reached
    "xcit": ["attention", "", "mlp"] * 2 + PAIR * 2,  # local patch interaction is neither
    "maxvit": ["", *PAIR * 2] * 2,
    "resnet18": [""] * 8,
    "resnest": [""] * 4,  # its attention weighs the halves of a split
    "mobilenet": [""] * 7,  # neither an MLP, with a convolution in it, nor are its gates
}


SHORT = ("vit", "swin", "mixer", "convnext", "cait", "resnet18")


@functools.cache
def graph_of(name):
    if name == "plain":
        return Graph.of(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), SIZE, "plain")
    return Graph.of(build(name), FAMILIES[name].size, name)


@pytest.mark.parametrize("name", [n if n in SHORT else pytest.param(n, marks=pytest.mark.long) for n in KINDS])
def test_kinds_are_those_of_the_source(name):
    assert [r.kind for r in graph_of(name).residuals] == KINDS[name]


def vit_of(block):
    import timm.models.vision_transformer as source

    return Graph.of(stirred(timm_model("vit_tiny_patch16_224", **TINY, block_fn=getattr(source, block))()), (3, 32, 32))


def test_blocks_in_parallel():
    """Attention and MLP summed into one branch are both, so neither; several of a kind side by side are that kind."""
    scaling = vit_of("ParallelScalingBlock")
    assert [(r.name, r.kind) for r in scaling.residuals] == [("blocks.0", ""), ("blocks.1", "")]
    things = vit_of("ParallelThingsBlock")
    assert [r.kind for r in things.residuals] == PAIR * 2
    assert [r.name for r in things.residuals] == ["blocks.0.add", "blocks.0", "blocks.1.add", "blocks.1"]
    x = images(2)
    for graph in (scaling, things):
        for r in graph.residuals[:2]:
            made = tensors(graph, x, {r.name, r.skip, r.branch})
            torch.testing.assert_close(made[r.skip] + made[r.branch], made[r.name])


class Linear(nn.Module):
    """ConvNeXt's other form: an MLP of linear layers on channels last, scaled by what is learned."""

    def __init__(self):
        super().__init__()
        self.mlp = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.scale = nn.Parameter(torch.rand(8))

    def forward(self, x):
        return x + (self.mlp(x.permute(0, 2, 3, 1)) * self.scale).permute(0, 3, 1, 2)


class Gated(nn.Module):
    """Squeeze and excitation: two maps that only weigh what a convolution made."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1), nn.Sigmoid()
        )

    def forward(self, x):
        y = self.conv(x)
        return y * self.gate(y) + x


class Projected(nn.Module):
    """An MLP beside a projection, after an MLP that belongs to both."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1))
        self.conv = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1))
        self.down = nn.Conv2d(8, 8, 1, 2)

    def forward(self, x):
        x = self.first(x)
        return self.conv(x) + self.down(x)


@pytest.mark.parametrize(("block", "kind"), [(Linear, "mlp"), (Gated, ""), (Projected, "")])
def test_what_else_a_branch_may_hold(block, kind):
    torch.manual_seed(0)
    graph = Graph.of(stirred(nn.Sequential(nn.Conv2d(3, 8, 2, 2), block())), SIZE)
    assert [r.kind for r in graph.residuals] == [kind]


class Scaled(nn.Module):
    """A skip that is weighed by what is learned; two rotated terms and two scaled ones are no skips of each other."""

    def __init__(self):
        super().__init__()
        self.conv, self.scale = nn.Conv2d(8, 8, 3, padding=1), nn.Parameter(torch.rand(8, 1, 1))

    def forward(self, x):
        y = x * self.scale + self.conv(x)
        return y * self.scale + y.flip(1) * (1 - self.scale)


class Dual(nn.Module):
    """A dual path network: half of the channels are added to, and what is new is joined to the other half."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(12, 8, 3, padding=1)

    def forward(self, x):
        y = self.first(x)
        x = torch.cat([x[:, :4] * 2, x[:, 4:], y[:, 4:]], 1)
        z = self.second(x)
        return torch.cat([x[:, :4] + z[:, :4], x[:, 2:6] + z[:, 4:]], 1)


@pytest.mark.parametrize(
    ("block", "expected"), [(Scaled, [("1.add", "1.mul", "1.conv")]), (Dual, [("1.add", "1.slice@7", "1.slice@9")])]
)
def test_skips_that_are_scaled_or_taken_out_of_what_was_joined(block, expected):
    torch.manual_seed(0)
    graph = Graph.of(stirred(nn.Sequential(nn.Conv2d(3, 8, 2, 2), block())), SIZE)
    assert [(r.name, r.skip, r.branch) for r in graph.residuals] == expected


@pytest.mark.parametrize("name", ["vit", "resnet18", "convnext", "cait"])
def test_the_kind_branch_is_what_is_added_to_a_skip(name):
    graph = graph_of(name)
    chosen = [layer.name for layer in graph.select("@branch")]
    assert sorted(chosen) == sorted(r.branch for r in graph.residuals)
    if name == "resnet18":
        assert chosen[:2] == ["layer1.0.bn2", "layer1.1.bn2"]


def test_a_branch_is_seen_before_the_sum_overwrites_it():
    graph, x = graph_of("resnet18"), images(2)
    r = graph.residuals[1]
    made = tensors(graph, x, {r.name, r.skip, r.branch})
    assert str(r.node.target) == "aten.add_.Tensor"
    assert not torch.equal(made[r.branch], made[r.name])
    assert torch.equal(made[r.skip] + made[r.branch], made[r.name])


def test_a_model_without_residuals_has_no_branch():
    with pytest.raises(StudyError, match=r"^plain has no layer of the kind @branch\."):
        graph_of("plain").select("@branch")


def chosen(patterns=(), model="vit"):
    sources = Models({name: graph_of(name) for name in ("vit", "resnet18", "plain")})
    return [str(a) for a in sources.residuals(model, (patterns,) if isinstance(patterns, str) else patterns)]


def test_residuals_are_asked_by_their_names_or_by_the_modules_around_them():
    every = ["vit:blocks.0.add", "vit:blocks.0", "vit:blocks.1.add", "vit:blocks.1"]
    for all_of_them in (
        (),
        "**",
        "vit:**",
        "@residual",
        "vit:@residual",
        "blocks",
        "blocks.*",
        "*",
        ("**", "blocks.0"),
    ):
        assert chosen(all_of_them) == every
    assert chosen("blocks.0") == chosen("vit:blocks.0") == every[:2]
    assert chosen("blocks.0.add") == chosen("*.*.add")[:1] == every[:1]
    assert chosen("blocks.0.add@1") == every[:2][1:]  # another name of what blocks.0 returns
    assert chosen(("blocks.1", "blocks.0.add")) == [every[0], *every[2:]]
    assert chosen("@block") == every[1::2]
    assert chosen("layer2", "resnet18") == ["resnet18:layer2.0.add", "resnet18:layer2.1.add"]


def test_what_is_bound_of_an_addition():
    sources = Models({name: graph_of(name) for name in ("vit", "resnet18")})
    first, second = sources.residuals("vit", ("blocks.0",))
    assert (first.skip, first.branch, first.kind, first.skip_first) == ("pos_drop", "blocks.0.attn", "attention", True)
    assert (second.skip, second.branch, second.kind) == ("blocks.0.add", "blocks.0.mlp", "mlp")
    assert 0 < first.depth < second.depth < 1
    (added,) = sources.residuals("resnet18", ("layer2.0",))
    assert (added.skip, added.branch, added.kind) == ("layer2.0.downsample.1", "layer2.0.bn2", "")
    assert added.skip_first is False  # x += shortcut


REFUSED = {
    ("vits", ()): 'model = "vits": there is no such model. Closest: vit.',
    ("plain", ()): "plain has no residual additions: no skip meets a branch in it.",
    ("vit", "blocks.7"): "vit:blocks.7 matches no residual addition of vit. Closest: blocks.1, blocks.0",
    # one of several patterns is not passed over in silence
    ("vit", ("blocks.0", "blocks.2.*")): "vit:blocks.2.* matches no residual addition of vit. Closest: blocks.0",
    ("vit", "blocks.0.attn"): "vit:blocks.0.attn matches no residual addition of vit. Closest: blocks.0.add",
    ("vit", "resnet18:layer1"): '"resnet18:layer1" is a layer of resnet18, but model = "vit". Ask of each model',
    ("vit", "vitt:blocks.0"): '"vitt:blocks.0": there is no model "vitt". Closest: vit.',
    ("vit", "@blok"): "vit:@blok is no kind of layer. Closest: block.",
}


@pytest.mark.parametrize(("model", "patterns"), REFUSED)
def test_what_is_no_residual_is_refused_in_the_users_words(model, patterns):
    with pytest.raises(StudyError) as error:
        chosen(patterns, model)
    assert str(error.value).startswith(REFUSED[model, patterns])
