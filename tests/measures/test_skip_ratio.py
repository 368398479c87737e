"""How far skips outweigh branches, against brute force in float64 on the eager models, and at exact limits."""

import copy
import functools
import itertools

import numpy as np
import pytest
import torch
from small import FAMILIES, Batch, batches, build, images, stirred, timm_model
from torch import nn

import seealike
from seealike.answering.provenance import renamed
from seealike.errors import RunError, StudyError
from seealike.kernel import fold, read
from seealike.measures.skip_ratio import NAMES, SkipRatio
from seealike.models.graph import Graph
from seealike.models.run import run
from seealike.plan.digest import digest
from seealike.selection import Models
from seealike.study.toml import study
from seealike.views import skip as view
from seealike.views.skip import Skip

SIZE = (3, 12, 12)
STEP = 2 ** (1 / 8)  # what a median may be wrong by
MEANS = [name for name in NAMES if name != "ratio_median"]


def ask(graph, x, size=3, layers=()):
    bound = SkipRatio("net", layers).bind(Models({"net": graph}))
    return read(bound, bound.needs(), fold(bound.needs(), batches({"net": graph}, x, size)))


def by_hand(skip, branch):
    """Of `images x tokens x channels`: every variable, token by token, image by image."""
    tokens = skip.shape[1]
    found = {name: np.full(tokens, np.nan) for name in NAMES}
    for t in range(tokens):
        each = {name: [] for name in MEANS}
        for z, f in zip(skip[:, t], branch[:, t], strict=True):
            if np.any(z) and np.any(f):
                zs, fs = np.linalg.norm(z), np.linalg.norm(f)
                each["ratio"].append(zs / fs)
                each["log_ratio"].append(np.log(zs / fs))
                each["cosine_branch"].append(z @ f / (zs * fs))
                if np.any(z + f):
                    each["cosine_output"].append(z @ (z + f) / (zs * np.linalg.norm(z + f)))
        if each["ratio"]:
            found["ratio_median"][t] = np.median(each["ratio"])
        for name in MEANS:
            found[name][t] = np.mean(each[name]) if each[name] else np.nan
    return found


def check(answer, i, skip, branch, rtol=2e-5):
    expected, tokens = by_hand(skip, branch), skip.shape[1]
    for name in NAMES:
        values = answer[name].values[i]
        assert np.isnan(values[tokens:]).all()
        if name == "ratio_median":
            apart = values[:tokens] / expected[name]
            assert ((apart < STEP) & (apart > 1 / STEP) | np.isnan(expected[name])).all()
            assert (np.isnan(values[:tokens]) == np.isnan(expected[name])).all()
        else:
            np.testing.assert_allclose(values[:tokens], expected[name], rtol=rtol, atol=rtol, err_msg=name)


# family: the modules of a block between which its skip and its branch can be read, and where its channels are
HOOKS = {
    "vit": ("Block", [("", "in", "drop_path1"), ("norm2", "in", "drop_path2")], -1),
    "swin": ("SwinTransformerBlock", [("norm1", "in", "drop_path1"), ("norm2", "in", "drop_path2")], -1),
    "resnet18": ("BasicBlock", [("downsample", "out", "bn2")], 1),
    "convnext": ("ConvNeXtBlock", [("shortcut", "out", "drop_path")], 1),
}


def hooked(module, x, name):
    """Copies of skip and branch of every addition of the eager model in float64, images x tokens x channels."""
    kind, pairs, channels = HOOKS[name]
    module, kept = copy.deepcopy(module).double(), {}

    def keep(key, at):
        def look(_, given, made=None):
            kept[key] = (given[0] if at == "in" else made).clone()

        return look

    blocks = [m for m in module.modules() if type(m).__name__ == kind]
    for i, block in enumerate(blocks):
        for j, (skip, at, branch) in enumerate(pairs):
            of = getattr(block, skip) if skip else None
            if of is None or at == "in":
                (of or block).register_forward_pre_hook(keep((i, j, 0), "in"))
            else:
                of.register_forward_hook(keep((i, j, 0), "out"))
            getattr(block, branch).register_forward_hook(keep((i, j, 1), "out"))
    with torch.no_grad():
        module(x.double())
    flat = {k: v.movedim(channels, -1).flatten(1, -2).numpy() for k, v in kept.items()}
    return [(flat[i, j, 0], flat[i, j, 1]) for i in range(len(blocks)) for j in range(len(pairs))]


