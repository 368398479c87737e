"""Paths of networks: planted ones, the numbers of the measure whose distances they are of, and what is refused."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from small import batches, images, stirred
from torch import nn

import seealike
from seealike.errors import StudyError
from seealike.kernel import fold, read
from seealike.maths import paths
from seealike.maths.distances import DISTANCES, distance
from seealike.measures import MEASURES
from seealike.measures.trajectory import Trajectory
from seealike.models.graph import Graph
from seealike.plan.digest import digest
from seealike.selection import Models
from seealike.study.toml import study

SIZE = (3, 8, 8)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x):
        return x + torch.relu(self.conv(x))


def net(blocks, seed=0):
    torch.manual_seed(seed)
    return stirred(nn.Sequential(nn.Conv2d(3, 6, 2, 2), *(Block() for _ in range(blocks))), seed)


@functools.cache
def graph_of(name, blocks, seed=0):
    return Graph.of(net(blocks, seed), SIZE, name)


def models():
    return {"vit": graph_of("vit", 5), "cnn": graph_of("cnn", 3, 1)}


def ask(of, measure, x, size=6):
    bound = measure.bind(Models(of))
    return read(bound, bound.needs(), fold(bound.needs(), batches(of, x, size)))


class Scaled(nn.Module):
    """Every number of an image times its own."""

    def __init__(self, by):
        super().__init__()
        self.by = nn.Parameter(by)

    def forward(self, x):
        return x * self.by


def circle(steps, half):
    """A network whose layers are sqrt(cos t) of one half of the image and sqrt(sin t) of the other, t up to 90 degrees.

    Gram matrices add, so its layers lie on the great circle between the Grams of the halves.
    """
    t = torch.linspace(1e-3, np.pi / 2 - 1e-3, steps + 1)
    weights = torch.stack([t.cos(), t.sin()], 1).sqrt()
    ratio = torch.cat([weights[:1], weights[1:] / weights[:-1]])
    return nn.Sequential(*(Scaled(r.repeat_interleave(half)[:, None, None]) for r in ratio)).eval()


@pytest.mark.parametrize("steps", [8, 64])
def test_a_great_circle_is_found_whatever_its_number_of_layers(steps):
    half = 24
    of = {"circle": Graph.of(circle(steps, half), (2 * half, 1, 1), "circle")}
    found = ask(of, Trajectory(layers="*"), images(128, (2 * half, 1, 1)), 32)
    quarter = np.pi / 2
    assert float(found.length[0]) == pytest.approx(quarter, rel=0.05)
    assert float(found.straightness[0]) == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(found.structure[0], quarter * found.lag, rtol=0.05)
    np.testing.assert_allclose(found.turning[1:-1], 0, atol=0.5)
    np.testing.assert_allclose(found.from_input[[0, -1]], quarter / 2, rtol=0.1)  # the image itself is half way
    assert float(found.unevenness[0]) < 1.15 and found.structure_work.isnull().all()  # it multiplies no matrices


OPTIONS = {
    "cka": {"estimator": "biased", "view": "mean"},
    "imbalance": {"k": 3, "subset": 48},
    "mutual_knn": {"k": 4, "metric": "cosine", "subset": 48},
    "procrustes": {"width": 4, "view": "2x2", "subset": 48},
    "rsa": {"metric": "euclidean", "subset": 24, "subsets": 2},
}


@pytest.mark.parametrize("name", DISTANCES)
def test_the_distances_are_those_of_the_measure_asked_alone(name):
    of, x = models(), images(48, SIZE)
    found = ask(of, Trajectory(distance=name, lags=(0.5, 1.0), **OPTIONS[name]), x, 12)
    alone = ask(of, MEASURES[name](layers=("vit:@block", "cnn:@block"), **OPTIONS[name]), x, 12)
    assert found.layer.values.tolist() == alone.layer_a.values.tolist() == found.layer_a.values.tolist()
    np.testing.assert_allclose(found.distance, distance(name, alone), atol=1e-7)
    assert (np.diag(found.distance) == 0).all() and found.attrs["distance"] == name
    vit = found.distance.values[:5, :5]
    np.testing.assert_array_equal(
        found.step, [*np.diag(vit, 1), np.nan, *np.diag(found.distance.values[5:, 5:], 1), np.nan]
    )
    np.testing.assert_array_equal(found.to_output[:5], vit[:, -1])
    assert float(found.length[0]) == pytest.approx(np.diag(vit, 1).sum())
    assert float(found.straightness[0]) == pytest.approx(vit[0, -1] / np.diag(vit, 1).sum())
    expected = (vit[0, 2] + vit[1, 3] + vit[2, 4]) / 3
    np.testing.assert_allclose(found.structure[0], [expected, vit[0, -1]])
    input_too = ask(of, MEASURES[name](a="vit:input", b="vit:@block", **OPTIONS[name]), x, 12)
    np.testing.assert_allclose(found.from_input[:5], distance(name, input_too)[0], atol=1e-7)


def test_every_number_has_an_error_and_each_layer_its_depth():
    of = models()
    found = ask(of, Trajectory(lags=(0.5,)), images(64, SIZE), 4)
    for name in ("length", "straightness", "unevenness", "gini", "total_turning", "structure", "structure_work"):
        assert (found[f"{name}_se"] > 0).all(), name
    for name in ("step", "turning", "from_input", "to_output"):
        errors = found[f"{name}_se"].values[found[name].notnull().values]
        assert np.isfinite(errors).all() and (errors > 0).sum() >= len(errors) - 2, name
    np.testing.assert_allclose(found.depth, [0, 0.25, 0.5, 0.75, 1, 0, 0.5, 1])
    work = [Models(of).work("vit", f"{i}") for i in range(1, 6)]
    np.testing.assert_array_equal(found.work[:5], work)
    d = found.distance.values[:5, :5]
    assert float(found.structure_work[0, 0]) == paths.structure(d, np.array(work), 0.5)
    assert found["map"].dims == ("layer", "axis") and "map_se" not in found
    near = np.linalg.norm(found["map"].values[:, None] - found["map"].values, axis=2)
    assert np.corrcoef(near.ravel(), found.distance.values.ravel())[0, 1] > 0.7
    total = found.turning[:5].sum()
    assert float(found.total_turning[0]) == pytest.approx(float(total)) and found.turning.attrs["units"] == "degree"


def test_a_network_and_its_twin_are_nowhere_apart():
    of = {"one": graph_of("one", 3), "two": graph_of("two", 3)}
    found = ask(of, Trajectory(distance="mutual_knn", k=3, subset=32, lags=(0.5,)), images(32, SIZE))
    np.testing.assert_array_equal(found.distance[:3, :3], found.distance[:3, 3:])
    assert (np.diag(found.distance[:3, 3:]) == 0).all()


def test_patterns_of_one_model_are_its_own_and_run_in_the_order_of_the_network():
    found = ask(models(), Trajectory("*", ("vit:5", "vit:1", "vit:0", "cnn:@block"), lags=(0.5,)), images(24, SIZE))
    assert found.layer.values.tolist() == ["vit:0", "vit:1", "vit:5", "cnn:1", "cnn:2", "cnn:3"]
    assert ask(models(), Trajectory("vit", lags=(0.25,)), images(24, SIZE)).model.values.tolist() == ["vit"]


def test_what_cannot_be_told_is_undefined_and_said():
    silent = net(3, 2)
    with torch.no_grad():
        silent[0].weight.zero_()
    of = {"vit": graph_of("vit", 5), "silent": Graph.of(silent, SIZE, "silent")}
    found = ask(of, Trajectory(lags=(0.5,), layers=("0", "@block")), images(24, SIZE))
    assert found.attrs["notes"][0].startswith("silent:0 is the same for all images")
    assert found["map"][found.layer.str.startswith("silent")].isnull().all()
    assert found.length.isnull().values.tolist() == [False, True]
    assert found["map"][:6].notnull().all()
    fine = ask(models(), Trajectory("vit", lags=(0.25, 1.0)), images(24, SIZE))
    said = "vit has steps of up to 0.191 of the work, 0.766 in all: structure_work is undefined for the lags 1"
    assert fine.attrs["notes"][-1] == said and fine.structure_work.isnull().values.tolist() == [[False, True]]


def test_an_input_that_has_no_such_view_is_said():
    class Token(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.cls = nn.Conv2d(3, 6, 4, 4), nn.Parameter(torch.randn(1, 1, 6))
            self.one, self.two = nn.Linear(6, 6), nn.Linear(6, 6)
            self.mix = nn.MultiheadAttention(6, 1, batch_first=True)

        def forward(self, x):
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1)
            x = self.mix(x, x, x, need_weights=False)[0]
            return self.two(torch.relu(self.one(x)))

    torch.manual_seed(0)
    of = {"net": Graph.of(stirred(Token()), SIZE, "net")}
    found = ask(of, Trajectory(view="cls", layers=("one", "two"), lags=(1.0,)), images(24, SIZE))
    assert found.from_input.isnull().all() and found.step[0] > 0
    assert "net:input cannot be seen as the layers are: from_input is undefined" in found.attrs["notes"]


REFUSED = {
    'distance = "ckaa" is no distance. Closest: cka.': {"distance": "ckaa"},
    "lags = [0.0]: write fractions of the depth, above 0 and up to 1.": {"lags": (0.0,)},
    "lags = []: write fractions of the depth, above 0 and up to 1.": {"lags": ()},
    "lags = [0.125, 0.5]: cnn has 3 layers here, so that a step is 0.5 of its depth, and nothing is known between. The "
    "smallest lag that works is 0.5, or select more layers.": {"lags": (0.125, 0.5)},
    "k = 5: cka has no k. It is of: imbalance, mutual_knn.": {"k": 5},
    'metric = "manhattan": There are: euclidean, cosine.': {"distance": "imbalance", "metric": "manhattan"},
    'models = "vitt": there is no such model. Closest: vit.': {"models": "vitt"},
    'layers = "mixer:@block": mixer is not among the models asked for, vit, cnn.': {"layers": "mixer:@block"},
    "layers = vit:@block: of cnn none is selected, and a path leads from layer to layer. Add others, for example "
    '"cnn:@block".': {"layers": "vit:@block"},
    "layers = 1: of vit only vit:1 is selected, and a path leads from layer to layer. Add others, for example "
    '"vit:@block".': {"layers": "1"},
    'view = "clss" is no view. Closest: cls': {"view": "clss"},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_no_path_is_refused_in_the_users_words(message):
    with pytest.raises(StudyError) as error:
        Trajectory(**REFUSED[message]).bind(Models(models()))
    assert str(error.value).startswith(message)


def test_a_question_is_the_same_however_it_is_written():
    of = Models(models())
    plain, written = (
        Trajectory(distance="rsa", lags=(0.5,), **m).bind(of) for m in ({}, {"subset": 1000, "view": "mean"})
    )
    assert digest(plain, {}) == digest(written, {}) != digest(replace(plain, lags=(1.0,)), {})
    assert plain.few == 1000 and Trajectory(distance="imbalance", subset=64).few == 64 and Trajectory().few is None


def test_a_study_asks_it():
    table = {
        "models": {"vit": {"source": "zoo:vit"}},
        "images": {"scenes": {"source": "scenes:64"}},
        "ask": {"path": {"measure": "trajectory", "lags": [0.25, 1.0], "distance": "procrustes", "width": 8}},
    }
    assert study(table).ask["path"].measure == Trajectory(distance="procrustes", width=8, lags=(0.25, 1.0))
    answer = seealike.answer(Trajectory(lags=(0.5,)), {"a": net(3)}, images(32, SIZE), batch=8)
    assert answer.attrs["question"]["distance"] == "cka" and list(answer.attrs["models"]) == ["a"]
