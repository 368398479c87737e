"""Planted paths whose length, turns and structure function are known; what sampling changes and what it does not."""

import numpy as np
import pytest
import torch
import xarray as xr

from seealike.maths import paths
from seealike.maths.distances import angle, bounded, distance
from seealike.maths.hsic import cka_from_products, inner_products, packed, u_centred
from seealike.maths.mapping import flat
from seealike.maths.ranks import mean_ranks, neighbours

TAPS = (8, 16, 32, 64)
LAGS = (0.125, 0.25, 0.4, 0.5, 1.0)


def apart(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points, axis=2)


def angular(points: np.ndarray) -> np.ndarray:
    """The angles of rows from each other."""
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    return angle(unit @ unit.T)


@pytest.mark.parametrize("taps", TAPS)
def test_a_great_circle_is_straight_even_and_as_long_as_its_angle(taps):
    t = np.linspace(0.3, 1.5, taps + 1)
    found = angular(np.stack([np.cos(t), np.sin(t), 0 * t], 1))
    assert paths.length(found) == pytest.approx(1.2) and paths.straightness(found) == pytest.approx(1)
    # an angle of nearly 0 has half the digits of its cosine
    np.testing.assert_allclose(paths.turning(found, spherical=True)[1:-1], 0, atol=1e-2)
    assert paths.unevenness(paths.steps(found)) == pytest.approx(1) and paths.gini(paths.steps(found)) < 1e-6
    u = np.linspace(0, 1, taps + 1)
    for lag in LAGS:
        assert paths.structure(found, u, lag) == pytest.approx(1.2 * lag, rel=1e-6)


@pytest.mark.parametrize("taps", TAPS)
def test_a_brownian_path_has_its_structure_function(taps):
    rng = np.random.default_rng(taps)
    walk = np.cumsum(rng.normal(size=(taps + 1, 3000)), 0) / np.sqrt(3000 * taps)
    found, u = apart(walk), np.linspace(0, 1, taps + 1)
    assert paths.length(found) == pytest.approx(taps**0.5, rel=0.05)
    assert paths.straightness(found) == pytest.approx(taps**-0.5, rel=0.05)
    for lag in LAGS:
        assert paths.structure(found, u, lag) == pytest.approx(lag**0.5, rel=0.05)
    np.testing.assert_allclose(paths.turning(found, spherical=False)[1:-1].mean(), 90, atol=2)


