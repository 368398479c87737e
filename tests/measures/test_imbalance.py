"""Imbalance of the layers of whole models, against full ranks in float64 of the tensors themselves."""

import functools

import numpy as np
import pytest
import torch
from small import batches, images, stirred, tensors
from torch import nn

from seealike.errors import RunError, StudyError
from seealike.kernel import fold, read
from seealike.measures import MEASURES
from seealike.measures.imbalance import Imbalance
from seealike.models.graph import Graph
from seealike.selection import Models

SIZE = (3, 16, 16)
NAMES = ("imbalance", "imbalance_rescaled", "imbalance_reverse", "imbalance_rescaled_reverse")


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        return x + 2 * torch.relu(self.conv(x))


@functools.cache
def graphs():
    torch.manual_seed(0)
    res = stirred(nn.Sequential(nn.Conv2d(3, 8, 4, 4), Block(), Block()))
    cnn = stirred(nn.Sequential(nn.Conv2d(3, 8, 5, 4), nn.ReLU(), nn.Conv2d(8, 12, 2), nn.Tanh()))
    return {"res": Graph.of(res, SIZE, "res"), "cnn": Graph.of(cnn, SIZE, "cnn")}


def ask(question, n=40, size=40, of=None):
    of, x = of or graphs(), images(n, SIZE)
    bound = question.bind(Models(of))
    return read(bound, bound.needs(), fold(bound.needs(), batches(of, x, size)))


def features(answer, side, n=40):
    """What the layers show of the images, in float64: the mean over places."""
    found = []
    for name in answer[f"layer_{side}"].values:
        model, layer = str(name).split(":")
        found.append(tensors(graphs()[model], images(n, SIZE), [layer])[layer].double().mean((2, 3)).numpy())
    return found


def order(x):
    """Images by their distance from each, itself first, from differences of the numbers."""
    d = ((x[:, None] - x[None]) ** 2).sum(-1)
    np.fill_diagonal(d, -1)
    return d.argsort(1)


def by_hand(x, y, k):
    """2/N mean rank in y of the k nearest in x, and the same rescaled."""
    n, rank = len(x), order(y).argsort(1)
    mean = np.take_along_axis(rank, order(x)[:, 1 : k + 1], 1).mean()
    return 2 * mean / n, (2 * mean - k - 1) / (n - 1 - k)


@pytest.mark.parametrize("k", [1, 4])
def test_two_models_against_full_ranks(k):
    answer = ask(Imbalance(a="res:@block", b="cnn:**", k=k))
    assert answer.imbalance.dims == ("layer_a", "layer_b") and answer.imbalance.shape == (2, 4)
    assert answer.attrs["images_together"] == 40
    a, b = features(answer, "a"), features(answer, "b")
    expected = np.array([[[*by_hand(x, y, k), *by_hand(y, x, k)] for y in b] for x in a])
    for name, values in zip(NAMES, np.moveaxis(expected, -1, 0), strict=True):
        np.testing.assert_allclose(answer[name], values, rtol=0, atol=1e-12)
    assert np.abs(answer.imbalance - answer.imbalance_reverse).max() > 0.01  # not symmetric
    assert answer.imbalance_rescaled.attrs["long_name"].startswith("information imbalance")


def test_all_pairs_are_the_same_as_both_sides():
    patterns = ("res:@block", "cnn:1", "cnn:2")
    all_pairs, both = ask(Imbalance(layers=patterns, k=2)), ask(Imbalance(a=patterns, b=patterns, k=2))
    for name in NAMES:
        np.testing.assert_array_equal(all_pairs[name], both[name])
    np.testing.assert_array_equal(all_pairs.imbalance_reverse, all_pairs.imbalance.T)
    assert not np.diag(all_pairs.imbalance_rescaled).any() and (np.diag(all_pairs.imbalance) == 3 / 40).all()


def test_subsets_are_disjoint_and_averaged():
    question = {"a": "res:@block", "b": "cnn:**", "subset": 20}
    answer = ask(Imbalance(**question, subsets=2))
    assert answer.attrs["images_together"] == 20
    a, b = features(answer, "a"), features(answer, "b")
    expected = [[np.mean([by_hand(x[s], y[s], 1)[1] for s in (slice(20), slice(20, 40))]) for y in b] for x in a]
    np.testing.assert_allclose(answer.imbalance_rescaled, expected, atol=1e-12)


def test_the_cosine_is_another_question():
    answers = [ask(Imbalance(layers=("cnn:**",), metric=metric)) for metric in ("euclidean", "cosine")]
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in features(answers[0], "a")]
    expected = [[by_hand(x, y, 1)[1] for y in unit] for x in unit]
    np.testing.assert_allclose(answers[1].imbalance_rescaled, expected, atol=1e-12)
    assert np.abs(answers[0].imbalance - answers[1].imbalance).max() > 0.01


def test_a_layer_that_is_the_same_for_all_images_is_undefined():
    class Still(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 8, 8)

        def forward(self, x):
            x = self.conv(x)
            return x, x * 0 + 3

    answer = ask(Imbalance(layers="still:*"), of={"still": Graph.of(stirred(Still()), SIZE, "still")})
    names = answer["layer_a"].values.tolist()
    at = names.index("still:add")
    for name in NAMES:
        assert np.isnan(answer[name][at]).all() and np.isnan(answer[name][:, at]).all()
    assert answer.imbalance_rescaled[names.index("still:conv"), names.index("still:conv")] == 0
    assert "still:add is the same for all images: what it is like is undefined" in answer.attrs["notes"]


def test_standard_errors_come_from_the_groups():
    answer = ask(Imbalance(layers="cnn:**", k=3), n=64, size=4)
    errors = answer.imbalance_rescaled_se.values
    assert not np.diag(errors).any() and (errors[~np.eye(4, dtype=bool)] > 0).all() and errors.max() < 0.3


@pytest.mark.parametrize("kind", ["imbalance", "mutual_knn"])
def test_what_cannot_be_asked(kind):
    measure = MEASURES[kind]
    for k in (0, 1001):
        with pytest.raises(StudyError, match=f"k = {k}: write 1 to 1000, half of subset = 2000."):
            measure(layers="cnn:**", k=k)
    with pytest.raises(RunError, match=f"{kind}: k = 9 nearest images are asked for among 10. Give more images, or a"):
        ask(measure(layers="cnn:**", k=9), n=10, size=10)