SWIN = {"img_size": 32, "window_size": 4, "depths": (2,), "embed_dim": 12, "num_heads": (2,)}  # the second is shifted


@functools.cache
def module_of(name):
    if name == "swin":
        return stirred(timm_model("swin_tiny_patch4_window7_224", **SWIN)())
    module = build(name)
    with torch.no_grad():  # scales of ConvNeXt's branches that are small, and others for each channel
        for key, p in module.named_parameters():
            if key.endswith("gamma"):
                p.copy_(0.03 * torch.rand(p.shape, generator=torch.Generator().manual_seed(0)) + 1e-4)
    return module


def size_of(name):
    return (3, 32, 32) if name == "swin" else FAMILIES[name].size


@functools.cache
def graph_of(name):
    return Graph.of(module_of(name), size_of(name), "net")


@pytest.mark.parametrize("name", HOOKS)
def test_it_is_that_of_the_eager_model(name):
    graph, x = graph_of(name), images(5, size_of(name))
    answer, pairs = ask(graph, x), hooked(module_of(name), x, name)
    assert len(pairs) == answer.sizes["residual"] == len(graph.residuals)
    for i, (skip, branch) in enumerate(pairs):
        check(answer, i, skip, branch)
    assert answer.ratio.dims == answer.place_y.dims == ("residual", "token")
    assert answer.residual.values.tolist() == [f"net:{r.name}" for r in graph.residuals]
    assert answer.kind.values.tolist() == [r.kind for r in graph.residuals]
    assert answer.token.values.tolist() == list(range(max(s.shape[1] for s, _ in pairs)))
    assert (answer.depth.diff("residual") > 0).all()


def test_the_skip_of_a_resnet_is_read_before_it_is_overwritten():
    """E14: its additions overwrite their branch, whose norm would be that of the sum."""
    graph, x = graph_of("resnet18"), images(5)
    assert {str(r.node.target) for r in graph.residuals} == {"aten.add_.Tensor"}
    answer, pairs = ask(graph, x), hooked(module_of("resnet18"), x, "resnet18")
    for i, (skip, branch) in enumerate(pairs):
        late = by_hand(skip, skip + branch)["ratio"]
        assert (abs(answer.ratio.values[i, : len(late)] / late - 1) > 1e-3).all()


def test_tokens_and_their_pixels():
    vit = ask(graph_of("vit"), images(4))
    assert vit.sizes["token"] == 17 and vit.place_y.isnull().sum("token").values.tolist() == [1] * 4
    assert np.isnan(vit.place_y[0, 0]) and np.isnan(vit.place_x[0, 0])  # CLS
    centres = list(itertools.product([4, 12, 20, 28], repeat=2))
    assert list(zip(vit.place_y.values[0, 1:], vit.place_x.values[0, 1:], strict=True)) == centres
    swin = ask(graph_of("swin"), images(4))
    assert swin.place_y[0, :9].values.tolist() == [2] * 8 + [6] and float(swin.place_x[0, 1]) == 6
    resnet = ask(graph_of("resnet18"), images(4))
    positions = [64] * 2 + [16] * 2 + [4] * 2 + [1] * 2
    assert resnet.place_y.notnull().sum("token").values.tolist() == positions
    assert resnet.ratio.notnull().sum("token").values.tolist() == positions
    assert resnet.notes[0] == "residual additions have 1 to 64 tokens: the values of tokens that one has not are NaN"


class Adding(nn.Module):
    """Patches of 4 x 4 pixels, and one addition."""

    def __init__(self, add):
        super().__init__()
        self.patch, self.branch, self.add = nn.Conv2d(3, 6, 4, 4, bias=False), nn.Conv2d(6, 6, 1), add
        self.cls = nn.Parameter(torch.randn(1, 2, 6))

    def forward(self, x):
        return self.add(self, self.patch(x))


@functools.cache
def module_with(add):
    torch.manual_seed(0)
    return stirred(Adding(add))


