"""Readings without each group: those of all other groups merged from scratch, with few copies of rows."""

import weakref
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from small import Batch

from seealike.kernel import GROUPS, Measure, Tap, fold, reading
from seealike.statistics.average import Average
from seealike.statistics.labelled import Labelled
from seealike.statistics.moments import Moments
from seealike.statistics.rows import Rows
from seealike.statistics.subsets import Subsets

A, B, C = (Tap(name, "values") for name in "abc")


def cut(sizes, order):
    """Batches of one set of images, in any order."""
    x, starts = torch.randn(sum(sizes), 3, generator=torch.Generator().manual_seed(0)), np.cumsum([0, *sizes])
    parts = [
        Batch(k, {}, torch.zeros(n, 1), int(s), dict.fromkeys("abc", x[s : s + n]))
        for k, (n, s) in enumerate(zip(sizes, starts, strict=False))
    ]
    order.shuffle(parts)
    return parts


@dataclass(frozen=True)
class Told(Measure):
    """Everything that its statistics hold."""

    statistics: tuple = (Rows(A), Moments(A, B), Subsets(C, 2), Average(B))

    name, version, citation = "told", 1, "none"

    def bind(self, sources):
        return self

    def needs(self, *earlier):
        return self.statistics

    def read(self, *totals):
        each = {f"{key}_{i}": value for i, total in enumerate(totals) for key, value in total.items()}
        return xr.Dataset({k: ([f"{k}_{d}" for d in range(v.ndim)], v.numpy()) for k, v in each.items()})


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 5), min_size=4, max_size=40), order=st.randoms(use_true_random=False))
def test_a_leave_out_is_all_other_groups_merged_from_scratch(sizes, order):
    """Of what is joined and of what is added, asked for together."""
    measure = Told()
    totals = fold(measure.needs(), cut(sizes, order))
    found = reading(measure, measure.needs(), totals).left_out
    used = [g for g, group in enumerate(totals.groups) if group]
    assert len(found) == len(used) == min(GROUPS, len(sizes))
    for left_out, one in zip(used, found, strict=True):
        others = [g for g in used if g != left_out]
        order.shuffle(others)
        anew = [reduce(s.merge, [totals.groups[g][s] for g in others]) for s in measure.needs()]
        xr.testing.assert_allclose(one, measure.read(*anew), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("statistic", [Rows(A), Subsets(A, 2), Labelled(A, 30, 3), Average(A)])
def test_a_total_is_what_merging_one_after_the_other_gives(statistic):
    x, index, label = torch.randn(30, 3), torch.randperm(30), torch.arange(30) % 4 - 1
    shown = (part[: len(statistic.taps)] for part in zip(x.split(7), index.split(7), label.split(7), strict=True))
    states = [statistic.lift(*part) for part in shown]
    assert statistic.total(states[:1]) is states[0]
    total, merged = statistic.total(states), reduce(statistic.merge, states[::-1])
    assert total.keys() == merged.keys()
    for key, value in total.items():
        torch.testing.assert_close(value, merged[key], rtol=1e-12, atol=1e-12)


@dataclass
class Count:
    """How many rows there are at a time, at most."""

    now: int = 0
    most: int = 0

    def note(self, state):
        self.move(len(state["rows"]))
        weakref.finalize(state["rows"], self.move, -len(state["rows"]))
        return state

    def move(self, rows):
        self.now += rows
        self.most = max(self.most, self.now)


@dataclass(frozen=True)
class Counted(Rows):
    count: Count = field(compare=False)

    def lift(self, *seen):
        return self.count.note(Rows.lift(self, *seen))

    def merge(self, a, b):
        return self.count.note(Rows.merge(self, a, b))

    def total(self, states):
        return self.count.note(Rows.total(self, states))


@dataclass(frozen=True)
class Means(Told):
    """Keeps nothing of the rows."""

    def read(self, *totals):
        return xr.Dataset({"mean": ("tap", np.array([total["rows"].mean() for total in totals]))})


def test_rows_are_there_twice_at_most_in_their_groups_and_in_the_total_that_is_read():
    count, images = Count(), 5 * GROUPS
    measure = Means(tuple(Counted(tap, count) for tap in (A, B, C)))
    totals = fold(measure.needs(), [Batch(k, {}, torch.zeros(5, 1), 5 * k, rows()) for k in range(GROUPS)])
    assert count.now == 3 * images
    found = reading(measure, measure.needs(), totals)
    assert len(found.left_out) == GROUPS and count.now == 3 * images
    assert count.most == 2 * 3 * images


def rows():
    return {name: torch.randn(5, 3) for name in "abc"}
