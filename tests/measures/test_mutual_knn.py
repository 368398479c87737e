"""Mutual nearest neighbours of the layers of whole models, against sets of images by brute force."""

import functools

import numpy as np
import torch
from small import batches, images, stirred, tensors
from torch import nn

from seealike.kernel import fold, read
from seealike.measures.mutual_knn import MutualKNN
from seealike.models.graph import Graph
from seealike.selection import Models

SIZE = (3, 12, 12)


@functools.cache
def graphs():
    return {name: Graph.of(net(seed), SIZE, name) for seed, name in enumerate(("net", "other"))}


def net(seed):
    torch.manual_seed(seed)
    parts = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.Flatten(), nn.Linear(384, 5)
    return stirred(nn.Sequential(*parts), seed)


def ask(question, n=40, size=40):
    bound = question.bind(Models(graphs()))
    return read(bound, bound.needs(), fold(bound.needs(), batches(graphs(), images(n, SIZE), size)))


def sets(name, k, n=40, angle=False):
    """The k nearest other images of each."""
    model, layer = str(name).split(":")
    x = tensors(graphs()[model], images(n, SIZE), [layer])[layer].double().flatten(1).numpy()
    x = x / np.linalg.norm(x, axis=1, keepdims=True) if angle else x
    d = ((x[:, None] - x[None]) ** 2).sum(-1)
    np.fill_diagonal(d, np.inf)
    return [set(row[:k].tolist()) for row in d.argsort(1)]


def test_sets_of_images_by_brute_force():
    for k, metric in ((1, "euclidean"), (10, "euclidean"), (10, "cosine")):
        answer = ask(MutualKNN(a="net:**", b="other:**", view="flatten", k=k, metric=metric))
        a, b = ([sets(x, k, angle=metric == "cosine") for x in answer[f"layer_{s}"].values] for s in "ab")
        expected = [[np.mean([len(p & q) for p, q in zip(x, y, strict=True)]) / k for y in b] for x in a]
        np.testing.assert_allclose(answer.mutual_knn, expected, rtol=0, atol=1e-9)
        assert answer.mutual_knn.shape == (4, 4) and 0 <= answer.mutual_knn.min() < 0.3 < answer.mutual_knn.max() < 1
        assert answer.mutual_knn.attrs["long_name"] == f"share of the {k} nearest images in common"


def test_it_is_one_with_itself_and_the_same_both_ways():
    answer = ask(MutualKNN(layers="net:**", view="flatten"), n=64, size=4)
    np.testing.assert_array_equal(np.diag(answer.mutual_knn), 1)
    np.testing.assert_array_equal(answer.mutual_knn, answer.mutual_knn.T)
    assert not np.diag(answer.mutual_knn_se).any() and 0 < answer.mutual_knn_se.max() < 0.1
