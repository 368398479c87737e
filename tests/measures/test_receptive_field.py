"""Receptive fields against differences of the pixels, and against whole jacobians of the eager models in float64."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import FAMILIES, batches, build, images, stirred
from torch import Tensor, nn
from torch.func import jacrev

import seealike
from seealike import laws
from seealike.errors import StudyError
from seealike.kernel import fold, read, reading
from seealike.measures.receptive_field import ReceptiveField
from seealike.models.graph import Graph
from seealike.plan.digest import digest, models_of
from seealike.selection import Models
from seealike.statistics import field as fields
from seealike.study.toml import study

SIZE = (3, 16, 24)


def bind(graph, layers="**", **question):
    return ReceptiveField(graph.name, layers, **question).bind(Models({graph.name: graph}))


def ask(graph, x, layers="**", batch=2, **question):
    bound = bind(graph, layers, **question)
    return read(bound, bound.needs(), fold(bound.needs(), batches({graph.name: graph}, x, batch)))


def graph_of(module, size=SIZE):
    return Graph.of(module, size, "net")


def pictures(n, size=SIZE):
    return images(n, size).double()


def convolutions():
    torch.manual_seed(0)
    linear = (nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, 2, 1), nn.Conv2d(5, 6, 3, padding=2, dilation=2))
    return nn.Sequential(*linear).double()


def test_a_stack_of_convolutions_has_its_theoretical_field():
    """Zero outside, exactly; inside what moving each pixel by a step of either sign says."""
    module, x = convolutions(), pictures(3)
    answer = ask(graph_of(module), x, channels="all")
    steps = torch.eye(3 * 16 * 24, dtype=torch.float64).unflatten(1, SIZE) / 2
    # its middle in the grid, and how far a field reaches from the pixel where that lies
    for i, (row, column, reach) in enumerate([(8, 12, 1), (4, 6, 2), (4, 6, 6)]):
        with torch.no_grad():
            both = [module[: i + 1](x[:1] + sign * steps)[:, :, row, column] for sign in (1, -1)]
        expected = (both[0] - both[1]).abs().mean(1).unflatten(0, SIZE).sum(0)
        found = torch.from_numpy(answer.receptive_field[i].values)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
        y, x_ = np.abs(np.arange(16) - 8), np.abs(np.arange(24) - 12)
        inside = np.maximum(y[:, None], x_) <= reach
        assert not found[~inside].any() and (found.numpy() > 0).sum() > 0.3 * inside.sum()
        assert answer.centre_y[i] == 8.5 and answer.centre_x[i] == 12.5
    assert answer.receptive_field.dims == ("layer", "y", "x") and answer.area.dims == ("mass", "layer")
    assert answer.layer.values.tolist() == ["net:0", "net:1", "net:2"] and answer.mass.values.tolist() == [0.5, 0.95]
    assert (answer.width.diff("layer") > 0).all() and answer.attrs["notes"][1:] == []


def test_pixels_see_themselves():
    module = nn.Sequential(nn.Conv2d(3, 4, 1)).double()
    answer = ask(graph_of(module), pictures(8), ("input", "0"), channels="all")
    expected = np.zeros((2, 16, 24))
    expected[0, 8, 12], expected[1, 8, 12] = 1, module[0].weight.detach().abs().sum() / 4
    np.testing.assert_allclose(answer.receptive_field, expected, rtol=1e-12)
    assert (answer.area == 1 / (16 * 24)).all() and (answer.width == 0).all() and (answer.own_patch == 1).all()
    assert (answer.receptive_field_se < 1e-12).all() and (answer.area_se < 1e-12).all()


def test_a_patch_embedding_sees_its_patch():
    patch = nn.Conv2d(3, 5, 8, 8).double()
    nn.init.constant_(patch.weight, -0.5)
    answer = ask(graph_of(nn.Sequential(patch)), pictures(4), channels="all")
    field = answer.receptive_field[0].values
    assert (field[8:16, 8:16] == 1.5).all() and field.sum() == 64 * 1.5
    assert answer.own_patch == 1
    # of equal pixels as many hold a share of the mass
    np.testing.assert_allclose(answer.area[:, 0], [32 / 384, 61 / 384], rtol=1e-12)
    np.testing.assert_allclose(answer.width, np.sqrt((8**2 - 1) / 12), rtol=1e-12)
    several = ask(graph_of(nn.Sequential(patch)), pictures(4), channels="all", centre="mean4")
    field = several.receptive_field[0].values  # 2 rows: both; 3 columns: the middle one
    assert (field[:, 8:16] == 0.75).all() and not field[:, :8].any() and not field[:, 16:].any()
    assert several.own_patch == 1 and several.centre_y == 8 and several.centre_x == 12


def jacobian(compute, x):
    """The exact field: every gradient of every channel of every image by itself."""
    each = [jacrev(lambda one: compute(one[None])[0])(one) for one in x]  # channels x colours x height x width
    return torch.stack([j.abs().sum(1).mean(0) for j in each]).mean(0)


def vit_parts(m: nn.Module):
    for block in m.blocks:
        block.attn.fused_attn = False

    def before(x):
        return m.norm_pre(m._pos_embed(m.patch_embed(x)))

    first, second = m.blocks
    middle = 1 + 2 * 4 + 2

    def attended(x):
        x = first(before(x))
        return x, second.attn(second.norm1(x))

    return {
        "blocks.0.attn": lambda x: first.attn(first.norm1(before(x)))[:, middle],
        "blocks.0": lambda x: first(before(x))[:, middle],
        "blocks.1.attn": lambda x: attended(x)[1][:, middle],
        "blocks.1.add": lambda x: sum(attended(x))[:, middle],
        "blocks.1.mlp": lambda x: second.mlp(second.norm2(sum(attended(x))))[:, middle],
    }


def resnet_parts(m: nn.Module):
    def before(x):
        return m.maxpool(F.relu(m.bn1(m.conv1(x))))

    def branch(block, x):
        return block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))

    def added(block, x):
        return branch(block, x) + (block.downsample(x) if block.downsample else x)

    first, second = m.layer1

    def between(x):
        return F.relu(added(first, before(x)))

    def after(x):
        return F.relu(added(second, between(x)))

    return {
        "layer1.1.bn2": lambda x: branch(second, between(x))[..., 4, 4],
        "layer1.1.add": lambda x: added(second, between(x))[..., 4, 4],
        "layer2.0.bn2": lambda x: branch(m.layer2[0], after(x))[..., 2, 2],
    }


def swin_parts(m: nn.Module):
    first, second = m.layers[0].blocks
    for block in (first, second):
        block.attn.fused_attn = False

    def attended(block, x):
        return block._attn(block.norm1(x))

    def before(x):
        x = m.patch_embed(x)
        x = x + attended(first, x)
        return x + first.mlp(first.norm2(x))

    return {
        "layers.0.blocks.0.attn": lambda x: attended(first, m.patch_embed(x))[:, 7, 7],
        "layers.0.blocks.1.attn": lambda x: attended(second, before(x))[:, 7, 7],
        "layers.0.blocks.1.add": lambda x: (before(x) + attended(second, before(x)))[:, 7, 7],
    }


def narrow_resnet():
    from timm.models.resnet import BasicBlock, ResNet

    return stirred(ResNet(BasicBlock, (2, 1, 1, 1), num_classes=5, channels=(8, 12, 16, 16)))


PARTS = {"vit": vit_parts, "resnet": resnet_parts, "swin": swin_parts}


@pytest.mark.parametrize("name", PARTS)
def test_it_is_the_jacobian_of_the_eager_model(name):
    module = (narrow_resnet() if name == "resnet" else build(name)).double()
    size = (3, 32, 32) if name == "resnet" else FAMILIES[name].size
    graph, x = Graph.of(module, size, "net"), pictures(2, size)
    parts = PARTS[name](copy.deepcopy(module))
    answer = ask(graph, x, tuple(parts), batch=1, channels="all")
    kinds = {s.tensor for k in ("@residual", "@branch") for s in Models({"net": graph}).select(f"net:{k}")}
    assert set(parts) <= kinds
    for part, compute in parts.items():
        found = answer.receptive_field.sel(layer=f"net:{part}").values
        expected = jacobian(compute, x).detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * expected.max())
        assert (found > 0).any()
    check_sizes(answer, graph)


def check_sizes(answer, graph):
    """Area, width and own patch pixel by pixel."""
    height, width = graph.size[1:]
    for layer in answer.layer.values:
        one = answer.sel(layer=layer)
        share = one.receptive_field.values / one.receptive_field.values.sum()
        for mass in (0.5, 0.95):
            count, held = 0, 0.0
            for value in sorted(share.flatten(), reverse=True):
                if held >= mass:
                    break
                count, held = count + 1, held + value
            assert abs(float(one.area.sel(mass=mass)) * height * width - count) < 1e-6
        places = graph.by_name[layer.partition(":")[2]].places.yx.flatten(1)
        known = places[:, places.isfinite().all(0)]
        rows, columns = (sorted({round(float(v), 2) for v in line}) for line in known)
        y, x = rows[len(rows) // 2], columns[len(columns) // 2]
        squared, own = 0.0, 0.0
        for r in range(height):
            for c in range(width):
                squared += share[r, c] * ((r + 0.5 - y) ** 2 + (c + 0.5 - x) ** 2)
                cell = (r + 0.5) // (height / len(rows)), (c + 0.5) // (width / len(columns))
                own += share[r, c] * (cell == (len(rows) // 2, len(columns) // 2))
        np.testing.assert_allclose([one.width, one.own_patch], [np.sqrt(squared / 2), own], rtol=1e-9)


def bent():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 12, 5, 2, 2), nn.Tanh(), nn.Conv2d(12, 7, 3, 2, 1), nn.Tanh()).double()


@pytest.fixture(scope="module")
def net():
    return graph_of(bent())


def test_a_draw_of_channels_is_unbiased(net):
    x = pictures(3)
    exact = ask(net, x, ("1", "3"), channels="all").receptive_field.values
    drawn = [ask(net, x, ("1", "3"), channels=2, seed=s).receptive_field.values for s in range(40)]
    apart, error = np.mean(drawn, 0) - exact, np.std(drawn, 0, ddof=1) / np.sqrt(40)
    z = apart[exact > 0] / error[exact > 0]
    assert np.abs(z).max() < 5 and (z**2).mean() < 2.5
    assert (np.std(drawn, 0)[exact > 0] > 0).all()
    # as many as there are, or more: all of them, each once
    np.testing.assert_allclose(ask(net, x, "3", channels=7).receptive_field[0], exact[1], rtol=1e-12)
    np.testing.assert_allclose(ask(net, x, "3").receptive_field[0], exact[1], rtol=1e-12)


def test_the_standard_error_is_how_far_a_draw_lies_from_another(net):
    """One image again and again, so that nothing but the draw of its channels differs."""
    x = pictures(1).expand(16, -1, -1, -1)
    answers = [ask(net, x, "1", batch=1, channels=3, seed=s) for s in range(12)]
    error = np.sqrt(np.mean([a.receptive_field_se.values**2 for a in answers], 0))
    spread = np.std([a.receptive_field.values for a in answers], 0, ddof=1)
    seen = spread > 0
    assert seen.sum() == 25 and 0.7 < (error[seen] / spread[seen]).mean() < 1.4


@pytest.mark.parametrize("question", [{"channels": "all"}, {"channels": 3}, {"channels": 3, "rms": True}])
def test_no_cut_of_the_images_changes_it(net, question, monkeypatch):
    x = pictures(7)
    name = "receptive_field_rms" if question.get("rms") else "receptive_field"
    whole = ask(net, x, batch=7, **question)[name]
    for batch in (1, 3):
        np.testing.assert_allclose(ask(net, x, batch=batch, **question)[name], whole, rtol=1e-9)
    monkeypatch.setattr(fields, "ROOM", 1)  # each channel of each image in a run by itself
    np.testing.assert_allclose(ask(net, x, batch=7, **question)[name], whole, rtol=1e-9)
    (statistic,) = bind(net, **question).needs()
    states = [statistic.run(one.given("net")) for one in batches({"net": net}, x, 2)]
    assert statistic.bytes == states[0]["sum"].numel() * 8
    laws.check(statistic, states)


def test_the_root_mean_square(net):
    x = pictures(3)
    mean, exact = ask(net, x, ("1", "3"), channels="all"), ask(net, x, ("1", "3"), channels="all", rms=True)
    assert "receptive_field" not in exact and (exact.receptive_field_rms >= mean.receptive_field - 1e-12).all()
    module = bent()
    for layer, (channels, row, column) in {"net:1": (12, 4, 6), "net:3": (7, 2, 3)}.items():
        part = module[: int(layer[-1]) + 1]
        each = torch.stack([jacrev(lambda one: part(one[None])[0, :, row, column])(one) for one in x])  # noqa: B023
        assert each.shape[1] == channels
        expected = (each**2).mean((0, 1)).sqrt().sum(0).detach().numpy()
        np.testing.assert_allclose(exact.receptive_field_rms.sel(layer=layer), expected, rtol=1e-9, atol=1e-15)
    # projections: their mean squares come near, seed by seed
    (statistic,) = bind(net, ("1", "3"), channels="all", rms=True).needs()
    (one,) = batches({"net": net}, x, 3)
    square = statistic.run(one.given("net"))["sum"]
    runs = [bind(net, ("1", "3"), channels=2, rms=True, seed=s).needs()[0].run(one.given("net")) for s in range(80)]
    drawn = torch.stack([r["sum"] for r in runs])
    z = ((drawn.mean(0) - square) / (drawn.std(0) / 80**0.5))[square > 0]
    assert z.abs().max() < 5.5 and (z**2).mean() < 2.5
    assert (drawn.std(0)[square > 0] > 0).all()


def test_the_middle_of_an_even_grid(net):
    x = pictures(2)
    answer = ask(net, x, "3", channels="all", centre="mean4")  # a grid of 4 x 6
    module = bent()
    expected = jacobian(lambda one: module(one)[:, :, 1:3, 2:4].mean((2, 3)), x).detach().numpy()
    np.testing.assert_allclose(answer.receptive_field[0], expected, rtol=1e-9, atol=1e-15)
    share = expected / expected.sum()
    np.testing.assert_allclose(answer.own_patch, share[4:12, 8:16].sum(), rtol=1e-9)
    assert answer.centre_y == 4 * 1.5 + 0.5 and answer.centre_x == 4 * 2.5 + 0.5


class Dead(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.c(x)
        return y, y * 0, y.abs().mul(0).sqrt()


def test_where_no_gradient_arrives_sizes_are_undefined():
    answer = ask(graph_of(stirred(Dead()).double()), pictures(16), ("c", "mul", "sqrt"), batch=1, channels="all")
    assert answer.attrs["notes"] == [
        "net:mul: no gradient reaches the image, so its sizes are undefined",
        "net:sqrt: its gradient is not finite everywhere, so its sizes are undefined",
    ]
    assert not answer.receptive_field.sel(layer="net:mul").any()
    for name in ("area", "width", "own_patch"):
        assert np.isfinite(answer[name].sel(layer="net:c")).all()
        assert answer[name].sel(layer=["net:mul", "net:sqrt"]).isnull().all()


class Tokens(nn.Module):
    """A class token beside 2 x 3 patches; after a residual the class token by itself, and its own residual."""

    def __init__(self):
        super().__init__()
        self.patch, self.cls = nn.Conv2d(3, 6, 8, 8), nn.Parameter(torch.ones(1, 1, 6))
        self.map, self.head = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x):
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), self.patch(x).flatten(2).mT], 1)
        x = x + F.scaled_dot_product_attention(self.map(x), x, x)
        cls = x[:, 0]
        return cls + self.head(cls)


@pytest.fixture(scope="module")
def tokens():
    torch.manual_seed(0)
    return graph_of(Tokens())


def test_a_layer_without_a_middle_is_left_out_or_refused(tokens):
    """A kind or a glob leaves it out and says so; a name is refused."""
    answer = ask(tokens, images(8, SIZE), "@residual", channels="all")
    assert answer.layer.values.tolist() == ["net:add"] and answer.centre_x == 12
    assert answer.attrs["notes"] == ["left out, as none of its positions stands for a part of the image: add@1"]
    with pytest.raises(StudyError, match=r"^net:add@1 cannot be seen so: none of its positions stands for a part"):
        bind(tokens, "add@1")


def test_its_messages(tokens, net):
    both = Models({"net": tokens, "other": replace(net, name="other")})
    wrong = {
        r'^model = "nett": there is no such model\. Closest: net\.$': {"model": "nett"},
        r'^model = "n\*": there is no such model': {"model": "n*"},
        r'^"other:1" is a layer of other, but model = "net"\. Ask of each model by itself\.$': {"layers": "other:1"},
        r'^"third:1": there is no model "third"': {"layers": "third:1"},
        r"^net:nothing matches no layer of net": {"layers": ("add", "nothing")},
        r'^layers = \[\]: name at least one, or leave layers out for "@residual"\.$': {"layers": ()},
        r"^other has no layer of the kind @residual": {"model": "other"},
    }
    for message, keys in wrong.items():
        with pytest.raises(StudyError, match=message):
            ReceptiveField(**({"model": "net"} | keys)).bind(both)
    assert [str(s) for s, _ in ReceptiveField("net", "net:add").bind(both).bound] == ["net:add"]
    with pytest.raises(StudyError, match=r'^channels = 0: draw at least 1, or write "all" for the exact mean\.$'):
        ReceptiveField("net", channels=0)
    with pytest.raises(StudyError, match=r"^take = 0: take at least 1 image\.$"):
        ReceptiveField("net", take=0)


def asked(**keys):
    models, sets = {"vit": {"source": "zoo:vit"}}, {"s": {"source": "scenes:16"}}
    written = {"measure": "receptive_field", "model": "vit", **keys}
    return study({"models": models, "images": sets, "ask": {"f": written}}).ask["f"].measure


def test_what_a_study_may_write():
    assert asked() == ReceptiveField("vit") and asked().few == 32
    every = asked(layers=["@branch"], channels="all", take=8, centre="mean4", rms=True, seed=3)
    assert every == ReceptiveField("vit", ("@branch",), "all", 8, "mean4", True, 3) and every.few == 8
    for key, value in {"channels": "some", "centre": "mean", "take": "all", "bound": 1}.items():
        with pytest.raises(StudyError, match=rf"ask\.f\.{key}"):
            asked(**{key: value})
    with pytest.raises(StudyError, match=r'^ask\.f: channels = -1: draw at least 1, or write "all"'):
        asked(channels=-1)


def test_it_is_one_question_under_any_name(net):
    both = [bind(g, ("1", "3")) for g in (net, replace(net, name="other"))]
    names = [{"net": "1f"}, {"other": "1f"}]
    assert digest(both[0], names[0]) == digest(both[1], names[1])
    assert models_of(both[0], ["net", "other"]) == ["net"]
    apart = [{"channels": 3}, {"seed": 1}, {"rms": True}, {"centre": "mean4"}, {"layers": ("1",)}]
    others = [digest(bind(net, **({"layers": ("1", "3")} | keys)), names[0]) for keys in apart]
    assert len({digest(both[0], names[0]), *others}) == 6


class Bar:
    """What a progress bar is told."""

    def __init__(self, **told):
        self.told, self.count = told, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, count):
        self.count += count


def test_a_long_field_says_how_far_it_is(net, monkeypatch):
    bars = []
    monkeypatch.setattr(fields, "tqdm", lambda **told: bars.append(Bar(**told)) or bars[-1])
    ask(net, pictures(5), ("1", "3"), batch=3, channels=9)
    assert [b.count for b in bars] == [b.told["total"] for b in bars] == [3 * (9 + 7), 2 * (9 + 7)]
    assert bars[0].told["desc"] == "net: gradients of 2 layers" and not bars[0].told["leave"]


def test_it_takes_a_few_images_in_groups_of_their_own():
    """Of any number of images those it needs, in sixteen batches; nothing of the user's module is changed."""
    module = stirred(bent().float())
    random = torch.get_rng_state()
    answer = seealike.answer(ReceptiveField("net", "1", take=16), {"net": module}, images(40, SIZE), batch=40)
    assert answer.attrs["images_seen"] == 16 and answer.attrs["batch"] == 1
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    field, error = answer.receptive_field, answer.receptive_field_se
    assert np.isfinite(error).all() and (error.values[field.values > 0] > 0).all()
    assert isinstance(field.attrs["units"], str) and answer.width.attrs["units"] == "pixel"


