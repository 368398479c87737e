"""Wrong answers that other tools give, one test each (METHODS E). Rows 1 and 12 are tested with the studies."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import FAMILIES, batches, build, images, stirred, tensors
from torch import nn

from seealike.errors import StudyError
from seealike.kernel import fold, read
from seealike.measures.attention_distance import AttentionDistance
from seealike.measures.cka import CKA
from seealike.models.graph import Graph
from seealike.models.run import run
from seealike.selection import Models

SIZE = (3, 8, 8)


def ask(of, x, size=8, order=lambda made: made, **question):
    bound = CKA(**question).bind(Models(of))
    return read(bound, bound.needs(), fold(bound.needs(), order(batches(of, x, size))))


def centred(z):
    """The U-centred Gram in float64, from centred features."""
    n = len(z)
    flat = z.double().reshape(n, -1)
    k = (flat - flat.mean(0)) @ (flat - flat.mean(0)).T
    k.fill_diagonal_(0)
    k = k - k.sum(0) / (n - 2) - k.sum(1)[:, None] / (n - 2) + k.sum() / ((n - 1) * (n - 2))
    return k.fill_diagonal_(0)


def cka(*pairs):
    """S_KL / sqrt(S_KK S_LL), S the sum of <K~, L~> over batches: a pair of tensors each."""
    grams = [(centred(x), centred(y)) for x, y in pairs]
    cross, one, other = (sum(float((p[i] * p[j]).sum()) for p in grams) for i, j in ((0, 1), (0, 0), (1, 1)))
    return cross / (one * other) ** 0.5


class InPlace(nn.Module):
    """What torchvision's ResNets do: in-place activations, an in-place sum, one activation module called twice."""

    def __init__(self):
        super().__init__()
        # registered in another order than they run in
        self.bn2, self.conv2 = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.never = nn.Linear(4, 4)
        self.bn1, self.conv1 = nn.BatchNorm2d(4), nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        identity = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(identity))
        out += identity
        return self.relu(out)

    def by_hand(self, x):
        """Every tensor, nothing in place, in the order of execution."""
        conv1 = self.conv1(x)
        bn1 = self.bn1(conv1)
        first = F.relu(bn1)
        conv2 = self.conv2(first)
        bn2 = self.bn2(conv2)
        add = bn2 + first
        values = (conv1, bn1, first, conv2, bn2, add, F.relu(add))
        return dict(zip(("conv1", "bn1", "relu", "conv2", "bn2", "add", "relu@1"), values, strict=True))


@pytest.fixture
def module():
    return stirred(InPlace())


def test_one_model_on_two_image_sets(module):
    """Row 2: One model object on two image sets: the second set overwrites the first."""
    graph = Graph.of(module, SIZE, "net")
    sets = [images(16, SIZE, seed) for seed in (1, 2)]
    statistic = CKA(layers="net:**").bind(Models({"net": graph})).needs()
    alone = [fold(statistic, batches({"net": Graph.of(module, SIZE, "net")}, x, 8)) for x in sets]
    interleaved = [fold(statistic, []) for _ in sets]
    for pair in zip(*(batches({"net": graph}, x, 8) for x in sets), strict=True):
        for totals, batch in zip(interleaved, pair, strict=True):
            one = fold(statistic, [batch])
            totals.add(batch.index, len(batch.ids), one.groups[batch.index])
    for a, b in zip(alone, interleaved, strict=True):
        for group_a, group_b in zip(a.groups, b.groups, strict=True):
            assert group_a.keys() == group_b.keys()
            for s in group_a:
                assert all(torch.equal(group_a[s][k], group_b[s][k]) for k in group_a[s])
    assert not torch.equal(alone[0].groups[0][statistic[0]]["cross"], alone[1].groups[0][statistic[0]]["cross"])


