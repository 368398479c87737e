"""Standard errors from readings that leave one group out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seealike.maths.jackknife import jackknife


def groups_of(sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=n) for n in sizes]


def readings(groups, read):
    whole = read(np.concatenate(groups))
    return whole, [read(np.concatenate(groups[:j] + groups[j + 1 :])) for j in range(len(groups))]


def curved(x):
    """Nothing linear in the sums."""
    return np.array([x.mean(), np.exp(x.mean()) / np.sqrt((x**2).mean())])


def brute_force(whole, left_out, sizes):
    """Busing, Meijer & van der Leeden 1999, eq. 7, term by term."""
    n, g = sum(sizes), len(sizes)
    mean = g * whole - sum((1 - m / n) * t for m, t in zip(sizes, left_out, strict=True))
    total = 0.0
    for m, t in zip(sizes, left_out, strict=True):
        h = n / m
        total += (h * whole - (h - 1) * t - mean) ** 2 / (h - 1)
    return np.sqrt(total / g)


@settings(max_examples=40, deadline=None)
@given(g=st.integers(2, 16), m=st.integers(1, 9), seed=st.integers(0, 999))
def test_equal_groups_give_the_textbook_formula(g, m, seed):
    whole, left_out = readings(groups_of([m] * g, seed), curved)
    spread = np.stack(left_out) - np.mean(left_out, 0)
    expected = np.sqrt((g - 1) / g * (spread**2).sum(0))
    np.testing.assert_allclose(jackknife(whole, left_out, [m] * g), expected, rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 20), min_size=2, max_size=16), seed=st.integers(0, 999))
def test_unequal_groups_give_the_weighted_formula(sizes, seed):
    whole, left_out = readings(groups_of(sizes, seed), curved)
    np.testing.assert_allclose(jackknife(whole, left_out, sizes), brute_force(whole, left_out, sizes), rtol=1e-6)


def test_single_images_give_the_standard_error_of_the_mean():
    x = np.random.default_rng(0).normal(size=40)
    whole, left_out = readings([x[i : i + 1] for i in range(40)], lambda part: np.array(part.mean()))
    assert float(jackknife(whole, left_out, [1] * 40)) == pytest.approx(x.std(ddof=1) / 40**0.5, rel=1e-12)


def test_it_is_the_spread_over_fresh_images():
    rng = np.random.default_rng(1)
    sizes = [10] * 15 + [4]
    drawn = [readings([rng.normal(1, 1, size=n) for n in sizes], curved) for _ in range(400)]
    spread = np.std([whole for whole, _ in drawn], axis=0, ddof=1)
    errors = np.sqrt(np.mean([jackknife(*one, sizes) ** 2 for one in drawn], axis=0))
    np.testing.assert_allclose(errors, spread, rtol=0.15)


def test_any_shape_and_nan_where_a_reading_has_none():
    whole = np.array([[1.0, np.nan], [2.0, 3.0]])
    left_out = [whole + d for d in (0.1, -0.1, 0.0)]
    errors = jackknife(whole, left_out, [1, 1, 1])
    assert errors.shape == (2, 2) and np.isnan(errors[0, 1]) and np.isfinite(errors).sum() == 3
