"""Spectra against numpy and scipy in float64, and what random products find of them against all of them."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch

from seealike.maths import spectrum

SHAPES = [(7, 12), (12, 7), (9, 9)]


def of_rank(shape, rank, seed=0):
    """A matrix of this rank, with singular values that fall slowly."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0][:, :rank] for n in shape)
    return torch.from_numpy(left * np.geomspace(3, 0.2, rank) @ right.T)


def values(matrix):
    return torch.linalg.svdvals(matrix)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [1, 4, 7])
def test_each_number_is_numpy_s(shape, rank):
    matrix = of_rank(shape, rank)
    found, dense = values(matrix), matrix.numpy()
    assert spectrum.rank(found, shape) == np.linalg.matrix_rank(dense) == rank
    sigma = np.linalg.svd(dense, compute_uv=False)
    entropy = scipy.stats.entropy(sigma / sigma.sum())
    np.testing.assert_allclose(spectrum.effective_rank(found), np.exp(entropy), rtol=1e-12)
    stable = np.linalg.norm(dense) ** 2 / np.linalg.norm(dense, 2) ** 2
    np.testing.assert_allclose(spectrum.stable_rank(found, matrix.square().sum()), stable, rtol=1e-12)
    inverse = np.linalg.pinv(dense, rcond=1e-12)
    uneven = np.linalg.norm(dense, 2) * np.linalg.norm(inverse, 2)
    np.testing.assert_allclose(spectrum.condition(found, shape), uneven, rtol=1e-10)


def test_ranks_lie_in_order_and_meet_where_all_values_are_equal():
    found = values(of_rank((8, 8), 5))
    stable, effective = spectrum.stable_rank(found, found.square().sum()), spectrum.effective_rank(found)
    assert 1 < stable < effective < 5
    equal = values(3 * torch.eye(6, 4, dtype=torch.float64))
    for one in (spectrum.stable_rank(equal, equal.square().sum()), spectrum.effective_rank(equal)):
        np.testing.assert_allclose(one, 4, rtol=1e-12)
    assert spectrum.rank(equal, (6, 4)) == 4 and spectrum.condition(equal, (6, 4)) == 1


def test_many_at_once_and_what_is_undefined():
    """A matrix of zeros has rank 0 and no more to tell; what is not finite tells nothing."""
    many = torch.stack([values(of_rank((5, 6), 3)), torch.zeros(5).double(), torch.full((5,), math.nan).double()])
    np.testing.assert_array_equal(spectrum.rank(many, (5, 6)), [3, 0, math.nan])
    stable = spectrum.stable_rank(many, many.square().sum(1))
    for one in (spectrum.effective_rank(many), spectrum.condition(many, (5, 6)), stable):
        assert one.isfinite().tolist() == [True, False, False]
    with pytest.raises(AssertionError, match="all singular values"):
        spectrum.rank(many[:, :3], (5, 6))


@pytest.mark.parametrize("rows", [3, 6, 7, 40])
@pytest.mark.parametrize("block", [1, 5, 40])
def test_a_matrix_that_comes_in_blocks_is_the_whole(rows, block):
    whole = of_rank((rows, 6), min(rows, 6) - 1)
    folded = spectrum.folded(whole.split(block))
    assert len(folded) <= 6
    np.testing.assert_allclose(values(folded), values(whole)[:6], atol=1e-14)
    np.testing.assert_allclose(folded.T @ folded, whole.T @ whole, atol=1e-13)
    assert spectrum.rank(values(folded), (rows, 6)) == min(rows, 6) - 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [2, 5])
def test_what_is_not_seen_is_the_part_in_scipy_s_null_space(shape, rank):
    matrix = of_rank(shape, rank)
    null = scipy.linalg.null_space(matrix.numpy())
    assert null.shape[1] == shape[1] - rank
    vectors = torch.randn(4, shape[1], generator=torch.Generator().manual_seed(1)).double()
    vectors[2] = torch.from_numpy(null[:, 0])  # seen not at all
    vectors[3] = matrix[0]  # seen as a whole
    expected = np.linalg.norm(vectors.numpy() @ null, axis=1) ** 2 / np.linalg.norm(vectors, axis=1) ** 2
    for given in (matrix, spectrum.folded(matrix.split(4))):
        found = spectrum.unseen(given, shape, vectors)
        np.testing.assert_allclose(found, expected, atol=1e-14)
        assert found[2] > 1 - 1e-14 and 0 <= found[3] < 1e-28