def graph_with(add):
    return Graph.of(module_with(add), SIZE, "net")


def operands(x, scale=1.0, times=1.0):
    """z and f of the module in float64, images x tokens x channels."""
    module = copy.deepcopy(module_with(plain)).double()
    with torch.no_grad():
        z = module.patch(x.double())
        f = module.branch(z)
    return tuple(v.flatten(2).mT.numpy() * s for v, s in ((z, times), (f, scale)))


def plain(m, z):
    return z + m.branch(z)


def in_place_on_the_skip(m, z):
    f = m.branch(z)
    z += f
    return z


def in_place_on_the_branch(m, z):
    f = m.branch(z)
    f += z
    return f


FORMS = {
    plain: {},
    lambda m, z: m.branch(z) + z: {},
    in_place_on_the_skip: {},
    in_place_on_the_branch: {},
    lambda m, z: torch.add(z, m.branch(z), alpha=0.25): {"scale": 0.25},
    lambda m, z: torch.add(m.branch(z), z, alpha=3): {"times": 3},
    lambda m, z: m.branch(z).add_(z, alpha=-2): {"times": -2},
}


@pytest.mark.parametrize("add", FORMS)
def test_every_way_to_write_an_addition(add):
    x = images(5, SIZE)
    answer = ask(graph_with(add), x)
    assert answer.sizes == {"residual": 1, "token": 9}
    check(answer, 0, *operands(x, **FORMS[add]))


def test_exact_limits():
    """The branch is the skip: exactly 1. Twice it, against it, and almost nothing of it."""
    x = images(8, SIZE)
    same = ask(graph_with(lambda m, z: z + z * 1), x)
    assert (same.ratio == 1).all() and (same.log_ratio == 0).all()
    assert (same.cosine_branch == 1).all() and (same.cosine_output == 1).all()
    assert (same.ratio_median < STEP).all() and (same.ratio_median > 1 / STEP).all()
    assert same.attrs["notes"] == ["no standard errors: 3 batches, at least 4 are needed"]
    twice = ask(graph_with(lambda m, z: z + z * -2), x)
    assert (twice.ratio == 0.5).all() and (twice.cosine_branch == -1).all() and (twice.cosine_output == -1).all()
    tiny = ask(graph_with(lambda m, z: z + z * 2.0**-40), x)
    np.testing.assert_allclose(tiny.log_ratio, 40 * np.log(2), rtol=1e-15)
    assert (tiny.ratio == 2.0**40).all() and tiny.ratio_median.isnull().all()
    assert tiny.notes[0] == "9 medians of the ratio lie beyond 2^-12 to 2^12 and are not told apart: NaN"


def test_no_branch_is_no_ratio():
    answer = ask(graph_with(lambda m, z: z + z * 0), images(8, SIZE), 2)
    for name in NAMES:
        assert answer[name].isnull().all() and answer[f"{name}_se"].isnull().all()
    assert answer.attrs["notes"] == [
        "the skip or the branch is exactly 0 at tokens of images that all means leave out: net:add (72 of 72)"
    ]


def test_skip_and_branch_that_cancel_have_no_output():
    answer = ask(graph_with(lambda m, z: z + z * -1), images(8, SIZE), 2)
    assert (answer.ratio == 1).all() and (answer.cosine_branch == -1).all() and answer.cosine_output.isnull().all()
    assert answer.attrs["notes"] == [
        "skip and branch cancel, or one is 0, at tokens of images that cosine_output leaves out: net:add (72 of 72)"
    ]


def test_what_is_undefined_is_left_out_of_the_means_exactly():
    """Patches that are black, and a branch that is silent where its input is negative."""
    x = images(8, SIZE)
    x[0], x[3, :, :4, 8:] = 0, 0  # no bias: what is black is 0
    answer = ask(graph_with(lambda m, z: z + z * (z.mean(1, keepdim=True) > 0)), x)
    z = operands(x)[0]
    f = z * (z.mean(-1, keepdims=True) > 0)
    assert 0 < (f != 0).any(-1).sum() < 36
    check(answer, 0, z, f)
    silent = int((~(f != 0).any(-1)).sum())
    assert answer.notes[0].endswith(f"all means leave out: net:add ({silent} of 72)")


