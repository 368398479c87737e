"""RSA, against scipy's distances and Spearman correlation, in float64."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from small import batches, images, stirred, tensors
from torch import nn

from seealike.kernel import fold, read
from seealike.maths.dissimilarity import ranked, spearman
from seealike.measures.rsa import RSA
from seealike.models.graph import Graph
from seealike.selection import Models

SIZE = (3, 8, 8)


def rows(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("metric", ["correlation", "euclidean", "cosine"])
def test_it_is_spearmans_correlation_of_the_dissimilarities(metric):
    layers = [rows(30, p, seed=p) + 3 for p in (4, 9, 40)]
    layers[2][:, :9] += 2 * layers[1]
    ranks = [ranked(x, metric) for x in layers]
    found = spearman(ranks, ranks).numpy()
    dissimilar = [pdist(x.double().numpy(), metric) for x in layers]
    expected = [[spearmanr(a, b).statistic for a in dissimilar] for b in dissimilar]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found[1, 2] > 0.3
    torch.testing.assert_close(spearman(ranks[:1], ranks[1:]), torch.from_numpy(found[:1, 1:]), rtol=0, atol=1e-12)


def test_equal_dissimilarities_share_their_rank():
    x = torch.tensor([[0.0], [1.0], [2.0], [3.0], [8.0], [9.0]])
    y = torch.tensor([[4.0], [2.0], [2.0], [0.0], [0.0], [1.0]])
    ranks = [ranked(z, "euclidean") for z in (x, y)]
    expected = spearmanr(*(pdist(z.numpy()) for z in (x, y))).statistic
    assert float(spearman(ranks[:1], ranks[1:])) == pytest.approx(expected, abs=1e-12)


def test_what_changes_no_order_changes_nothing():
    x = rows(40, 12)
    turn = torch.linalg.qr(rows(12, 12, seed=1).double()).Q
    scaled = x * torch.rand(40, 1, generator=torch.Generator().manual_seed(2)).add(0.5) + 3
    for metric, other in (("correlation", scaled), ("euclidean", 2 * x.double() @ turn + 5)):
        assert float(spearman([ranked(x, metric)], [ranked(other, metric)])) == pytest.approx(1, abs=1e-4)
    far = spearman([ranked(x)], [ranked(rows(40, 500, seed=3))])
    assert abs(float(far)) < 0.15  # unrelated, at any width


def test_what_has_no_correlation_is_undefined_and_said():
    assert torch.isnan(ranked(torch.ones(5, 3), "euclidean")).all()
    torch.manual_seed(0)
    net = stirred(nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 1)))
    of, x = {"net": Graph.of(net, SIZE, "net")}, images(32, SIZE)
    x[3] = -50 * x[3].abs()
    with torch.no_grad():
        net[0].weight.abs_()
    seen = {
        name: z.flatten(2).mean(2) if z.ndim > 2 else z for name, z in tensors(of["net"], x, ["0", "1", "4"]).items()
    }
    assert not seen["1"][3].any()
    for metric in ("correlation", "euclidean"):
        bound = RSA(layers=("net:0", "net:1", "net:4"), subset=32, metric=metric).bind(Models(of))
        answer = read(bound, bound.needs(), fold(bound.needs(), batches(of, x, 4)))
        if metric == "correlation":
            assert answer.rsa.notnull().sum() == 1 and float(answer.rsa[0, 0]) == pytest.approx(1)
            assert answer.attrs["notes"] == [
                "net:1: the numbers of one image are all equal, so its RSA is undefined",
                "net:4: the numbers of 32 images are all equal, so its RSA is undefined",
            ]
        else:
            expected = spearmanr(*(pdist(seen[name].double().numpy()) for name in ("1", "4"))).statistic
            assert float(answer.rsa[1, 2]) == pytest.approx(expected, abs=1e-4)
            assert (answer.rsa_se.values[0, 1:] > 0).all() and answer.attrs["notes"] == []


def test_half_a_million_pairs_are_taken_unless_one_says_otherwise():
    assert RSA(layers=("net:*",)).few == 1000 and RSA(layers=("net:*",), subset=64).few == 64