def test_the_share_of_nothing_and_of_what_is_not_finite_is_undefined():
    assert spectrum.unseen(torch.eye(3).double(), (3, 3), torch.zeros(2, 3).double()).isnan().all()
    assert spectrum.unseen(torch.full((3, 3), math.inf).double(), (3, 3), torch.ones(2, 3).double()).isnan().all()


class Watched:
    """A matrix behind its products; `space` is the last that was multiplied from the left."""

    def __init__(self, matrix):
        self.matrix, self.space, self.count = matrix, torch.empty(0), 0

    def forward(self, vectors):
        self.count += len(vectors)
        return vectors @ self.matrix.T

    def backward(self, vectors):
        self.count, self.space = self.count + len(vectors), vectors
        return vectors @ self.matrix

    def largest(self, count, seed=0, **how):
        chance = torch.Generator().manual_seed(seed)
        return spectrum.largest(self.forward, self.backward, tuple(self.matrix.shape), count, chance, **how)


@pytest.mark.parametrize("shape", [(60, 90), (90, 60)])
def test_the_largest_values_and_by_how_much_they_may_be_wrong(shape):
    matrix = of_rank(shape, 60)
    exact = values(matrix)
    for seed in range(20):
        watched = Watched(matrix)
        found = watched.largest(8, seed)
        left = matrix - watched.space.T @ watched.space @ matrix
        wrong = np.linalg.norm(left.numpy(), 2)
        assert exact[18] < wrong < found.error < 16 * left.norm()
        below = exact[:8] - found.values
        assert (below > -1e-12).all() and (below < found.error).all() and below[:4].max() < 0.01 * exact[0]
        near = (found.values[:, None] - exact).abs().amin(1)
        assert (near <= found.residuals + 1e-12).all() and found.residuals[:4].max() < 0.5 * exact[0] < found.error
        assert watched.count == 18 * 6 + 8 + 10


def test_each_power_iteration_comes_nearer():
    matrix = of_rank((80, 80), 80)
    exact = values(matrix)[:8]
    off = [float((exact - Watched(matrix).largest(8, power=q).values).norm()) for q in range(4)]
    assert off[0] > 2 * off[1] > 4 * off[2] and off[3] < off[2]


def test_the_sum_of_squares_is_unbiased():
    matrix = of_rank((50, 70), 50)
    squares = torch.stack([Watched(matrix).largest(4, seed, probes=3).squares for seed in range(200)])
    exact = float(matrix.square().sum())
    z = float((squares.mean() - exact) / (squares.std() / 200**0.5))
    assert abs(z) < 4 and squares.std() < 0.2 * exact


@pytest.mark.parametrize("shape", [(6, 30), (30, 6)])
def test_of_few_values_all_are_found_exactly(shape):
    matrix = of_rank(shape, 5)
    found = Watched(matrix).largest(32)
    np.testing.assert_allclose(found.values, values(matrix), atol=1e-13)
    assert found.error < 1e-12 and found.residuals.max() < 1e-13
    np.testing.assert_allclose(found.squares, matrix.square().sum(), rtol=1e-12)


def test_zeros_and_what_is_not_finite():
    nothing = Watched(torch.zeros(20, 30).double()).largest(4)
    assert not nothing.values.any() and not nothing.residuals.any() and nothing.error == 0 and nothing.squares == 0
    wrong = Watched(torch.full((20, 30), math.nan).double()).largest(4)
    assert wrong.values.shape == wrong.residuals.shape == (4,)
    assert all(x.isnan().all() for x in (wrong.values, wrong.residuals, wrong.error, wrong.squares))