def test_every_reading_is_kept_for_claims(net):
    bound = bind(net, ("1", "3"))
    found = reading(bound, bound.needs(), fold(bound.needs(), batches({"net": net}, pictures(16), 1)))
    assert found.leave_outs is not None and found.leave_outs.own_patch.dims == ("group", "layer")
    assert found.leave_outs.area.shape == (16, 2, 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gives_the_same():
    module, x = bent(), pictures(4)
    here = ask(graph_of(module), x, channels=3)
    there = ask(graph_of(copy.deepcopy(module).cuda()), x.cuda(), channels=3)
    np.testing.assert_allclose(there.receptive_field, here.receptive_field, rtol=1e-9, atol=1e-15)


def test_a_layer_in_half_precision():
    module = bent().bfloat16()
    answer = ask(graph_of(module), images(4, SIZE).bfloat16(), "3", channels="all")
    exact = ask(graph_of(copy.deepcopy(module).double()), images(4, SIZE).bfloat16().double(), "3", channels="all")
    assert isinstance(answer.receptive_field.values[0, 0, 0], np.float64)
    largest = exact.receptive_field.values.max()
    np.testing.assert_allclose(answer.receptive_field, exact.receptive_field, rtol=0, atol=0.05 * largest)


def test_one_channel_needs_no_dimension():
    class Grey(nn.Module):
        def forward(self, x: Tensor):
            return x.mean(1).tanh()

    x = pictures(2)
    answer = ask(graph_of(Grey()), x, "tanh")
    expected = (1 - x.mean(1)[:, 8, 12].tanh() ** 2).mean()
    assert float(answer.receptive_field[0, 8, 12]) == pytest.approx(float(expected), rel=1e-5)
    assert answer.own_patch == 1
