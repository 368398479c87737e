"""CKA of tokens with patches of the image, against brute force in float64 and against tokens that copy patches."""

import functools
import itertools

import numpy as np
import pytest
import torch
from brute import centred
from small import FAMILIES, batches, build, images, stirred, tensors
from torch import nn

import seealike
from seealike.errors import StudyError
from seealike.kernel import fold, read
from seealike.measures.localization import Localization
from seealike.models.graph import Graph
from seealike.plan.digest import digest
from seealike.selection import Models

SCALARS = ("own_patch", "own_patch_interior", "distance", "entropy")


@functools.cache
def graph_of(name):
    return Graph.of(build(name), FAMILIES[name].size, name)


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 5, 3, 2)
        self.block = nn.Sequential(nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.block(self.stem(x)).mean((2, 3)))


@functools.cache
def cnn():
    torch.manual_seed(0)
    return Graph.of(stirred(Convolutional()), (3, 18, 24), "cnn")  # maps of 6 x 8, then of 3 x 4


def ask(of, x, size, **question):
    bound = Localization(**question).bind(Models(of))
    return read(bound, bound.needs(), fold(bound.needs(), batches(of, x, size)))


def by_hand(parts, biased=False):
    """Tokens x patches; `parts`: for each batch its tokens and its patches, lists of images x features."""
    cross, own, others = 0, 0, 0
    for tokens, patches in parts:
        k, m = (torch.stack([centred(z, biased).flatten() for z in side]) for side in (tokens, patches))
        cross, own, others = cross + k @ m.T, own + k.square().sum(1), others + m.square().sum(1)
    return (cross / (own[:, None] * others).sqrt()).numpy()


def blocks(x, rows, columns):
    height, width = x.shape[2] // rows, x.shape[3] // columns
    return [
        x[:, :, r * height : (r + 1) * height, c * width : (c + 1) * width]
        for r, c in itertools.product(range(rows), range(columns))
    ]