def test_in_place_operations_overwrite_nothing_that_is_stored(module):
    """Row 3: An in-place ReLU or `+=` overwrites a stored activation: `bn1` reads as `relu`."""
    graph, x = Graph.of(module, SIZE, "net"), images(8, SIZE)
    seen = tensors(graph, x)
    with torch.no_grad():
        for name, expected in module.by_hand(x).items():
            assert torch.equal(seen[name], expected), name
    answer = ask({"net": graph}, x, a="net:bn1", b="net:relu")
    assert float(answer.cka[0, 0]) == pytest.approx(cka((seen["bn1"], seen["relu"])), abs=1e-5)
    assert float(answer.cka[0, 0]) < 0.999


def test_rows_are_labelled_in_the_order_they_are_measured(module):
    """Row 4: Rows labelled in registration order while values are in execution order."""
    graph, x = Graph.of(module, SIZE, "net"), images(8, SIZE)
    with torch.no_grad():
        by_hand = module.by_hand(x)
    answer = ask({"net": graph}, x, layers="net:**")
    assert answer.layer_a.values.tolist() == [f"net:{name}" for name in by_hand]
    for a in by_hand:
        for b in by_hand:
            found = float(answer.cka.sel(layer_a=f"net:{a}", layer_b=f"net:{b}"))
            assert found == pytest.approx(cka((by_hand[a], by_hand[b])), abs=1e-5), (a, b)
    assert answer.depth_a.values.tolist() == [i / 6 for i in range(7)]


def test_a_layer_that_never_runs_is_no_layer(module):
    """Row 5: A layer that never runs gives NaN or a KeyError at the end of a long run."""
    of = {"net": Graph.of(module, SIZE, "net")}
    assert not any("never" in name for name in of["net"].by_name)
    with pytest.raises(StudyError, match=r"^net:never matches no layer of net\."):
        CKA(layers="net:never").bind(Models(of))
    assert np.isfinite(ask(of, images(32, SIZE), layers="net:**").to_array()).all()


def test_a_large_mean_does_not_cancel(module):
    """Row 6: Features with a large mean: float32 cancellation turns 0.99 into 0."""
    graph, x = Graph.of(Far(module), SIZE, "net"), images(32, SIZE)
    seen = tensors(graph, x, ["net", "add", "net.conv1"])
    assert seen["add"].mean() / seen["add"].std() > 300
    answer = ask({"net": graph}, x, 32, layers=("net:net", "net:add", "net:net.conv1"))
    assert float(answer.cka[0, 1]) == pytest.approx(1, abs=1e-5)
    assert float(answer.cka[1, 2]) == pytest.approx(cka((seen["net"], seen["net.conv1"])), abs=1e-4)


