"""HSIC of stacks of Grams: a row for each part, and parts that add up."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seealike import laws
from seealike.errors import RunError
from seealike.kernel import Tap
from seealike.maths.gram import gram, grams
from seealike.maths.hsic import inner_products
from seealike.statistics import hsic
from seealike.statistics.hsic import HSIC

A, B, C = (Tap("model", name) for name in "abc")


def parts(n, p, seed=0):
    return torch.randn(n, p, 5, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=15, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=3, max_size=6),
    estimator=st.sampled_from(["unbiased", "biased"]),
    seed=st.integers(0, 99),
)
def test_stacks_keep_the_laws_of_merging(sizes, estimator, seed):
    """Also beside single Grams, and with batches too small, which add nothing."""
    layers = [parts(sum(sizes), p, seed + p) for p in (3, 6)]
    split = list(zip(*(x.split(sizes) for x in layers), strict=True))
    laws.check(HSIC((A,), (B,), estimator), [(grams(x), grams(y)) for x, y in split])
    laws.check(HSIC((A, B), (B, C), estimator), [(grams(x), grams(y), gram(x)) for x, y in split])


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@pytest.mark.parametrize("cached", [1, 200, 1 << 19])
def test_a_stack_has_the_rows_of_its_grams_one_by_one(estimator, cached, monkeypatch):
    monkeypatch.setattr(hsic, "CACHED", cached)
    x, y = grams(parts(9, 4).double()), grams(parts(9, 7, 1).double())
    whole = HSIC((A,), (B,), estimator).lift(x, y)
    alone = [[HSIC((A,), (B,), estimator).lift(k, m) for m in y] for k in x]
    assert whole is not None and whole["cross"].shape == (4, 7)
    each = torch.stack([torch.cat([s["cross"][0] for s in row if s]) for row in alone])
    torch.testing.assert_close(whole["cross"], each, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(whole["b"], torch.cat([s["b"] for s in alone[0] if s]), rtol=1e-12, atol=0)


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_parts_add_up(estimator):
    x, y = parts(9, 4).double() + 10, parts(9, 7, 1).double()
    split = HSIC((A, C), (B,), estimator).lift(grams(x), gram(x), grams(y))
    assert split is not None
    torch.testing.assert_close(split["cross"][:4].sum(0), split["cross"][4], rtol=1e-9, atol=1e-9)
    own = HSIC((A,), (A,), estimator).lift(grams(x))
    assert own is not None
    torch.testing.assert_close(own["cross"].sum(), split["a"][4], rtol=1e-9, atol=0)
    torch.testing.assert_close(own["cross"].diagonal(), own["a"], rtol=1e-12, atol=0)


def test_many_matrices_take_little_room_at_a_time(monkeypatch):
    x = parts(6, 30).reshape(20, -1)
    whole = inner_products([x], [x[:3]])
    monkeypatch.setattr("seealike.maths.hsic.ROOM", 50)
    torch.testing.assert_close(inner_products([x], [x[:3]]), whole, rtol=1e-12, atol=1e-12)


def test_a_part_that_holds_no_number_names_its_tensor():
    x = parts(6, 4)
    x[2, 3] = torch.nan
    with pytest.raises(RunError, match=r"^model:a holds NaN or infinity"):
        HSIC((A,), (B,)).lift(grams(x), grams(parts(6, 2)))