def scalars(cka, rows, columns):
    """Token by token."""
    own, inside, apart, entropy = [], [], [], []
    for token, row in enumerate(cka):
        y, x = divmod(token, columns)
        best = max(range(len(row)), key=lambda p: row[p])
        own.append(best == token)
        if 0 < y < rows - 1 and 0 < x < columns - 1:
            inside.append(best == token)
        apart.append(((best // columns - y) ** 2 + (best % columns - x) ** 2) ** 0.5)
        positive = [v for v in row if v > 0]
        share = [v / sum(positive) for v in positive]
        entropy.append(-sum(s * np.log(s) for s in share) / np.log(len(row)))
    return [np.mean(values) for values in (own, inside, apart, entropy)]


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_a_vit_and_a_cnn_against_brute_force(estimator):
    cases = [
        ("vit", graph_of("vit"), "blocks.1", lambda t: t[:, 1:].unbind(1), (4, 4)),
        ("cnn", cnn(), "block.2", lambda t: t.flatten(2).unbind(2), (3, 4)),
        ("cnn", cnn(), "stem", lambda t: t.flatten(2).unbind(2), (6, 8)),
    ]
    for name, graph, layer, tokens, grid in cases:
        x = images(18, graph.size)
        parts = [(tokens(tensors(graph, p, [layer])[layer]), blocks(p, *grid)) for p in x.split(7)]
        expected = by_hand(parts, estimator == "biased")
        answer = ask({name: graph}, x, 7, model=name, layers=layer, estimator=estimator)
        assert answer.localization.dims == ("layer", "token", "y", "x")
        np.testing.assert_allclose(answer.localization[0], expected.reshape(-1, *grid), atol=1e-5)
        found = [float(answer[s][0]) for s in SCALARS]
        np.testing.assert_allclose(found, scalars(expected, *grid), rtol=1e-4)
        assert (int(answer.rows[0]), int(answer.columns[0])) == grid and answer.layer.values == [f"{name}:{layer}"]


def copying(patch, of=nn.Sequential):
    """A convolution whose every position holds the pixels of its own patch."""
    conv = nn.Conv2d(3, 3 * patch * patch, patch, patch, bias=False)
    conv.weight.data = torch.eye(3 * patch * patch).reshape(-1, 3, patch, patch)
    return of(conv).eval()


@pytest.mark.parametrize("size", [(3, 16, 16), (3, 12, 20)])
def test_tokens_that_copy_their_patch_are_where_they_are(size):
    of, x = {"net": Graph.of(copying(4), size, "net")}, images(60, size)
    answer = ask(of, x, 30, model="net", layers="0")
    count = len(answer.token)
    cka = answer.localization.values[0].reshape(count, count)
    np.testing.assert_allclose(np.diag(cka), 1, atol=1e-6)
    assert np.abs(cka[~np.eye(count, dtype=bool)]).max() < 0.2  # pixels are independent
    assert [float(answer[s][0]) for s in SCALARS[:3]] == [1, 1, 0] and 0 < float(answer.entropy[0]) < 0.8
    assert answer.attrs["notes"] == [next(n for n in answer.attrs["notes"] if n.startswith("no standard errors"))]


class Moved(nn.Module):
    """Each token copies the patch to the right of its own, the last of a row the first."""

    def __init__(self, patch, rows, columns):
        super().__init__()
        self.copy = copying(patch)
        shifted = torch.arange(rows * columns).reshape(rows, columns).roll(-1, 1).flatten()
        self.register_buffer("shift", torch.eye(rows * columns)[shifted])

    def forward(self, x):
        x = self.copy(x).flatten(2).mT
        return 0 * x + self.shift @ x


def test_tokens_that_copy_another_patch_are_at_its_distance():
    of = {"net": Graph.of(Moved(4, 3, 5).eval(), (3, 12, 20), "net")}
    answer = ask(of, images(60, (3, 12, 20)), 20, model="net", layers="add")
    assert [float(answer[s][0]) for s in SCALARS[:2]] == [0, 0]
    assert float(answer.distance[0]) == pytest.approx((4 * 1 + 4) / 5)


class Windowed(nn.Module):
    """As Swin does: patches moved round by one row and column, then cut into windows of 2 x 2."""

    def __init__(self):
        super().__init__()
        self.copy, self.scale = copying(4), nn.Linear(48, 48)
        self.scale.weight.data, self.scale.bias.data = 2 * torch.eye(48), torch.arange(48.0)

    def forward(self, x):
        x = self.copy(x).permute(0, 2, 3, 1).roll((-1, -1), (1, 2))
        return self.scale(x.unflatten(1, (2, 2)).unflatten(3, (2, 2)).transpose(2, 3).flatten(3, 4).reshape(-1, 4, 48))


def test_tokens_in_windows_are_where_their_patch_is():
    of, x = {"net": Graph.of(Windowed().eval(), (3, 16, 16), "net")}, images(40, (3, 16, 16))
    assert tensors(of["net"], x, ["scale"])["scale"].shape == (40, 4, 4, 48)
    answer = ask(of, x, 20, model="net", layers="scale")
    assert [float(answer[s][0]) for s in SCALARS[:3]] == [1, 1, 0]
    np.testing.assert_allclose(np.diag(answer.localization.values[0].reshape(16, 16)), 1, atol=1e-5)


def test_a_grid_that_does_not_divide_the_image():
    x = images(40, (3, 18, 13))
    of = {"net": Graph.of(copying(4), (3, 18, 13), "net")}  # 4 x 3 patches of 4 x 4 pixels
    answer = ask(of, x, 20, model="net", layers="0")
    assert answer.attrs["notes"][0] == (
        "net:0: its grid of 4 x 3 does not divide the image of 18 x 13 pixels: "
        "its patches are 4 x 4 pixels, in rows 0 to 15 and columns 0 to 11"
    )
    np.testing.assert_allclose(np.diag(answer.localization.values[0].reshape(12, 12)), 1, atol=1e-6)
    padded = Graph.of(stirred(nn.Sequential(nn.Conv2d(3, 4, 4, 4, 1))), (3, 18, 18), "net")  # 5 x 5 around the middle
    (one,) = Localization("net", "0").bind(Models({"net": padded})).bound
    assert (one.patches.grid, one.patches.size, one.patches.corner) == ((5, 5), (3, 3), (2, 2))


def test_what_is_the_same_for_all_images_is_undefined_and_said():
    x = images(40, (3, 16, 16))
    x[:, :, :4, :8] = images(1, (3, 4, 8), 1) / 3
    answer = ask({"net": Graph.of(copying(4), (3, 16, 16), "net")}, x, 20, model="net", layers="0")
    cka = answer.localization.values[0].reshape(16, 16)
    assert np.isnan(cka[:2]).all() and np.isnan(cka[:, :2]).all() and np.isfinite(cka[2:, 2:]).all()
    assert [float(answer[s][0]) for s in SCALARS[:3]] == [1, 1, 0] and np.isfinite(answer.entropy).all()
    assert answer.attrs["notes"][:2] == [
        "net:0: 2 of its 16 tokens are the same for all images: undefined",
        "net:input: 2 of its 16 patches are the same for all images: undefined",
    ]
    answer = ask({"net": Graph.of(copying(4), (3, 16, 16), "net")}, 0 * x + 0.3, 20, model="net", layers="0")
    assert all(np.isnan(answer[s]).all() for s in ("localization", *SCALARS))


def test_layers_of_several_grids_and_standard_errors():
    of = {"cnn": cnn()}
    answer = ask(of, images(64, (3, 18, 24)), 16, model="cnn", layers=("cnn:block", "stem"))
    assert answer.localization.shape == (2, 48, 6, 8) and answer.layer.values.tolist() == ["cnn:block.2", "cnn:stem"]
    assert np.isfinite(answer.localization[0, :12, :3, :4]).all() and answer.localization[0, 12:].isnull().all()
    assert answer.localization[0, :, 3:].isnull().all() and answer.localization[0, :, :, 4:].isnull().all()
    assert answer.rows.values.tolist() == [3, 6] and answer.columns.values.tolist() == [4, 8]
    assert float(answer.depth[0]) > float(answer.depth[1])
    assert (answer.localization_se[1] > 0).all() and all(np.isfinite(answer[f"{s}_se"]).all() for s in SCALARS)


def test_a_grid_that_is_all_border_has_no_interior():
    of = {"net": Graph.of(copying(8), (3, 16, 32), "net")}
    answer = ask(of, images(20, (3, 16, 32)), 5, model="net", layers="0")
    assert answer.own_patch_interior.isnull().all() and float(answer.own_patch[0]) == 1
    assert answer.attrs["notes"] == ["net:0: all its tokens are at the border, so own_patch_interior is undefined"]


@functools.cache
def residual():
    """Blocks of 32 x 32, 16 x 16 and 1 x 1 places, and what has no grid."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            return x + self.conv(x)

    stem, pool = nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1)
    net = nn.Sequential(stem, Block(), nn.MaxPool2d(2), Block(), pool, Block(), nn.Flatten(), nn.Linear(4, 5))
    return Graph.of(stirred(net), (3, 32, 32), "net")


def test_large_layers_are_left_out_unless_they_are_named():
    of = {"net": residual()}
    left = "left out, as they have more than 256 tokens and were not named: net:1"
    answer = ask(of, images(8), 8, model="net")
    assert answer.layer.values.tolist() == ["net:3"] and left in answer.attrs["notes"]
    for layers in ("@block", "net:@block", ("3", "@block")):
        assert [str(one.layer) for one in Localization("net", layers).bind(Models(of)).bound] == ["net:3"]
    both = Localization("net", ("@block", "1")).bind(Models(of))
    assert [str(one.layer) for one in both.bound] == ["net:3", "net:1"] and not both.left_out
    with pytest.raises(StudyError) as error:
        Localization("net", ("1.**", "0*")).bind(Models(of))
    assert str(error.value) == ("net:1.conv has more than 256 tokens: layers so large are seen if named one by one.")


class Half(nn.Module):
    """Patches of which one is dropped."""

    def __init__(self):
        super().__init__()
        self.patch, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8)

    def forward(self, x):
        return self.head(self.patch(x).flatten(2).mT[:, 1:])


@functools.cache
def odd():
    fine = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Upsample(scale_factor=2), nn.ReLU())
    return {"half": Graph.of(Half(), (3, 16, 16), "half"), "fine": Graph.of(fine, (3, 8, 8), "fine")}


REFUSED = {
    "one position": ({"model": "net", "layers": "5"}, "net:5 cannot be seen so: it has a single position."),
    "a vector": ({"model": "vit", "layers": "head"}, "vit:head cannot be seen so: none of its positions stands"),
    "another model's": ({"model": "vit", "layers": "net:3"}, '"net:3" is a layer of net, but model = "vit".'),
    "no such model": ({"model": "vti"}, '"vti": there is no such model. Closest: vit.'),
    "no such layer": ({"model": "vit", "layers": "blocks.9"}, "vit:blocks.9 matches no layer of vit."),
    "no grid": ({"model": "half", "layers": "head"}, "half:head cannot be seen so: its positions form no full grid"),
    "no patch": ({"model": "fine", "layers": "1"}, "fine:1 cannot be seen so: its grid is finer than the pixels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_grid_is_refused_by_name(case):
    question, message = REFUSED[case]
    with pytest.raises(StudyError) as error:
        Localization(**question).bind(Models({"vit": graph_of("vit"), "net": residual(), **odd()}))
    assert str(error.value).startswith(message)


def test_several_models_are_asked_at_once():
    of = {"one": graph_of("vit"), "two": graph_of("vit"), "net": residual()}
    bound = Localization("*o*", "blocks.0").bind(Models({k: of[k] for k in ("one", "two")}))
    assert [str(one.layer) for one in bound.bound] == ["one:blocks.0", "two:blocks.0"]
    assert bound.model == "" and len(set(bound.needs())) == 2


def test_the_digest_is_that_of_what_is_asked():
    def of(model="vit", **question):
        models = {"vit": graph_of("vit"), "other": graph_of("vit")}
        return digest(Localization(model, **question).bind(Models(models)), {"vit": "1f", "other": "1f"})

    assert of() == of("other") == of(layers=("blocks.0", "vit:blocks.1")) == of(layers="blocks.*")
    assert len({of(), of(layers="blocks.0"), of(estimator="biased")}) == 3


def test_in_one_line():
    answer = seealike.answer(Localization("net"), {"net": build("vit")}, images(40), batch=8)
    assert answer.localization.dims == answer.localization_se.dims == ("layer", "token", "y", "x")
    assert answer.sizes == {"layer": 2, "token": 16, "y": 4, "x": 4} and answer.attrs["measure"] == "localization"
    assert ((answer.localization <= 1) & (answer.localization >= -1)).all()
