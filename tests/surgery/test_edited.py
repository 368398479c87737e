"""Edited graphs against networks written by hand without what was taken out; facts that stay, and refusals."""

import functools

import pytest
import torch
import torch.nn.functional as F
from by_hand import CASES, PAIRS, made, written
from small import images, stirred, tensors
from torch import nn

from seealike.errors import StudyError
from seealike.models.graph import Graph
from seealike.models.run import output
from seealike.surgery import edited, parse, without_heads, without_norm, without_skip


@functools.cache
def network(name):
    return made(name)


@functools.cache
def graph_of(name):
    size = CASES[name].size
    return Graph.of(network(name), (3, size, size), name)


def batch(name, n=3):
    size = CASES[name].size
    return images(n, (3, size, size)).double()


def gradients(module, x):
    """The output, and the gradients of a sum of it with respect to images and weights, by name."""
    x = x.clone().requires_grad_()
    y = module(x)
    parameters = dict(module.named_parameters())
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
    found = torch.autograd.grad((y * weights).sum(), [x, *parameters.values()])
    return dict(zip(["output", "input", *parameters], [y.detach(), *found], strict=True))


def apart(a, b):
    return float((a - b).abs().max())


@pytest.mark.parametrize(("name", "text"), PAIRS)
def test_an_edited_graph_is_the_network_written_without_it(name, text):
    graph, x = graph_of(name), batch(name)
    before, fingerprint = output(graph, x), graph.fingerprint
    new = edited(graph, [parse(text)])
    got = gradients(new.module, x)
    expected = gradients(written(name, text, of=network(name)), x)
    assert got.keys() == expected.keys()  # the weights of what is gone are gone too
    assert max(apart(got[key], expected[key]) for key in expected) < 1e-12
    assert apart(output(new, x), got["output"]) == 0 and apart(before, got["output"]) > 1e-3
    assert torch.equal(output(graph, x), before) and graph.fingerprint == fingerprint != new.fingerprint
    assert new.fingerprint == edited(graph, [parse(text)]).fingerprint


@pytest.mark.parametrize(("name", "text"), PAIRS)
def test_names_kinds_places_and_depths_stay(name, text):
    graph = graph_of(name)
    new = edited(graph, [parse(text)])
    gone = {layer.name for layer in graph.tensors} - {layer.name for layer in new.tensors}
    assert all("downsample" in one for one in gone) and bool(gone) == ("layer2.0" in text)
    for layer in new.tensors:
        old = graph.by_name[layer.name]
        assert (layer.names, layer.depth, layer.shape) == (old.names, old.depth, old.shape)
        assert layer.places is old.places and layer.node is not old.node
        assert layer.node in new.module.graph.nodes
    assert new.kinds == {kind: names - gone for kind, names in graph.kinds.items()}
    assert [x.name for x in new.select("@block")] == [x.name for x in graph.select("@block")]
    left = {r.name for r in new.residuals}
    assert all(r.node in new.module.graph.nodes for r in new.residuals)
    assert (left < {r.name for r in graph.residuals}) == text.startswith("without_skip")


def test_what_stands_before_an_edit_is_as_it_was():
    graph, x = graph_of("vit"), batch("vit")
    intact, new = tensors(graph, x), tensors(edited(graph, [without_skip("blocks.1")]), x)
    assert intact.keys() == new.keys()
    differing = [name for name in intact if not torch.equal(intact[name], new[name])]
    assert differing[0] == "blocks.1.add" and {"blocks.1", "norm", "head"} <= {*differing}
    assert torch.equal(new["blocks.1.add"], new["blocks.1.ls1"])


def test_a_removed_norm_and_silent_heads_show_what_they_hand_on():
    graph, x = graph_of("vit"), batch("vit")
    seen = tensors(edited(graph, [without_norm("blocks.0.norm1"), without_heads("blocks.0", 1)]), x)
    assert torch.equal(seen["blocks.0.norm1"], seen[graph.residuals[0].skip])
    (product,) = [name for name in seen if name.startswith("blocks.0.attn.scaled_dot")]
    heads = seen[product].abs().amax((0, 2, 3))
    assert heads[1] == 0 and heads[0] > 0 and heads[2] > 0


def test_edits_together_are_edits_one_after_another_in_any_order():
    graph, x = graph_of("vit"), batch("vit")
    edits = [without_skip("blocks.0"), without_heads("blocks.0.attn", 0), without_heads("blocks.*", 2, 0)]
    edits += [without_norm("blocks.0.norm1"), without_skip("blocks.0.add")]
    together = output(edited(graph, edits), x)
    assert torch.equal(together, output(edited(graph, edits[::-1]), x))
    once = edited(edited(graph, edits[:2]), edits[2:4])
    assert torch.equal(together, output(once, x))


