"""The one loop: what is asked twice is computed once, what was used is let go, every reading has its error."""

import gc
import weakref
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from small import Batch

from seealike.errors import RunError
from seealike.kernel import FEWEST_GROUPS, GROUPS, IMAGES, Measure, Sum, Tap, Trial, fold, lift, read, reading
from seealike.maths.jackknife import jackknife
from seealike.models.graph import Graph
from seealike.statistics.average import Average, mean
from seealike.statistics.moments import Moments
from seealike.statistics.rows import Rows

A, B, C = (Tap(name, "values") for name in "abc")


def features(n, p=3, seed=0):
    return torch.randn(n, p, generator=torch.Generator().manual_seed(seed))


def batch(n, index=0, first=0, **values):
    given = values or {"a": features(n, 3, index), "b": features(n, 4, index + 50)}
    return Batch(index, {}, torch.zeros(n, 1), first, given)


def cut(sizes, seed=0):
    """Batches of one set of images; `a` and `b` are two sources."""
    x, y = features(sum(sizes), 3, seed), features(sum(sizes), 4, seed + 1)
    starts = np.cumsum([0, *sizes])
    return (x, y), [
        batch(n, k, int(s), a=x[s : s + n], b=y[s : s + n]) for k, (n, s) in enumerate(zip(sizes, starts, strict=False))
    ]


@dataclass(frozen=True)
class Ratio(Measure):
    """Nothing linear: the mean of `a` over its mean square, feature by feature, and one number."""

    name, version, citation = "ratio", 1, "none"

    def bind(self, sources):
        return self

    def needs(self):
        return (Moments(A, A), Average(A))

    def read(self, *totals):
        moments, average = totals
        square = torch.diagonal(moments["xy"]) / moments["count"]
        value = (mean(average) / square).numpy()
        return xr.Dataset({"ratio": ("feature", value), "largest": ((), np.array(value.max()))})


def ratio(x):
    x = x.double()
    return (x.mean(0) / (x**2).mean(0)).numpy()


def answer(batches):
    measure = Ratio()
    return read(measure, measure.needs(), fold(measure.needs(), batches))


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 7), min_size=1, max_size=40), order=st.randoms(use_true_random=False))
def test_any_cut_and_any_order_of_batches_give_one_answer(sizes, order):
    (x, _), batches = cut(sizes)
    order.shuffle(batches)
    found = answer(batches)
    np.testing.assert_allclose(found.ratio, ratio(x), rtol=1e-9)
    assert found.attrs["images_seen"] == sum(sizes)


def groups(x, sizes):
    """Images by group: batch k is in group k mod 16."""
    of = np.repeat(np.arange(len(sizes)) % GROUPS, sizes)
    return [np.flatnonzero(of == g) for g in range(min(GROUPS, len(sizes)))]


def without(x, members):
    kept = np.setdiff1d(np.arange(len(x)), members)
    return ratio(x[torch.from_numpy(kept)])


@pytest.mark.parametrize("sizes", [[5] * 4, [5] * 16, [6] * 15 + [2], [3] * 37, [4, 4, 4, 4, 1]])
def test_errors_are_read_with_each_group_left_out(sizes):
    (x, _), batches = cut(sizes)
    found = answer(batches)
    members = groups(x, sizes)
    m = np.array([len(g) for g in members])[:, None]
    n, count = len(x), len(members)
    left_out = np.stack([without(x, g) for g in members])
    whole = ratio(x)
    centre = count * whole - ((1 - m / n) * left_out).sum(0)
    pseudo = n / m * whole - (n / m - 1) * left_out
    expected = np.sqrt(((pseudo - centre) ** 2 / (n / m - 1)).mean(0))
    np.testing.assert_allclose(found.ratio_se, expected, rtol=1e-6)
    assert found.ratio_se.dims == ("feature",) and found.ratio_se.attrs["long_name"] == "standard error of ratio"
    assert found.largest_se.dims == () and float(found.largest_se) > 0
    assert "notes" not in found.attrs


def test_errors_of_equal_groups_are_the_textbook_jackknife():
    sizes = [5] * 8
    (x, _), batches = cut(sizes)
    left_out = np.stack([without(x, g) for g in groups(x, sizes)])
    expected = np.sqrt(7 / 8 * ((left_out - left_out.mean(0)) ** 2).sum(0))
    np.testing.assert_allclose(answer(batches).ratio_se, expected, rtol=1e-9)


@pytest.mark.parametrize("count", range(1, FEWEST_GROUPS))
def test_too_few_groups_have_no_error_and_say_so(count):
    (x, _), batches = cut([6] * count)
    found = answer(batches)
    np.testing.assert_allclose(found.ratio, ratio(x), rtol=1e-9)
    assert np.isnan(found.ratio_se).all() and np.isnan(found.largest_se)
    (note,) = found.attrs["notes"]
    assert note == f"no standard errors: {count} batches, at least 4 are needed"


def test_the_same_groups_however_the_batches_arrive():
    _, batches = cut([3] * 20)
    forward, backward = answer(batches), answer(batches[::-1])
    xr.testing.assert_allclose(forward, backward, rtol=1e-9)


@dataclass(frozen=True)
class Watched(Sum):
    """Counts how often it is lifted; what it saw is noted, not kept."""

    taps: tuple[Tap, ...]
    log: list = field(compare=False, hash=False)

    def lift(self, *seen):
        self.log.append((self, [weakref.ref(s) for s in seen]))
        return {"sum": sum(s.sum() for s in seen)}


