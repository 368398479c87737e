"""Every statistic keeps the laws of merging, for any cut of the images and any order."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seealike import laws
from seealike.kernel import IMAGES, Statistic, Sum, Tap
from seealike.maths.gram import gram
from seealike.statistics.average import Average, mean
from seealike.statistics.hsic import HSIC
from seealike.statistics.moments import Moments, covariance
from seealike.statistics.rows import INDEX, Rows

A, B, C = (Tap("model", name) for name in "abc")


def features(n, p=5, seed=0):
    return torch.randn(n, p, generator=torch.Generator().manual_seed(seed))


@st.composite
def cuts(draw, smallest=1, most=6):
    """Sizes of three batches or more."""
    return draw(st.lists(st.integers(smallest, 9), min_size=3, max_size=most))


@settings(max_examples=25, deadline=None)
@given(sizes=cuts(), seed=st.integers(0, 99))
def test_average_moments_and_rows_do_not_depend_on_the_cut(sizes, seed):
    x, y = features(sum(sizes), seed=seed), features(sum(sizes), 3, seed + 1)
    index = torch.randperm(sum(sizes), generator=torch.Generator().manual_seed(seed))
    laws.check(Average(A), [(part,) for part in x.split(sizes)], images=True)
    laws.check(Moments(A, B), list(zip(x.split(sizes), y.split(sizes), strict=True)), images=True)
    laws.check(Rows(A), list(zip(x.split(sizes), index.split(sizes), strict=True)), images=True)


@settings(max_examples=25, deadline=None)
@given(sizes=cuts(), estimator=st.sampled_from(["unbiased", "biased"]), seed=st.integers(0, 99))
def test_hsic_adds_up_over_batches_in_any_order(sizes, estimator, seed):
    """Also with batches too small for it, which add nothing."""
    layers = [features(sum(sizes), p, seed + p) for p in (2, 7, 4)]
    batches = [tuple(gram(part) for part in parts) for parts in zip(*(x.split(sizes) for x in layers), strict=True)]
    laws.check(HSIC((A, B), (B, C), estimator), batches)


def test_average_is_the_mean_in_float64():
    x = features(10, 4) + 1e4
    statistic = Average(A)
    total = statistic.merge(statistic.lift(x[:3]), statistic.lift(x[3:]))
    torch.testing.assert_close(mean(total), x.double().mean(0), rtol=1e-14, atol=0)
    assert mean(statistic.lift(x.half())).dtype == torch.float64


def test_moments_give_the_covariance():
    x, y = features(20, 4), features(20, 6, 1).reshape(20, 2, 3)
    statistic = Moments(A, B)
    total = statistic.merge(statistic.lift(x[:7], y[:7]), statistic.lift(x[7:], y[7:]))
    centred = (x - x.mean(0)).double(), (y - y.mean(0)).flatten(1).double()
    torch.testing.assert_close(covariance(total), centred[0].T @ centred[1] / 20, rtol=0, atol=1e-7)


def test_rows_come_back_in_the_order_of_the_images():
    x = features(6, 2)
    statistic = Rows(A)
    assert statistic.taps == (A, INDEX) and INDEX.source == IMAGES
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    total = statistic.merge(statistic.lift(x[order[:2]], order[:2]), statistic.lift(x[order[2:]], order[2:]))
    assert torch.equal(total["rows"], x) and total["index"].tolist() == list(range(6))


@dataclass(frozen=True)
class Made(Sum):
    """A statistic of one tap with a merge of its own."""

    joined: object

    @property
    def taps(self):
        return (A,)

    def lift(self, *seen):
        return {"x": seen[0].sum(0)}

    def merge(self, a, b):
        return self.joined(a, b)


def changing(a, b):
    a["x"] += b["x"]
    return a


BROKEN = {
    r"a \+ b is not b \+ a": lambda a, b: {"x": a["x"] - b["x"]},
    r"\(a \+ b\) \+ c is not": lambda a, b: {"x": (a["x"] + b["x"]) / 2},
    "merging changes what is merged": changing,
    "keys": lambda a, b: {"x": a["x"] + b["x"], **({"y": b["x"]} if float(a["x"][0]) > float(b["x"][0]) else {})},
}


@pytest.mark.parametrize("law", BROKEN)
def test_a_broken_law_is_named(law):
    with pytest.raises(AssertionError, match=f"^Made: .*{law}"):
        laws.check(Made(BROKEN[law]), [(features(4, seed=k),) for k in range(3)])


def test_a_sum_that_depends_on_its_batches_is_told_apart():
    batches = [(gram(features(n, seed=n)),) * 2 for n in (5, 6, 7)]
    laws.check(HSIC((A,), (B,)), batches)

    class Squares(Average):
        def lift(self, *seen):
            return {"x": seen[0].double().sum(0) ** 2}

    rows = [(features(n, seed=n),) for n in (5, 6, 7)]
    laws.check(Squares(A), rows)
    with pytest.raises(AssertionError, match="another cut of the images"):
        laws.check(Squares(A), rows, images=True)


def test_ready_states_and_too_few_batches():
    laws.check(Average(A), [Average(A).lift(features(3, seed=k)) for k in range(3)])
    with pytest.raises(ValueError, match="three batches or more"):
        laws.check(Average(A), [(features(3),)] * 2)

    class Trial(Statistic):
        pass

    with pytest.raises(ValueError, match="Trial is not lifted"):
        laws.check(Trial(), [(features(3),)] * 3)
