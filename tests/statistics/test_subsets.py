"""Rows in disjoint subsets: the laws of merging, equal shares, and errors that are the spread over fresh images."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import Batch

from seealike import laws
from seealike.errors import RunError
from seealike.kernel import Selected, Tap, fold, read
from seealike.maths.jackknife import jackknife
from seealike.measures.imbalance import Imbalance
from seealike.statistics.subsets import Subsets, parted

A = Tap("model", "a")


def features(n, p=5, seed=0):
    return torch.randn(n, p, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=3, max_size=6), count=st.integers(1, 4), seed=st.integers(0, 99))
def test_batches_in_any_order_give_the_same(sizes, count, seed):
    """And with one subset, any cut of the images too; with more, every batch is cut by itself."""
    x = features(sum(sizes), seed=seed)
    index = torch.randperm(sum(sizes), generator=torch.Generator().manual_seed(seed))
    shown = list(zip(x.split(sizes), index.split(sizes), strict=True))
    laws.check(Subsets(A, count), shown, images=count == 1)


def test_every_batch_gives_as_much_to_each_subset():
    x, index = features(24, 2), torch.randperm(24, generator=torch.Generator().manual_seed(0))
    statistic = Subsets(A, 3)
    lifted = [statistic.lift(part, at) for part, at in zip(x.split(6), index.split(6), strict=True)]
    assert all(state["subset"].bincount().tolist() == [2, 2, 2] for state in lifted)
    total = statistic.merge(statistic.merge(lifted[0], lifted[2]), statistic.merge(lifted[3], lifted[1]))
    assert total["index"].tolist() == list(range(24)) and torch.equal(total["rows"], x[index.argsort()])
    parts = parted(total)
    assert [len(part) for part in parts] == [8, 8, 8]
    assert sorted(torch.cat(parts).tolist()) == sorted(x.tolist())


def test_what_is_not_finite_is_refused():
    with pytest.raises(RunError, match="model:a holds NaN or infinity"):
        Subsets(A).lift(torch.tensor([[1.0], [torch.nan]]), torch.arange(2))


def answer_of(x, y, size, **keys):
    """Imbalance of two layers whose vectors are x and y."""
    sides = {"bound_a": (Selected("a", "layer", 0.0),), "bound_b": (Selected("b", "layer", 1.0),), "numbers": (1, 1)}
    question = Imbalance(**sides, **keys)
    parts = zip(x.split(size), y.split(size), strict=True)
    made = [Batch(k, {}, p, k * size, {"a": p[:, None], "b": q[:, None]}) for k, (p, q) in enumerate(parts)]
    return read(question, question.needs(), fold(question.needs(), made))


def value(x, y):
    """The same, without the way of a question."""
    return float(imbalance(x, y)["imbalance_rescaled"][0, 0])


def imbalance(x, y):
    question = Imbalance(k=5)
    return question.between([question.point(x)], [question.point(y)])


def drawn(seed, n=160):
    x = features(n, 4, seed)
    return x, x + 0.5 * features(n, 4, seed + 1000)


@pytest.mark.parametrize("subsets", [1, 2])
def test_a_question_of_subsets_is_their_mean_with_the_jackknife_s_error(subsets):
    x, y = drawn(0)
    answer = answer_of(x, y, 10, k=5, subset=160 // subsets, subsets=subsets)
    part, group = torch.arange(160) % 10 * subsets // 10, torch.arange(160) // 10

    def without(left_out):
        rows = [(part == p) & (group != left_out) for p in range(subsets)]
        return np.mean([value(x[r], y[r]) for r in rows])

    error = jackknife(np.array(without(-1)), [np.array(without(g)) for g in range(16)], [10] * 16)
    np.testing.assert_allclose(answer.imbalance_rescaled.item(), without(-1), rtol=1e-12)
    np.testing.assert_allclose(answer.imbalance_rescaled_se.item(), error, rtol=1e-9)


def test_errors_are_the_spread_over_fresh_images():
    """Though the ranks of each image depend on all others."""
    found, errors = [], []
    for seed in range(12):
        x, y = drawn(seed)
        left_out = [np.array(value(x[keep], y[keep])) for keep in torch.arange(160) // 10 != torch.arange(16)[:, None]]
        found.append(value(x, y))
        errors.append(jackknife(np.array(found[-1]), left_out, [10] * 16))
    assert 2 / 3 < np.sqrt(np.mean(np.square(errors))) / np.std(found, ddof=1) < 3 / 2
