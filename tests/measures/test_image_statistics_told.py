"""What layers tell of image statistics: against scikit-learn and brute force, planted answers, exact limits."""

import functools

import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import seealike
from seealike.errors import RunError, StudyError
from seealike.images.preprocessing import plain
from seealike.images.sources import Images, open_images
from seealike.kernel import Selected
from seealike.maths.decoding import PENALTIES
from seealike.maths.holdout import fold
from seealike.maths.image_statistics import STATISTICS
from seealike.measures.image_statistics import FOLDS, ImageStatistics
from seealike.models.graph import Graph
from seealike.selection import Models

K = 5
SCENES = 64


def brute_ridge(x, s, index, seed=0):
    said, part = np.full(len(s), np.nan), fold(torch.as_tensor(index), seed, FOLDS).numpy()
    for one in range(FOLDS):
        fit = part != one
        alphas = [p * fit.sum() for p in PENALTIES]
        if (~fit).any():
            said[~fit] = make_pipeline(StandardScaler(), RidgeCV(alphas)).fit(x[fit], s[fit]).predict(x[~fit])
    return r2_score(s, said)


def brute_knn(x, s, k=K):
    others = KNeighborsRegressor(k, algorithm="brute").fit(x, s)
    return r2_score(s, others.predict(None))  # of each image among the others


def brute_imbalance(x, s, k=K):
    """Image by image; of equal distances the mean of the ranks."""
    n, ranks = len(x), []
    for i in range(n):
        others = np.arange(n) != i
        away = np.abs(s - s[i]) if s.ndim == 1 else np.sqrt(np.square(s - s[i]).sum(1))
        near = np.square(x - x[i]).sum(1)
        for j in [j for j in np.argsort(near) if j != i][:k]:
            ranks.append(np.sum(away[others] < away[j]) + (np.sum(away[others] == away[j]) + 1) / 2)
    return (2 * np.mean(ranks) - (k + 1)) / (n - 1 - k)


def read(layers, statistics, k=10, index=None):
    """The answer of these features and numbers, without a network."""
    n = len(next(iter(layers.values())))
    index = torch.arange(n) if index is None else index
    bound = tuple(Selected("net", name, 0.5) for name in layers)
    widths = tuple(x.shape[1] for x in layers.values())
    recorded = tuple(statistics)
    measure = ImageStatistics("", (), (), k=k, bound=bound, numbers=widths, recorded=recorded)
    columns = [torch.as_tensor(s).float()[:, None] for s in statistics.values()]
    rows = [*(torch.as_tensor(x).float() for x in layers.values()), *columns]
    return measure.read(*({"index": index, "subset": torch.zeros(n), "rows": x} for x in rows))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 4, 4), nn.Conv2d(6, 120, 3, 2)

    def forward(self, x):
        return self.second(self.first(x).relu()).relu()


@functools.cache
def net():
    torch.manual_seed(0)
    return Net().eval()


ASKED = ("luminance", "octave_*", "images:hue", "images:clutter")
NAMES = ["luminance", *(f"octave_{n}" for n in (2, 4, 8, 16)), "images:hue", "images:clutter"]


def scenes_of(number) -> Images:
    found = open_images(f"scenes:{number}")
    assert isinstance(found, Images)
    return found


@functools.cache
def answer() -> xr.Dataset:
    measure = ImageStatistics("net", ("input", "first", "second"), ASKED, k=K, seed=2)
    return seealike.answer(measure, {"net": net()}, f"scenes:{SCENES}")


@functools.cache
def by_hand() -> tuple[dict, dict]:
    """Layers and statistics of the same scenes, of the eager network, in float64."""
    scenes = scenes_of(SCENES)
    pixels = torch.from_numpy(np.stack([np.asarray(scenes.item(i)[0]) for i in range(SCENES)]) / 255).movedim(-1, 1)
    with torch.no_grad():
        first = net().double().first(pixels)
        second = net().second(first.relu())
    net().float()
    layers = {"input": pixels, "first": first, "second": second}
    statistics = {name: STATISTICS[name](pixels).numpy() for name in NAMES[:5]}
    factors = {n: np.array([scenes.factor(i, n.removeprefix("images:")) for i in range(SCENES)]) for n in NAMES[5:]}
    return {n: x.mean((2, 3)).numpy() for n, x in layers.items()}, statistics | factors