class Far(nn.Module):
    """The same features, hundreds of spreads away from zero."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x) + 1000


class Scaled(nn.Module):
    """The same features in other units."""

    def __init__(self, net, scale):
        super().__init__()
        self.net, self.scale = net, scale

    def forward(self, x):
        return self.net(x) * self.scale


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1e4, 1e7])
def test_no_value_depends_on_the_scale_of_the_features(module, scale):
    """Row 7: Clamping, absolute epsilons: bias, dependence on the feature scale."""
    graph, x = Graph.of(Scaled(module, scale).eval(), SIZE, "net"), images(16, SIZE)
    answer = ask({"net": graph}, x, layers=("net:net.relu@1", "net:mul", "net:net.conv1"))
    np.testing.assert_allclose(answer.cka[0], answer.cka[1], atol=1e-6)
    assert float(answer.cka[1, 1]) == pytest.approx(1, abs=1e-12)


def test_negative_values_are_not_clamped():
    """Row 7: Clamping, absolute epsilons: bias, dependence on the feature scale."""

    class Unrelated(nn.Module):
        def forward(self, x):
            return x[:, 0].tanh(), x[:, 1].tanh()

    of = {"net": Graph.of(Unrelated(), SIZE, "net")}
    found = [float(ask(of, images(8, SIZE, seed), a="net:tanh", b="net:tanh@1").cka[0, 0]) for seed in range(12)]
    assert min(found) < 0 < max(found)
    assert abs(np.mean(found)) < 3 * np.std(found) / 12**0.5


def test_a_short_last_batch_has_its_own_weight(module):
    """Row 8: A short last batch crashes the run or is weighted like a full one."""
    of, x = {"net": Graph.of(module, SIZE, "net")}, images(37, SIZE)
    layers = ("net:conv1", "net:relu@1")
    for rest in (4, 5):  # 16 + 16 + 4 and 16 + 16 + 5
        answer = ask(of, x[: 32 + rest], 16, layers=layers)
        parts = [tensors(of["net"], p, ["conv1", "relu@1"]).values() for p in x[: 32 + rest].split(16)]
        assert float(answer.cka[0, 1]) == pytest.approx(cka(*parts), abs=1e-5)
        assert answer.attrs["images_seen"] == 32 + rest
    whole = ask(of, x[:32], 16, layers=layers)
    for rest in (1, 2, 3):  # too few for an unbiased value: nothing added, nothing spoilt
        np.testing.assert_array_equal(ask(of, x[: 32 + rest], 16, layers=layers).cka, whole.cka)


def test_each_call_of_a_module_is_kept(module):
    """Row 9: A module called twice keeps only its last call."""
    graph, x = Graph.of(module, SIZE, "net"), images(8, SIZE)
    first, last = (tensors(graph, x, [name])[name] for name in ("relu", "relu@1"))
    with torch.no_grad():
        by_hand = module.by_hand(x)
    assert torch.equal(first, by_hand["relu"]) and torch.equal(last, by_hand["relu@1"])
    answer = ask({"net": graph}, x, layers="net:relu*")
    assert answer.layer_a.values.tolist() == ["net:relu", "net:relu@1"]
    assert float(answer.cka[0, 1]) == pytest.approx(cka((first, last)), abs=1e-5)


def test_the_users_model_comes_back_as_it_was(module):
    """Row 10: The user's model comes back in another mode, on another device, with hooks, with another RNG state."""
    module.train()
    module.bn2.eval()
    module.conv1.requires_grad_(False)
    module.conv2.register_forward_hook(lambda *_: None)
    kept = copy.deepcopy(module.state_dict())
    modes = {name: m.training for name, m in module.named_modules()}
    torch.manual_seed(3)
    random = torch.get_rng_state()
    numpy_random = np.random.get_state()[1].copy()
    ask({"net": Graph.of(module, SIZE, "net")}, images(16, SIZE), layers="net:**")
    assert torch.equal(torch.get_rng_state(), random)
    assert np.array_equal(np.random.get_state()[1], numpy_random)
    assert {name: m.training for name, m in module.named_modules()} == modes
    hooks = {name: len(m._forward_hooks) + len(m._forward_pre_hooks) for name, m in module.named_modules()}
    assert {name for name, n in hooks.items() if n} == {"conv2"} and hooks["conv2"] == 1
    assert [p.requires_grad for p in module.conv1.parameters()] == [False, False]
    assert module.conv2.weight.requires_grad and module.conv2.weight.grad is None
    assert {t.device.type for t in module.state_dict().values()} == {"cpu"}
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), kept.values(), strict=True))


def test_a_model_is_itself_exactly(module):
    """Row 13: Model against itself is not exactly 1 (the same network as two models, other batch order)."""
    of = {name: Graph.of(copy.deepcopy(module), SIZE, name) for name in ("one", "two")}
    x = images(40, SIZE)
    answer = ask(of, x, a="one:**", b="two:**")
    shuffled = ask(of, x, order=lambda made: made[::-1], a="two:**", b="one:**")
    for found in (answer, shuffled):
        np.testing.assert_allclose(np.diag(found.cka), 1, rtol=0, atol=1e-12)
        assert found.cka.max() <= 1
        np.testing.assert_allclose(np.diag(found.cka_se), 0, atol=1e-7)
    np.testing.assert_allclose(answer.cka, shuffled.cka, atol=1e-12)