def count(graph, pattern):
    return len(graph.residuals) - len(edited(graph, [without_skip(pattern)]).residuals)


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("vit", "blocks.0", 2),
        ("vit", "blocks", 4),
        ("vit", "blocks.*", 4),
        ("vit", "**", 4),
        ("vit", "@block", 4),
        ("vit", "@residual", 4),
        ("vit", "blocks.*.add", 2),
        ("vit", "blocks.1.add@1", 1),  # another name of the output of the block
        ("swin", "layers.0", 4),
        ("swin", "@block", 4),
        ("resnet", "layer1", 2),
        ("resnet", "@block", 5),
        ("resnet", "layer*.0", 4),
    ],
)
def test_a_pattern_means_names_modules_around_and_kinds(name, pattern, expected):
    assert count(graph_of(name), pattern) == expected


# Ways of adding and of attending.


class Adding(nn.Module):
    """Two convolutions, and what `add` makes of a skip and a branch."""

    def __init__(self, add):
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.add = add

    def forward(self, x):
        x = self.stem(x)
        return self.add(x, self.conv(x)).relu_()


def in_a_view(x, f):
    """Written through another shape of the skip, which itself is read afterwards."""
    x = x.clone()
    x.flatten(1).add_(f.flatten(1))
    return x


ADDITIONS = {
    "plain": (lambda x, f: x + f, lambda x, f: f.clone()),
    "scaled": (lambda x, f: torch.add(x, f, alpha=3), lambda x, f: 3 * f),
    "scaled skip": (lambda x, f: torch.add(f, x, alpha=3), lambda x, f: f.clone()),
    "into the branch": (lambda x, f: f.add_(x), lambda x, f: f),
    "into the skip": (lambda x, f: x.clone().add_(f), lambda x, f: f.clone()),
    "into the skip, scaled": (lambda x, f: x.clone().add_(f, alpha=3), lambda x, f: 3 * f),
    "into a view of the skip": (in_a_view, lambda x, f: f.clone()),
}


@pytest.mark.parametrize("form", ADDITIONS)
def test_an_addition_however_it_is_written(form):
    add, alone = ADDITIONS[form]
    net = stirred(Adding(add)).double()
    graph = Graph.of(net, (3, 6, 6))
    assert len(graph.residuals) == 1
    x = images(3, (3, 6, 6)).double()
    got = gradients(edited(graph, [without_skip("**")]).module, x)
    net.add = alone
    expected = gradients(net, x)
    assert max(apart(got[key], expected[key]) for key in expected) < 1e-12


HEADS = 4
sdpa = F.scaled_dot_product_attention


class Attending(nn.Module):
    """Patches behind a token, attending once in the way it is given; then a map that reads all heads."""

    def __init__(self, attend):
        super().__init__()
        self.patch, self.qkv, self.map = nn.Conv2d(3, 24, 4, 4), nn.Linear(24, 72), nn.Linear(24, 24)
        self.prefix = nn.Parameter(torch.randn(1, 1, 24))
        self.attend, self.silent = attend, ()

    def forward(self, x):
        x = torch.cat([self.prefix.expand(x.shape[0], -1, -1), self.patch(x).flatten(2).mT], 1)
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, 6)).permute(2, 0, 3, 1, 4).unbind(0)
        kept = torch.tensor([h not in self.silent for h in range(HEADS)], dtype=x.dtype)
        made = self.attend(q, k, v) * (kept[:, None, None] if self.silent else 1)
        return self.map(made.transpose(1, 2).flatten(2)).tanh().mean(1)


def softmax(q, k):
    return (q @ k.mT * 6**-0.5).softmax(-1)


def folded(q, k, v):
    return torch.bmm(softmax(q, k).flatten(0, 1), v.flatten(0, 1)).unflatten(0, (-1, HEADS))


FORMS = {
    "grouped": lambda q, k, v: sdpa(q, k[:, :2], v[:, :2], enable_gqa=True),
    "flat": lambda q, k, v: sdpa(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)).unflatten(0, (-1, HEADS)),
    "written": lambda q, k, v: softmax(q, k) @ v,
    "transposed": lambda q, k, v: (v.mT @ softmax(q, k).mT).mT,
    "folded": folded,
    "einsum": lambda q, k, v: torch.einsum("bhqk,bkhd->bqhd", softmax(q, k), v.transpose(1, 2)).transpose(1, 2),
}


