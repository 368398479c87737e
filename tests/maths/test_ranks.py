"""Ranks of neighbours against DADApy, brute force and exact limits; the traps of imbalance as numbers."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seealike.maths import ranks as module
from seealike.maths.ranks import mean_ranks, neighbours, overlaps, ranks, rescaled

STORED = json.loads((Path(__file__).parent / "dadapy.json").read_text())  # made by bench/dadapy_values.py


def generator(seed=0):
    return np.random.default_rng(seed)


def tensor(x):
    x = torch.as_tensor(np.asarray(x))
    return x[:, None] if x.ndim == 1 else x


def imbalance(a, b, k=1, metric="euclidean"):
    """Rescaled, from a to b."""
    near, other = (neighbours(tensor(x), k, metric) for x in (a, b))
    return float(rescaled(mean_ranks([near], other), k, len(near.rows))[0])


def shared(a, b, k=10):
    return float(overlaps([neighbours(tensor(a), k)], [neighbours(tensor(b), k)])[0, 0])


def distances(x):
    """Squared, from differences; exact for whole numbers."""
    d = ((x[:, None] - x[None]) ** 2).sum(-1).astype(float)
    np.fill_diagonal(d, -1)
    return d


def ranks_by_counting(x):
    """Rank of each image for each: those nearer, and the middle of those as near."""
    d = distances(x)
    nearer = (d[:, None, :] < d[:, :, None]).sum(-1)
    return nearer + ((d[:, None, :] == d[:, :, None]).sum(-1) - 1) / 2


def chances_by_counting(x, k):
    """With which probability each image is among the k nearest of each, equal distances in any order."""
    d = distances(x)
    found = np.zeros(d.shape)
    for row, out in zip(d, found, strict=True):
        last = np.sort(row)[k]
        out[(row < last) & (row >= 0)] = 1
        out[row == last] = (k - out.sum()) / (row == last).sum()
    return found


def dense(near):
    table = torch.zeros(len(near.rows), len(near.rows), dtype=torch.float64)
    return table.scatter_add_(1, near.columns, near.weights.double()).numpy()


def stored_pair(seed, n, p, q, noise, mean):
    numbers = np.random.RandomState(seed)
    a = numbers.standard_normal((n, p)) * numbers.standard_normal(p)
    b = a @ numbers.standard_normal((p, q)) + noise * numbers.standard_normal((n, q))
    return a, b + mean


@pytest.mark.parametrize("case", STORED["cases"])
@pytest.mark.parametrize("k", [1, 5, 10])
def test_the_values_of_dadapy(case, k):
    a, b = (torch.from_numpy(x) for x in stored_pair(*STORED["cases"][case]))
    near, other = neighbours(a, k), neighbours(b, k)
    found = [2 / len(a) * float(mean_ranks([x], y)[0]) for x, y in ((near, other), (other, near))]
    np.testing.assert_allclose(found, STORED["values"][case][str(k)], rtol=0, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(9, 30),
    k=st.integers(1, 6),
    levels=st.integers(2, 8),
    number=st.sampled_from([np.float32, np.float64]),
    room=st.sampled_from([1, 100, 1 << 20]),
)
def test_counting_with_many_equal_distances(seed, n, k, levels, number, room):
    """Exactly, in both precisions, whole numbers far from zero, and however the images are cut into blocks."""
    g = generator(seed)
    a, b = (g.integers(0, levels, (n, p)) for p in (1, 3))
    if (a == a[0]).all() or (b == b[0]).all():
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", room)
        near, other = neighbours(tensor(a.astype(number)), k), neighbours(tensor((b + 50).astype(number)), k)
        chances = [chances_by_counting(x, k) for x in (a, b)]
        np.testing.assert_allclose(dense(near), chances[0], atol=1e-6)
        at = near.columns.numpy()
        np.testing.assert_array_equal(ranks(near, other), np.take_along_axis(ranks_by_counting(b), at, 1))
        mean = (chances[0] * ranks_by_counting(b)).sum() / (n * k)
        np.testing.assert_allclose(mean_ranks([other, near], other)[1], mean, rtol=1e-6)
        expected = [[(p * q).sum() / (n * k) for q in (chances[1], chances[0])] for p in chances]
        np.testing.assert_allclose(overlaps([near, other], [other, near]), expected, rtol=1e-5)


def test_the_mean_over_random_orders_of_what_is_equal():
    """Many draws, ties broken by chance in each layer apart, as the definition says, average to it."""
    g = generator(1)
    a = np.round(g.normal(size=(60, 1)) * 2)
    b = np.round(a[:, 0] + g.normal(size=60))
    drawn = []
    for _ in range(300):
        orders = [np.lexsort((g.random((60, 60)), distances(x.reshape(60, 1)))) for x in (a, b)]
        drawn.append(2 * (np.argsort(orders[1], 1)[np.arange(60), orders[0][:, 1]].mean() - 1) / 58)
    assert abs(np.mean(drawn) - imbalance(a, b)) <= 3 * np.std(drawn) / 300**0.5
    assert np.std(drawn) > 0.01


def test_an_image_twice_is_first_of_itself():
    """Equal rows are exactly equally far, at any place of the matrix, and none is before the image itself."""
    for n, p, number in ((203, 64, np.float32), (101, 37, np.float64)):
        rows = generator(2).normal(size=(n, p)).astype(number)
        rows[n // 3 :] = rows[: n - n // 3].copy()
        near = neighbours(tensor(rows), 1)
        same = (rows[:, None] == rows[None]).all(-1)
        there = dense(near) > 0
        others = same.sum(1) > 1
        assert others.sum() > n // 2 and not there.diagonal().any()
        assert (there[others] == (same & ~np.eye(n, dtype=bool))[others]).all()
        # of c - 1 equal others each is on average the (c / 2)th
        np.testing.assert_array_equal(ranks(near, near)[others, 0], same.sum(1)[others] / 2)


def test_shift_scale_and_rotation_change_nothing():
    g = generator(3)
    a, b = g.normal(size=(80, 6)), g.normal(size=(80, 6))
    b = a + b
    turned = 0.01 * b @ np.linalg.qr(g.normal(size=(6, 6)))[0] + 1000
    for k in (1, 4):
        near, one, other = (neighbours(tensor(x), k) for x in (a, b, turned))
        np.testing.assert_array_equal(ranks(near, one), ranks(near, other))
        np.testing.assert_array_equal(dense(one), dense(other))
    scaled = b * np.array([1, 1, 1, 1, 1, 30])
    assert abs(imbalance(a, scaled) - imbalance(a, b)) > 0.1  # units are not rescaled one by one


def test_a_mean_of_a_thousand_spreads_costs_no_accuracy():
    rows = torch.from_numpy(generator(4).normal(size=(200, 30))).float()
    far = rows + 1000
    near = neighbours(far.double(), 1)
    float32 = ranks(near, neighbours(far, 1))
    assert (float32 != ranks(near, near)).float().mean() <= 0.005
    naive = far @ far.T
    naive = (naive.diagonal() - 2 * naive).fill_diagonal_(-torch.inf).argsort(1)[:, 1]
    assert (naive != near.columns[:, 0]).float().mean() > 0.05  # what the centre is for


def test_cosine_is_the_angle():
    g = generator(5)
    a = g.normal(size=(50, 4)) + 2
    unit = a / np.linalg.norm(a, axis=1, keepdims=True)
    angle = -unit @ unit.T
    np.fill_diagonal(angle, -2)
    near = neighbours(tensor(a), 3, "cosine")
    np.testing.assert_array_equal(near.columns, angle.argsort(1)[:, 1:4])
    stretched = neighbours(tensor(a * g.uniform(0.1, 10, (50, 1))), 3, "cosine")
    np.testing.assert_array_equal(near.columns, stretched.columns)
    assert (neighbours(tensor(a), 3).columns != near.columns).any()
    a[:2] = 0
    assert not neighbours(tensor(a), 3, "cosine").constant


def test_what_is_the_same_for_all_images_is_undefined():
    same, one = torch.full((9, 4), 0.1), torch.from_numpy(generator(6).normal(size=(9, 4)))
    for k in (1, 3):
        layers = [neighbours(same, k), neighbours(one, k)]
        assert [x.constant for x in layers] == [True, False]
        assert mean_ranks(layers, layers[0]).isnan().all()
        assert mean_ranks(layers, layers[1]).isnan().tolist() == [True, False]
        assert overlaps(layers, layers).isnan().tolist() == [[True, True], [True, False]]
        assert float(overlaps(layers, layers)[1, 1]) == 1


# V0 to V4 of what is known of these measures: the traps, as numbers.


def unrelated(g):
    return neighbours(tensor(g.normal(size=(500, 3))), 1)


def test_identical_is_nothing_and_unrelated_is_one():
    g, ks = generator(0), (1, 5, 10)
    drawn = []
    for _ in range(60):
        near = [neighbours(tensor(g.normal(size=(500, 4))), k) for k in ks]
        drawn.append((2 * mean_ranks(near, unrelated(g)).numpy() - np.add(ks, 1)) / np.subtract(499, ks))
    assert (np.abs(np.mean(drawn, 0) - 1) <= 3 * np.std(drawn, 0, ddof=1) / 60**0.5).all()
    assert (np.std(drawn, 0) > 0.005).all() and (np.std(drawn, 0) < 0.05).all()
    for k, same in zip(ks, near, strict=True):
        assert (
            float(mean_ranks([same], same)[0]) == (k + 1) / 2 and float(rescaled(mean_ranks([same], same), k, 500)) == 0
        )


def path(steps, n=300):
    """A smooth path of features, looked at after each of `steps` equal steps."""
    g = generator(7)
    parts, turns = g.normal(size=(6, n, 3)), g.uniform(0, 2 * np.pi, 6)
    return [
        sum(np.cos(2 * u * (j + 1) / 2 + turns[j]) * parts[j] for j in range(6)) for u in np.linspace(0, 1, steps + 1)
    ]


def test_steps_depend_on_how_densely_a_path_is_tapped():
    """Not a matter of smoothness: the same path, at 8, 16 and 32 taps. At equal fractional lag it is the same."""
    step, length, lag = [], [], []
    for steps in (8, 16, 32):
        taps = [neighbours(tensor(x), 10) for x in path(steps)]
        step.append(np.mean([_rescaled(a, b) for a, b in itertools.pairwise(taps)]))
        length.append(sum(1 - float(overlaps([a], [b])) for a, b in itertools.pairwise(taps)))
        lag.append(np.mean([_rescaled(a, b) for a, b in zip(taps, taps[steps // 8 :], strict=False)]))
    assert step[0] > 2 * step[1] > 4 * step[2]
    assert 8 * step[0] > 16 * step[1] > 32 * step[2]  # so no length
    assert length[0] < length[1] < length[2]
    np.testing.assert_allclose(lag, lag[-1], rtol=0.1)


def test_one_less_the_overlap_keeps_the_triangle_and_imbalance_does_not():
    taps = [neighbours(tensor(x), 10) for x in path(8)]
    apart = 1 - overlaps(taps, taps).numpy()
    one_way = np.array([[_rescaled(a, b) for b in taps] for a in taps])
    broken = [(d[:, None, :] > d[:, :, None] + d[None] + 1e-12).sum() for d in (apart, (one_way + one_way.T) / 2)]
    assert broken[0] == 0 and broken[1] > 20


def _rescaled(a, b):
    return float(rescaled(mean_ranks([a], b), 10, len(a.rows))[0])


def test_imbalance_to_a_number_is_not_whether_it_can_be_read():
    """One coordinate of an isotropic cloud can be read without error, and is lost among many to imbalance."""
    x = generator(8).normal(size=(1000, 384))
    found = [imbalance(x[:, :width], x[:, 0]) for width in (2, 5, 10, 50, 384)]
    np.testing.assert_allclose(found, [0.05, 0.28, 0.48, 0.78, 0.88], atol=0.09)
    assert found == sorted(found)
    spectrum = x / np.arange(1, 385) ** 0.5
    hidden = [imbalance(spectrum, spectrum[:, at - 1]) for at in (1, 10, 50)]
    np.testing.assert_allclose(hidden, [0.33, 0.74, 0.97], atol=0.12)


def test_a_statistic_of_few_levels_is_unrelated_too():
    g = generator(9)
    levels = g.integers(0, 5, (60, 300))
    drawn = [imbalance(g.normal(size=(300, 2)), x.astype(float)) for x in levels]
    assert abs(np.mean(drawn) - 1) <= 3 * np.std(drawn, ddof=1) / 60**0.5
    least = [((abs(x[:, None] - x) < abs(np.roll(x, 1) - x)[:, None]).sum(1) + 1).mean() * 2 / 300 for x in levels]
    assert np.mean(least) < 0.8  # with the least of the tied ranks


@pytest.mark.parametrize("width", [64, 1024, 4096])
def test_width_alone_makes_nothing_alike(width):
    g = generator(10)
    a, b = (g.normal(size=(400, width)).astype(np.float32) for _ in range(2))
    assert abs(imbalance(a, b, 10) - 1) < 0.05
    assert abs(shared(a, b) - 10 / 399) < 0.01