def windows(m, z, fold=lambda t, n: t):
    """2 x 2 windows of a grid of 4 x 4, two of each row and column, as Hiera orders its tokens."""
    n, c = z.shape[:2]
    z = z.unflatten(2, (2, 2)).unflatten(4, (2, 2)).permute(0, 2, 4, 3, 5, 1)
    z = fold(z.reshape(n, 4, 4, c), n)
    return z + torch.sin(3 * z)


def folded(m, z):
    return windows(m, z, lambda t, n: t.flatten(0, 1))


@pytest.mark.parametrize("add", [windows, folded])
def test_windows_come_out_row_by_row(add):
    size = (3, 16, 16)
    x = images(4, size)
    answer = ask(Graph.of(module_with(add), size, "net"), x)
    z, _ = operands(x)
    check(answer, 0, z, np.sin(3 * z))
    centres = list(itertools.product([2, 6, 10, 14], repeat=2))
    assert list(zip(answer.place_y.values[0], answer.place_x.values[0], strict=True)) == centres


def test_what_only_fills_up_a_window_is_no_token():
    def padded(m, z):
        z = nn.functional.pad(z, (0, 1, 0, 1))
        return z + torch.cos(z)

    x = images(4, SIZE)
    answer = ask(graph_with(padded), x)
    z, _ = operands(x)
    assert answer.sizes["token"] == 9
    check(answer, 0, z, np.cos(z))


def test_tokens_of_no_part_of_the_image_come_first():
    def registers_last(m, z):
        z = torch.cat([z.flatten(2).mT, m.cls.expand(z.shape[0], -1, -1)], 1)
        return z + torch.tanh(z)

    x = images(4, SIZE)
    answer = ask(graph_with(registers_last), x)
    z = np.concatenate([np.repeat(module_with(registers_last).cls.detach().double().numpy(), 4, 0), operands(x)[0]], 1)
    assert answer.place_y.isnull().values[0].tolist() == [True] * 2 + [False] * 9
    check(answer, 0, z, np.tanh(z))


def test_a_layer_whose_places_are_not_known_is_one_token():
    def unplaced(m, z):
        z = z.cumsum(1)
        return z + torch.tanh(z)

    x = images(4, SIZE)
    graph = graph_with(unplaced)
    assert graph.by_name["add"].places is None
    answer = ask(graph, x)
    z = operands(x)[0].cumsum(-1).reshape(4, 1, -1)
    check(answer, 0, z, np.tanh(z))
    assert answer.sizes["token"] == 1 and answer.place_y.isnull().all()
    assert answer.notes[0] == "places could not be found, so that all of an image is one token: net:add"


def test_neither_the_batch_nor_the_blocks_change_it(monkeypatch):
    graph, x = graph_of("vit"), images(12)
    whole = ask(graph, x, 12)
    for size in (1, 5):
        other = ask(graph, x, size)
        for name in NAMES:
            np.testing.assert_allclose(other[name], whole[name], rtol=1e-5, atol=1e-7)
    monkeypatch.setattr(view, "BLOCK", 1)
    blocks = ask(graph, x, 12)
    for name in NAMES:
        np.testing.assert_array_equal(blocks[name], whole[name])


def test_standard_errors_are_over_images():
    x = images(16, SIZE)
    graph = graph_with(plain)
    answer = ask(graph, x, 1)
    for name in MEANS:
        each = np.stack([ask(graph, one, 1)[name].values for one in x.split(1)])
        np.testing.assert_allclose(answer[f"{name}_se"], each.std(0, ddof=1) / 4, rtol=1e-6, atol=1e-12)
    assert (answer.ratio_median_se > 0).any() and answer.ratio_median_se.notnull().all()


def test_the_median_is_not_carried_away_where_the_mean_is():
    """One image in eight whose branch almost vanishes."""

    def vanishing(m, z):
        rare = (z.flatten(1).sum(1) > 0)[:, None, None, None]
        return z + z.flip(1) * torch.where(rare, 1.0, 1e-3)

    x = images(16, SIZE)
    answer = ask(graph_with(vanishing), x, 4)
    z = operands(x)[0]
    rare = z.reshape(16, -1).sum(1) > 0
    check(answer, 0, z, z[..., ::-1] * np.where(rare, 1, 1e-3)[:, None, None])