def test_it_is_what_scikit_learn_and_brute_force_say():
    """`second` has more features than images."""
    found, (layers, statistics) = answer(), by_hand()
    assert found.r2_ridge.dims == ("layer", "statistic") and found.imbalance_all.dims == ("layer",)
    assert found.statistic.values.tolist() == NAMES and found.images_together == SCENES
    assert found.layer.values.tolist() == ["net:input", "net:first", "net:second"]
    for i, x in enumerate(layers.values()):
        for j, s in enumerate(statistics.values()):
            told = [float(found[v][i, j]) for v in ("r2_ridge", "r2_knn", "imbalance")]
            expected = [brute_ridge(x, s, np.arange(SCENES), seed=2), brute_knn(x, s), brute_imbalance(x, s)]
            np.testing.assert_allclose(told, expected, atol=2e-4)  # the network runs in float32
        together = StandardScaler().fit_transform(np.stack(list(statistics.values()), 1))
        assert float(found.imbalance_all[i]) == pytest.approx(brute_imbalance(x, together), abs=2e-4)


def test_the_colour_that_a_network_sees_is_there_and_recorded_factors_are_found():
    """The mean of each colour tells the luminance exactly."""
    found = answer()
    assert found.r2_ridge.sel(layer="net:input", statistic="luminance") > 1 - 1e-6
    assert found.r2_knn.sel(layer="net:input", statistic="luminance") > 0.9
    asked = ImageStatistics("net", "input", "images:*", view="4x4", seed=1)
    factors = seealike.answer(asked, {"net": net()}, "scenes:200").r2_ridge[0]
    assert list(factors.statistic.values) == [f"images:{name}" for name in scenes_of(1).factors]
    assert factors.sel(statistic="images:luminance") > 0.5 and abs(factors.sel(statistic="images:contrast")) < 0.2


@pytest.mark.parametrize("d", [40, 260])
def test_numbers_alone_are_exact(d):
    rng = np.random.default_rng(d)
    x = rng.normal(size=(150, d)).astype(np.float32)
    s = {"told": x[:, 0] - x[:, 1], "half": x[:, 2] + rng.normal(size=150), "levels": rng.integers(0, 4, 150)}
    index = torch.from_numpy(rng.permutation(1000)[:150]).sort().values
    found = read({"x": x}, s, K, index)
    for j, numbers in enumerate(np.float32(one) for one in s.values()):
        assert float(found.r2_ridge[0, j]) == pytest.approx(brute_ridge(np.float64(x), numbers, index), abs=1e-6)
        assert float(found.r2_knn[0, j]) == pytest.approx(brute_knn(x, numbers), abs=1e-6)
        assert float(found.imbalance[0, j]) == pytest.approx(brute_imbalance(x, numbers), abs=1e-12)


def test_v2_what_moved_to_little_variance_is_found_by_r2_where_imbalance_misses_it():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(1000, 384)) / np.sqrt(np.arange(1, 385))
    turned = hidden @ np.linalg.qr(rng.normal(size=(384, 384)))[0]
    found = read({"x": turned}, {"luminance": hidden[:, 9]}, k=1)
    assert found.r2_ridge > 0.95 and found.imbalance > 0.6
    assert read({"x": turned}, {"luminance": hidden[:, 9]}, k=10).imbalance > 0.6


def test_a_layer_that_is_the_statistic_tells_it_all():
    s = np.random.default_rng(0).normal(size=500)
    found = read({"same": s[:, None], "scaled": -7 * s[:, None] + 3}, {"s": s})
    np.testing.assert_allclose(found.r2_ridge, 1, atol=1e-9)
    assert (found.r2_knn > 0.99).all() and abs(found.imbalance[0, 0]) < 1e-12 and abs(found.imbalance_all[0]) < 1e-9
    np.testing.assert_allclose(found.imbalance, 0, atol=1e-3)  # rounded otherwise


def test_v3_noise_tells_nothing_and_ties_do_not_look_like_knowledge():
    rng = np.random.default_rng(0)
    layers = {f"{i}": rng.normal(size=(500, 20)) for i in range(20)}
    found = read(layers, {"s": rng.normal(size=500), "levels": rng.integers(0, 5, 500)})
    spread = found.imbalance.std("layer", ddof=1) / np.sqrt(20)
    assert (abs(found.imbalance.mean("layer") - 1) < 3 * spread).all() and (spread < 0.01).all()
    assert (abs(found.r2_ridge) < 0.05).all() and (found.r2_ridge.mean("layer") < 0.01).all()
    assert (found.r2_knn.mean("layer") < -0.05).all(), "the mean of ten is a worse guess than the mean of all"
    assert abs(found.imbalance_all - 1).max() < 0.1