@pytest.mark.parametrize("form", FORMS)
def test_heads_however_attention_is_written(form):
    net = stirred(Attending(FORMS[form])).double()
    graph = Graph.of(net, (3, 8, 12))
    x = images(3, (3, 8, 12)).double()
    got = gradients(edited(graph, [without_heads("**", 0, 3)]).module, x)
    net.silent = (0, 3)
    expected = gradients(net, x)
    assert max(apart(got[key], expected[key]) for key in expected) < 1e-12


def test_one_head_is_the_whole_attention():
    net = stirred(Attending(lambda q, k, v: softmax(q[:, :1], k[:, :1]) @ v)).double()
    graph = Graph.of(net, (3, 8, 12), "net")
    x = images(3, (3, 8, 12)).double()
    got = output(edited(graph, [without_heads("**", 0)]), x)
    assert apart(got, net.map.bias.detach().tanh()) < 1e-12
    with pytest.raises(StudyError, match=r"has one head, 0, so none is 1\."):
        edited(graph, [without_heads("**", 1)])


class LayerNorm(nn.Module):
    """Written out: no operation in it is a normalisation."""

    def forward(self, x):
        return (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)


class PairNorm(nn.Module):
    def forward(self, x, y):
        return x / y.abs().mean(1, keepdim=True)


class Normalising(nn.Module):
    """A norm, given also these multiples of its input; what comes next overwrites what it hands on."""

    def __init__(self, norm, *multiples):
        super().__init__()
        self.conv, self.norm, self.last, self.multiples = nn.Conv2d(3, 6, 3), norm, nn.Conv2d(6, 6, 1), multiples

    def forward(self, x):
        given = self.conv(x)
        return self.last(self.norm(given, *(given * k for k in self.multiples)).relu_()) * given


@pytest.mark.parametrize(
    "norm", [LayerNorm(), nn.BatchNorm2d(6), nn.GroupNorm(2, 6)], ids=lambda norm: type(norm).__name__
)
def test_a_norm_is_taken_out_and_what_it_was_given_is_not_overwritten(norm):
    net = stirred(Normalising(norm)).double()
    graph, x = Graph.of(net, (3, 6, 6)), images(3, (3, 6, 6)).double()
    new = edited(graph, [without_norm("norm")])
    given = net.conv(x)
    assert apart(output(new, x), (net.last(given.relu()) * given).detach()) < 1e-12
    assert [layer.name for layer in new.layers if layer.name.startswith("norm")][-1] == "norm"


# Refusals.


@pytest.mark.parametrize(
    ("name", "edit", "said"),
    [
        ("vit", without_skip("blocks.9"), "vit has no residual addition of that name, nor a module of that name"),
        ("vit", without_skip("block.1"), "Closest: blocks.1"),
        ("vit", without_skip("patch_embed"), "nor a module of that name with one in it"),
        ("vit", without_skip("@blok"), "vit:@blok is no kind of layer. Closest: block"),
        ("vit", without_norm("blocks.0.norm3"), "vit has no normalisation of that name"),
        ("vit", without_norm("blocks.0.norm3"), "blocks.0.norm1"),
        ("vit", without_heads("blocks.0.atn", 0), "Closest: blocks.0.attn"),
        ("vit", without_heads("blocks.*", 1, 3), "blocks.0.attn has heads 0 to 2, so none is 3."),
        ("resnet", without_heads("layer1", 0), "resnet has no attention, none of its layers attends."),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(name, edit, said):
    with pytest.raises(StudyError) as error:
        edited(graph_of(name), [edit])
    assert said in str(error.value)
    if not edit.pattern.startswith("@"):
        assert str(error.value).startswith(f"{name}: {edit}: ")


def test_networks_without_skips_or_norms_say_so():
    graph = Graph.of(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (3, 6, 6), "net")
    with pytest.raises(StudyError, match="net has no residual addition, no skip meets a branch in it"):
        edited(graph, [without_skip("**")])
    with pytest.raises(StudyError, match="net has no normalisation, none of its layers is one"):
        edited(graph, [without_norm("**")])


def test_heads_that_cannot_be_told_apart_are_refused():
    mixing = torch.rand(HEADS, HEADS)
    talking = Attending(lambda q, k, v: F.linear(softmax(q, k).movedim(1, -1), mixing).movedim(-1, 1) @ v)
    graph = Graph.of(talking, (3, 8, 12), "net")
    with pytest.raises(StudyError, match=r"is talking-heads attention.*is known of token attention only"):
        edited(graph, [without_heads("**", 0)])


def test_a_norm_of_two_tensors_is_refused():
    graph = Graph.of(stirred(Normalising(PairNorm(), 2.0)), (3, 6, 6), "net")
    with pytest.raises(StudyError, match="norm is written out and takes more than one tensor"):
        edited(graph, [without_norm("norm")])