def test_independent_points_turn_by_a_right_angle_on_the_sphere_of_cka():
    """V5 of the research page: 90 degrees, not the 120 of a random equilateral triangle in the plane."""
    x = torch.randn(12, 80, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grams = [packed(u_centred(one @ one.T)) for one in x]
    products = inner_products(grams, grams)
    own = products.diagonal()
    found = angle(cka_from_products(products, own, own).numpy())
    assert np.degrees(found[~np.eye(12, dtype=bool)]).mean() == pytest.approx(90, abs=1)
    assert np.nanmean(paths.turning(found, spherical=True)) == pytest.approx(90, abs=2)
    assert np.nanmean(paths.turning(found, spherical=False)) == pytest.approx(120, abs=2)


def test_imbalance_steps_depend_on_how_densely_one_taps_and_the_structure_function_does_not():
    """V1: one smooth path, sampled more and more densely."""
    rng, k, n = np.random.default_rng(1), 10, 120
    ways = rng.normal(size=(4, n, 12))
    steps, lagged = [], []
    for taps in (8, 24):
        at = np.linspace(0, 1, taps + 1)
        waves = np.stack([np.cos(np.pi * at), np.sin(np.pi * at), np.cos(2 * at), np.sin(2 * at)], 1)
        near = [neighbours(torch.from_numpy(np.tensordot(w, ways, 1)), k) for w in waves]
        ranks = torch.stack([mean_ranks(near, other) for other in near]).numpy()
        rescaled = (2 * ranks - (k + 1)) / (n - 1 - k)
        found = (rescaled + rescaled.T) / 2
        steps.append(paths.steps(found).mean())
        lagged.append(paths.structure(found, at, 1 / 8))
    assert steps[0] > 5 * steps[1]
    assert lagged[1] == pytest.approx(lagged[0], rel=0.25)


def test_turning_is_the_angle_between_tangents():
    """On the sphere exactly, in the plane for the plane's distances: against the tangents themselves."""
    points = np.random.default_rng(2).normal(size=(3, 5))
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    a, b, c = unit
    tangents = [to - (to @ b) * b for to in (a, c)]
    inside = np.degrees(np.arccos(tangents[0] @ tangents[1] / np.prod([np.linalg.norm(t) for t in tangents])))
    assert paths.turning(angular(points), spherical=True)[1] == pytest.approx(180 - inside)
    one, two = points[1] - points[0], points[2] - points[1]
    turn = np.degrees(np.arccos(one @ two / np.linalg.norm(one) / np.linalg.norm(two)))
    assert paths.turning(apart(points), spherical=False)[1] == pytest.approx(turn)


def test_where_no_triangle_has_the_sides_there_is_no_angle():
    found = np.array([[0, 1, 5, 0], [1, 0, 1, 1], [5, 1, 0, 0], [0, 1, 0, 0.0]])
    np.testing.assert_array_equal(paths.turning(found, spherical=False), [np.nan] * 4)
    assert np.isnan(paths.turning(np.zeros((2, 2)), spherical=True)).all()
    assert np.isnan(bounded(np.array([1.001]))).all()
    still = np.zeros((3, 3))
    assert all(np.isnan(x) for x in (paths.straightness(still), paths.unevenness(np.zeros(2)), paths.gini(np.zeros(2))))


def test_layers_count_by_the_depth_they_stand_for():
    """A path at twice the speed in its second half, tapped four times as densely there."""
    at = np.concatenate([np.linspace(0, 0.5, 5)[:-1], np.linspace(0.5, 1, 17)])
    place = np.where(at < 0.5, at, 2 * at - 0.5)
    u = np.linspace(0, 0.875, 2000)
    where = lambda u: np.where(u < 0.5, u, 2 * u - 0.5)  # noqa: E731
    expected = (where(u + 0.125) - where(u)).mean()
    found = paths.structure(np.abs(place[:, None] - place), at, 0.125)
    assert found == pytest.approx(expected, rel=0.02)
    assert np.diff(place).mean() < 0.6 * expected


@pytest.mark.parametrize("lag", [0.1, 0.95])
def test_a_lag_below_a_step_or_beyond_the_path_is_undefined(lag):
    at = np.array([0.1, 0.3, 0.4, 1.0])
    assert np.isnan(paths.structure(np.ones((4, 4)), at, lag)) and paths.structure(np.ones((4, 4)), at, 0.6) == 1
    assert np.isnan(paths.structure(np.ones((4, 4)), at * np.nan, 0.6))


def test_each_distance_is_that_of_its_answer():
    one = {"layer_a": ["m:a", "m:b"], "layer_b": ["m:a", "m:b"]}
    x = np.array([[1 + 1e-13, -0.5], [-0.5, np.nan]])
    values = ("cka", "rsa", "procrustes", "mutual_knn", "imbalance_rescaled", "imbalance_rescaled_reverse")
    answer = xr.Dataset(dict.fromkeys(values, (("layer_a", "layer_b"), x)), one)
    answer["imbalance_rescaled_reverse"] = answer.imbalance_rescaled_reverse + 1
    expected = {"cka": 2 * np.pi / 3, "rsa": 2 * np.pi / 3, "procrustes": -0.5, "mutual_knn": 1.5, "imbalance": 0.0}
    for name, off in expected.items():
        np.testing.assert_allclose(distance(name, answer), [[0, off], [off, np.nan]])


def test_the_map_keeps_distances_and_leaves_out_what_has_none():
    points = np.random.default_rng(3).normal(size=(9, 2))
    found = apart(points)
    holed = np.full((10, 10), np.nan)
    rest = np.delete(np.arange(10), 4)
    holed[np.ix_(rest, rest)] = found
    places = flat(holed)
    assert np.isnan(places[4]).all() and (places[0] <= 0).all()
    np.testing.assert_allclose(apart(places[rest]), found, atol=1e-2)
    np.testing.assert_array_equal(flat(holed), places)
    assert np.isnan(flat(np.full((3, 3), np.nan))).all()