def test_a_statistic_is_lifted_as_soon_as_its_last_tap_was_seen_and_its_taps_are_let_go():
    log, events = [], []
    first, both, last = Watched((A,), log), Watched((A, B), log), Watched((C, B), log)

    class InTurn(Batch):
        def show(self, taps, receive):
            assert list(taps) == [A, B, C]
            for tap in (A, B, C):
                value = torch.ones(2)
                alive = weakref.ref(value)
                receive(tap, value)
                del value
                gc.collect()
                events.append((tap, [s for s, _ in log], alive() is not None))

    parts = lift([first, both, last], InTurn(0, {}, torch.zeros(1, 1)))
    assert events == [
        (A, [first], True),  # `both` waits for B
        (B, [first, both], True),  # `last` waits for C
        (C, [first, both, last], False),
    ]
    assert all(ref() is None for _, refs in log for ref in refs)
    assert set(parts) == {first, both, last}


def test_equal_statistics_and_taps_are_computed_once():
    log = []
    shown = []

    class Counting(Batch):
        def show(self, taps, receive):
            shown.extend(taps)
            super().show(shown, receive)

    made = Counting(0, {}, torch.zeros(4, 1), 0, {"a": features(4), "b": features(4)})
    equal = [Watched((A, B), log) for _ in range(3)]
    parts = lift([*equal, Average(A), Average(Tap("a", "values"))], made)
    assert len(log) == 1 and shown == [A, B] and len(parts) == 2


def test_a_tap_given_twice_is_seen_twice_by_its_statistic():
    x = features(5)
    (part,) = lift([Moments(A, A)], batch(5, a=x)).values()
    torch.testing.assert_close(part["xy"], x.double().T @ x.double())


def test_the_images_own_tensors_are_a_source():
    (x, _), batches = cut([3, 4, 2])
    totals = fold([Rows(A)], batches[::-1])
    group = totals.groups[0][Rows(A)]
    assert group["index"].tolist() == [0, 1, 2] and torch.equal(group["rows"], x[:3])
    assert [sum(images.values()) for images in totals.images[:4]] == [3, 4, 2, 0]
    assert Rows(A).taps[1].source == IMAGES


def test_a_failure_names_the_batch_and_its_images():
    class Fails(Sum):
        taps = (A,)

        def lift(self, *seen):
            raise RunError("a:values holds NaN.")

    with pytest.raises(RunError, match=r"^a:values holds NaN\. Met in batch 3: images image 8 \.\.\. image 9\.$"):
        lift([Fails()], batch(2, 3, 8, a=features(2)))


def test_folding_nothing_and_totals_are_not_shared():
    (_, _), batches = cut([4])
    one, other = fold([Average(A)], batches), fold([Average(A)], [])
    assert list(one.images[0].values()) == [4] and other.images == other.groups == [{}] * GROUPS


@dataclass(frozen=True)
class Brightness(Trial):
    """Drives the model itself: the sum of its output."""

    source: str
    grouped = True

    def run(self, given):
        assert given.indices.tolist() == list(range(3 * given.index, 3 * given.index + len(given.images)))
        return {"sum": given.graph.module(given.images).sum().double()}


def test_a_trial_is_given_the_graph_and_the_images_of_each_batch():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3)).eval()
    graph, x = Graph.of(net, (3, 8, 8)), torch.randn(7, 3, 8, 8)
    parts = [Batch(k, {"net": graph}, part, 3 * k) for k, part in enumerate(x.split(3))]
    with torch.no_grad():
        totals = fold([Brightness("net"), Brightness("net")], parts)
        expected = net(x).sum()
    found = sum(group[Brightness("net")]["sum"] for group in totals.groups if group)
    torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-4)
    assert parts[0].forwards == []


@dataclass(frozen=True)
class Large(Average):
    """Kept once, not in groups, and added to in place."""

    grouped = False

    def add(self, total, part):
        for key in total:
            total[key] += part[key]
        return total


def test_a_statistic_that_is_not_grouped_is_kept_once_and_has_no_error():
    @dataclass(frozen=True)
    class Mean(Ratio):
        def needs(self):
            return (Large(A),)

        def read(self, *totals):
            return xr.Dataset({"mean": ("feature", mean(totals[0]).numpy())})

    (x, _), batches = cut([5] * 20)
    totals = fold(Mean().needs(), batches)
    assert [len(group) for group in totals.groups] == [1] + [0] * (GROUPS - 1)
    found = reading(Mean(), Mean().needs(), totals)
    np.testing.assert_allclose(found.answer["mean"], x.double().mean(0), rtol=1e-9)
    assert found.left_out == () and found.leave_outs is None and np.isnan(found.answer.mean_se).all()
    assert "notes" not in found.answer.attrs


def test_readings_without_each_group_are_kept_in_the_order_of_the_groups():
    sizes = [5] * 15 + [3]
    (x, _), batches = cut(sizes)
    found = reading(Ratio(), Ratio().needs(), fold(Ratio().needs(), batches))
    kept = found.leave_outs
    assert kept is not None and kept.ratio.dims == ("group", "feature") and kept.images.values.tolist() == sizes
    np.testing.assert_allclose(kept.ratio, np.stack([without(x, g) for g in groups(x, sizes)]), rtol=1e-9)
    error = jackknife(found.answer.ratio.values, list(kept.ratio.values), sizes)
    np.testing.assert_allclose(found.answer.ratio_se, error)


def test_large_variables_and_words_have_no_readings_without_groups():
    @dataclass(frozen=True)
    class Wide(Ratio):
        def read(self, *totals):
            return super().read(*totals).assign(wide=("y", np.zeros(1 << 17)), verdict=((), "same"))

    _, batches = cut([5] * 8)
    found = reading(Wide(), Wide().needs(), fold(Wide().needs(), batches))
    assert set(found.leave_outs.variables) == {"ratio", "largest", "images"}
    assert "verdict_se" not in found.answer and "wide_se" in found.answer