def test_half_precision_rounds_the_network_not_the_ratio():
    graph, x = graph_of("vit"), images(3)
    layer = graph.by_name["blocks.0"]
    seen = {}
    for dtype in (torch.float32, torch.bfloat16):
        look = functools.partial(lambda dtype, operation: seen.update({dtype: Skip(True).see(operation)}), dtype)
        run(graph, x, [(layer, "before", look)], dtype)
    assert {rows.dtype for rows in seen.values()} == {torch.float64}
    torch.testing.assert_close(seen[torch.bfloat16], seen[torch.float32], rtol=0.05, atol=0.02)
    assert not torch.equal(seen[torch.bfloat16], seen[torch.float32])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_no_number_is_refused_by_name(value):
    graph, x = graph_with(plain), images(10, SIZE)
    x[7, 0, 0, 0] = value
    bound = SkipRatio("net").bind(Models({"net": graph}))
    with pytest.raises(RunError) as error:
        fold(bound.needs(), batches({"net": graph}, x, 5))
    assert str(error.value) == (
        "the operands of add hold NaN or infinity. Look at the images and the weights; half precision overflows above "
        "65504 (run with --dtype float32). Met in batch 1: images image 5 ... image 9."
    )


def test_all_of_it_is_one_forward():
    graph = graph_of("vit")
    bound = SkipRatio("net").bind(Models({"net": graph}))
    batch = Batch(0, {"net": graph}, images(4))
    fold(bound.needs(), [batch])
    assert batch.forwards == ["net"] and len({t for s in bound.needs() for t in s.taps}) == 4


def test_residuals_are_asked_by_name():
    x = images(4)
    some = ask(graph_of("vit"), x, layers=("blocks.1", "net:blocks.0.add"))
    assert some.residual.values.tolist() == ["net:blocks.0.add", "net:blocks.1.add", "net:blocks.1"]
    whole = ask(graph_of("vit"), x)
    np.testing.assert_array_equal(some.ratio, whole.ratio[[0, 2, 3]])
    with pytest.raises(StudyError, match=r"^net:blocks\.5 matches no residual addition of net\. Closest: blocks\."):
        ask(graph_of("vit"), x, layers="blocks.5")
    plain_graph = Graph.of(nn.Sequential(nn.Conv2d(3, 4, 3)), SIZE, "net")
    with pytest.raises(StudyError, match=r"^net has no residual additions: no skip meets a branch in it\."):
        ask(plain_graph, x)


def test_a_model_of_another_name_asks_the_same_question():
    graph = graph_with(plain)
    digests = {
        digest(SkipRatio(name, (f"{name}:**",)).bind(Models({name: graph})), {name: "1f"}) for name in ("net", "other")
    }
    assert len(digests) == 1


def test_an_answer_found_under_another_name_keeps_its_kinds():
    answer = seealike.answer(SkipRatio("mlp"), {"mlp": module_of("vit")}, images(16), batch=8)
    today = renamed(answer, ("vit",))
    assert today.residual.values.tolist() == [f"vit:blocks.{i}{x}" for i in (0, 1) for x in (".add", "")]
    assert today.kind.values.tolist() == ["attention", "mlp"] * 2


def test_a_study_asks_it():
    table = {
        "models": {"vit": {"source": "zoo:vit"}},
        "images": {"scenes": {"source": "scenes:64"}},
        "ask": {"skip": {"measure": "skip_ratio", "model": "vit", "layers": ["blocks.*"]}},
    }
    assert study(table).ask["skip"].measure == SkipRatio("vit", ("blocks.*",))
    answer = seealike.answer(SkipRatio("a"), {"a": module_with(plain)}, images(16, SIZE), batch=4)
    assert answer.attrs["measure"] == "skip_ratio" and answer.attrs["meaning"].startswith("How far the skip outweighs")
    assert answer.residual.values.tolist() == ["a:add"] and (answer.ratio_se > 0).all()