@pytest.mark.parametrize("name", ["tv_resnet", "resnet18"])
def test_the_operands_of_a_sum_are_read_before_it_overwrites_them(name):
    """Row 14: The operand of an in-place addition is read after it was overwritten (skip ratios of every ResNet)."""
    graph = Graph.of(build(name), FAMILIES[name].size, name)
    assert {str(r.node.target) for r in graph.residuals} == {"aten.add_.Tensor"}
    x, given, seen = images(2, graph.size), {}, {}
    for r in graph.residuals:
        branch_at = r.node.args.index(r.branch_node)

        def look(operation, name=r.name, at=branch_at):
            given[name] = [operation.inputs[i].clone() for i in (1 - at, at)]

        run(graph, x, [(graph.by_name[r.name], "before", look)])
        skip, branch = tensors(graph, x, [r.skip])[r.skip], tensors(graph, x, [r.branch])[r.branch]
        seen[r.name] = [skip, branch]
    for r in graph.residuals:
        assert all(torch.equal(a, b) for a, b in zip(given[r.name], seen[r.name], strict=True)), r.name
        ratio = [float(s.norm() / b.norm()) for s, b in (given[r.name], seen[r.name])]
        total = tensors(graph, x, [r.name])[r.name]
        assert ratio[0] == ratio[1] != pytest.approx(float(given[r.name][0].norm() / total.norm()), rel=1e-2)


def test_windows_are_not_images():
    """Row 15: Windowed tokens (Swin) taken for images, or placed as if there were no window."""
    module = build("swin")
    graph, x = Graph.of(module, FAMILIES["swin"].size, "swin"), images(8, FAMILIES["swin"].size)
    name = "layers.0.blocks.1.attn.qkv"
    layer = graph.by_name[name]
    assert (layer.axis.inner, layer.shape[:2]) == (4, (4, 49))  # four windows of 49 patches make an image
    kept = {}
    hook = module.layers[0].blocks[1].attn.qkv.register_forward_hook(lambda _, __, out: kept.update(qkv=out))
    with torch.no_grad():
        module(x)
    hook.remove()
    rows = kept["qkv"].unflatten(0, (8, 4))
    assert torch.equal(tensors(graph, x, [name])[name], rows)
    # each patch where it is in the image, not where it is in its window or among the windows
    back = torch.zeros(8, 14, 14, rows.shape[-1])
    y, x_ = ((layer.places.yx - 2) / 4).long()
    back[:, y, x_] = rows
    shifted = rows.unflatten(1, (2, 2)).unflatten(3, (7, 7)).transpose(2, 3).flatten(1, 2).flatten(2, 3)
    assert torch.equal(back, shifted.roll((3, 3), (1, 2)))
    answer = ask({"swin": graph}, x, a=f"swin:{name}", b="swin:layers.0.blocks.0")
    other = tensors(graph, x, ["layers.0.blocks.0"])["layers.0.blocks.0"]
    assert float(answer.cka[0, 0]) == pytest.approx(cka((rows, other)), abs=1e-5)


def test_attention_is_there_under_fused_kernels():
    """Row 11: Attention missing or empty under fused kernels."""
    fused, size = build("vit"), FAMILIES["vit"].size
    eager, x, kept = copy.deepcopy(fused), images(6, size), []
    for block in eager.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_pre_hook(lambda _, given: kept.append(given[0].double().numpy()))
    with torch.no_grad():
        eager(x)
        before = fused(x)
    graph = Graph.of(fused, size, "vit")
    assert {str(a.weights.target) for a in graph.attentions} == {"aten.scaled_dot_product_attention.default"}
    bound = AttentionDistance("vit").bind(Models({"vit": graph}))
    answer = read(bound, bound.needs(), fold(bound.needs(), batches({"vit": graph}, x, 2)))
    line = 8 * np.arange(4) + 4
    y, x_ = (a.flatten() for a in np.meshgrid(line, line, indexing="ij"))
    apart = np.hypot(y[:, None] - y, x_[:, None] - x_)
    expected = [(weights[:, :, 1:, 1:] * apart).sum(-1).mean((0, 2)) for weights in kept]
    np.testing.assert_allclose(answer.attention_distance, expected, rtol=1e-5)
    assert (answer.attention_distance > 1).all()
    # the user's model goes on with its fused kernels, and nothing hangs on it
    assert [block.attn.fused_attn for block in fused.blocks] == [True, True]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in fused.modules())
    with torch.no_grad():
        assert torch.equal(fused(x), before)
