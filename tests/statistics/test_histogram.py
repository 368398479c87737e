"""Histograms: the laws of merging, which bin a value falls into, and medians against numpy's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seealike import laws
from seealike.kernel import Tap
from seealike.statistics.histogram import Bins, Histogram, middle

OCTAVES = Bins(-12 * np.log(2), 12 * np.log(2), 192)
A = Tap("model", "a")


def histogram(features, bins=OCTAVES):
    return Histogram(A, bins, value=1, known=2, features=features)


def shown(values, known=None):
    """As a view shows them: images x rows x features, the values in row 1 and where they are known in row 2."""
    known = torch.ones_like(values) if known is None else known.to(values)
    return torch.stack([torch.full_like(values, torch.nan), values, known], 1)


def medians(values, known=None, bins=OCTAVES):
    return middle(histogram(values.shape[1], bins).lift(shown(values, known)), bins)


def lognormal(n, features, spread, seed):
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(n, features, generator=generator).double() + torch.linspace(-3, 3, features)


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=3, max_size=6), seed=st.integers(0, 99))
def test_no_cut_and_no_order_changes_it(sizes, seed):
    values = lognormal(sum(sizes), 4, 4.0, seed)
    rows = shown(values, values.remainder(1) > 0.2)
    laws.check(histogram(4), [(part,) for part in rows.split(sizes)], images=True)


def test_adding_in_place_is_merging():
    statistic = histogram(2)
    a, b = (statistic.lift(shown(lognormal(9, 2, 1.0, seed))) for seed in (0, 1))
    merged = statistic.merge(a, b)
    assert torch.equal(statistic.add(a, b)["counts"], merged["counts"]) and int(merged["counts"].sum()) == 36


def test_a_state_does_not_grow_with_the_images():
    one, many = (histogram(7).lift(shown(lognormal(n, 7, 1.0, 0)))["counts"] for n in (1, 500))
    assert one.shape == many.shape == (7, 194) and one.dtype == many.dtype == torch.int32
    assert one.numel() * one.element_size() == histogram(7).bytes


def test_every_value_falls_into_the_bin_that_holds_it():
    bins = Bins(-1.0, 2.0, 6)
    values = torch.linspace(-2, 3, 101, dtype=torch.float64)
    edges = np.array([-np.inf, -1, -0.5, 0, 0.5, 1, 1.5, 2, np.inf])
    assert bins.of(values).tolist() == (np.searchsorted(edges, values.numpy(), side="right") - 1).tolist()
    infinite = torch.tensor([-torch.inf, torch.inf], dtype=torch.float64)
    assert bins.of(infinite).tolist() == [0, 7]


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 60), spread=st.sampled_from([0.05, 0.5, 2.0]), seed=st.integers(0, 999))
def test_the_median_is_numpys_to_the_width_of_a_bin(n, spread, seed):
    values = lognormal(n, 5, spread, seed)
    found = medians(values).exp().mean(0).numpy()
    octaves = np.log2(found / np.median(values.exp().numpy(), axis=0))
    assert (abs(octaves) < 1 / 8).all()


def test_the_median_of_many_is_far_better_than_its_bin():
    values = lognormal(2001, 5, 1.0, 3)
    octaves = np.log2(medians(values).exp().mean(0).numpy() / np.median(values.exp().numpy(), axis=0))
    assert (abs(octaves) < 1 / 60).all()


def test_of_an_even_number_both_middle_values_count():
    far = torch.tensor([[-4.0], [-4.0], [4.0], [4.0]], dtype=torch.float64)
    low, high = medians(far)[:, 0].tolist()
    assert low == pytest.approx(-4, abs=OCTAVES.width) and high == pytest.approx(4, abs=OCTAVES.width)
    assert medians(far[:3])[:, 0].tolist() == pytest.approx([-4, -4], abs=OCTAVES.width)


def test_what_is_not_known_is_not_counted():
    values = torch.tensor([[0.0, 5.0], [torch.nan, 5.0], [9.0, 5.0], [0.0, 5.0]], dtype=torch.float64)
    known = torch.tensor([[1, 0], [0, 0], [0, 0], [1, 0]])
    counts = histogram(2).lift(shown(values, known))["counts"]
    assert counts.sum(1).tolist() == [2, 0]
    found = medians(values, known)
    assert found[:, 0].tolist() == pytest.approx([0, 0], abs=OCTAVES.width) and found[:, 1].isnan().all()


def test_medians_beyond_the_bins_are_not_told():
    values = torch.tensor([[-20.0, 20.0, -20.0, -20.0], [-20.0, 20.0, 0.0, 0.0], [-20.0, 20.0, 20.0, 0.0]]).double()
    found = medians(values)
    assert found.isnan().all(0).tolist() == [True, True, False, False]
    lower, upper = medians(values[:2])[:, 2].tolist()
    assert np.isnan(lower) and upper == pytest.approx(0, abs=OCTAVES.width)