def test_standard_errors_are_about_right():
    """Against the spread over fresh images."""
    rng = np.random.default_rng(1)
    mixing, told = rng.normal(size=(8, 8)), rng.normal(size=8)

    def fresh():
        x = rng.normal(size=(160, 8))
        return x @ mixing, x @ told + 2 * rng.normal(size=160)

    names = ("r2_ridge", "r2_knn", "imbalance")
    repeats = [read({"x": x}, {"s": s}) for x, s in (fresh() for _ in range(30))]
    spread = {n: np.std(each(repeats, n), ddof=1) for n in names}
    found = []
    for _ in range(4):
        x, s = fresh()
        left = [read({"x": x[o]}, {"s": s[o]}, index=torch.from_numpy(o)) for o in leave_outs(160)]
        found.append({n: np.sqrt(15 / 16 * np.sum(np.square(v - v.mean()))) for n in names for v in [each(left, n)]})
    for n in names:
        assert 0.7 < np.mean([one[n] for one in found]) / spread[n] < 1.5, n
    kept = answer()
    for n in (*names, "imbalance_all"):
        assert np.isfinite(kept[f"{n}_se"]).all() and (kept[f"{n}_se"] < 0.5).all()


def leave_outs(n, groups=16):
    return [np.flatnonzero(np.arange(n) * groups // n != g) for g in range(groups)]


def each(answers, name):
    return np.array([one[name].item() for one in answers])


def test_what_is_the_same_for_all_images_is_undefined_and_said():
    rng = np.random.default_rng(0)
    x, s = rng.normal(size=(64, 4)), rng.normal(size=64)
    found = read({"x": x, "cls": np.full((64, 3), 0.1)}, {"s": s, "grey": np.full(64, 0.3)})
    assert found.sel(statistic="images:grey").drop_vars("imbalance_all").to_array().isnull().all()
    assert found.r2_knn.sel(layer="net:cls").isnull().all() and found.imbalance.sel(layer="net:cls").isnull().all()
    assert found.imbalance_all.isnull().values.tolist() == [False, True]
    assert abs(found.r2_ridge[1, 0]) < 0.1 and found.r2_ridge[0].isnull().values.tolist() == [False, True]
    assert found.notes == [
        "net:cls is the same for all images: no image is near another",
        "images:grey is the same for all images: there is nothing to tell of it",
    ]
    nothing = read({"x": x}, {"grey": np.full(64, 0.3)})
    assert all(nothing[name].isnull().all() for name in nothing)
    alone = read({"x": x}, {"s": s})
    for name in ("r2_ridge", "r2_knn", "imbalance", "imbalance_all"):
        assert float(alone[name].values.flat[0]) == float(found[name].values.flat[0])


def models(images) -> Models:
    return Models({"net": Graph.of(net(), (3, 32, 32), "net")}, images, {"net": plain(32)})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"k": 0}, r"^k = 0: write 1 to 1000, half of subset = 2000\.$"),
        ({"subset": 20, "k": 3}, r"^subset = 20: at least 32 images must be looked at together\.$"),
        ({"view": "men"}, r'^view = "men" is no view\.'),
    ],
)
def test_keys_that_make_no_sense(keys, words):
    with pytest.raises(StudyError, match=words):
        ImageStatistics("net", **keys)


@pytest.mark.parametrize(
    ("statistics", "words"),
    [
        (
            "hue",
            r'^statistics: there is no "hue"\. There are: luminance, .*\(14 in all\)\. '
            r'What is recorded of the images is written "images:hue"\.$',
        ),
        ("octave", r'there is no "octave"\. Closest: octave_'),
        (
            "images:label",
            r'^statistics: "images:label" is a mere number of a class or an image\. Ask probe for classes\.$',
        ),
        ("images:index", r'^statistics: "images:index" is a mere number'),
        ("images:hew", r"^images:hew: these images have no factor 'hew'\. Closest: hue\.$"),
        ((), r'^statistics = \[\]: name one or more, such as "luminance", or leave it out for all\.$'),
    ],
)
def test_statistics_that_are_none(statistics, words):
    with pytest.raises(StudyError, match=words):
        ImageStatistics("net", "first", statistics).bind(models(scenes_of(100)))


def test_too_few_images_and_unknown_colours():
    few = Models({}, None, taken={None: tuple(range(39))})
    with pytest.raises(StudyError, match=r"^image_statistics with k = 20 needs at least 40 images: there are 39\.$"):
        ImageStatistics("net", k=20).bind(few)
    with pytest.raises(RunError, match=r"^image_statistics: k = 10 nearest images are asked for among 11\."):
        read({"x": np.eye(11)}, {"s": np.arange(11)})
    with pytest.raises(StudyError, match=r"^net: what brought its input from colours in \[0, 1\] is unknown"):
        seealike.answer(ImageStatistics("net", "first"), {"net": net()}, torch.rand(64, 3, 32, 32))
    recorded = ImageStatistics("net", "first", "images:hue").bind(models(scenes_of(100)))
    assert recorded.colours is None and [str(s.tap) for s in recorded.needs()] == ["net:first", "images:hue"]
