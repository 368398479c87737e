"""Ridge regression on held-out images against scikit-learn, in both forms and at exact limits."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from seealike.maths import ridge
from seealike.maths.decoding import PENALTIES, by_ridge, r2
from seealike.maths.holdout import fold, held_out


def data(n=80, d=12, seed=0, noise=0.3, mean=0.0):
    """Features of very different spread, and numbers that they tell well, hardly, not at all, and mean far from 0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.geomspace(1, 1e-2, d) + mean
    y = (x - mean) / np.geomspace(1, 1e-2, d) @ rng.normal(size=(d, 3))
    y = np.stack([y[:, 0], y[:, 1] + 20 * rng.normal(size=n), rng.normal(size=n), 1e4 + noise * y[:, 2]], 1)
    return torch.from_numpy(x), torch.from_numpy(y), fold(torch.arange(n), 0, 5)


def by_hand(x, y, part):
    """scikit-learn, number by number and fold by fold; the penalty by really leaving every image out."""
    x, y, said = x.numpy(), y.numpy(), np.full(tuple(y.shape), np.nan)
    for one in np.unique(part):
        held, fit = part.numpy() == one, part.numpy() != one
        scaler, n = StandardScaler().fit(x[fit]), fit.sum()
        z = scaler.transform(x)
        for j in range(y.shape[1]):
            chosen = RidgeCV([n * p for p in PENALTIES], scoring=None).fit(z[fit], y[fit, j])
            said[held, j] = Ridge(chosen.alpha_ or np.nan, solver="cholesky").fit(z[fit], y[fit, j]).predict(z[held])
    return said


@pytest.mark.parametrize(("n", "d"), [(80, 12), (60, 300), (64, 52)])  # primal, dual, one fold of each
def test_it_is_that_of_scikit_learn(n, d):
    x, y, part = data(n, d)
    said, expected = by_ridge(x, y, part), by_hand(x, y, part)
    np.testing.assert_allclose(said, expected, rtol=1e-6, atol=1e-6 * float(y.std()))
    np.testing.assert_allclose(r2(y, said), [r2_score(y[:, j], expected[:, j]) for j in range(4)], rtol=0, atol=1e-6)


@pytest.mark.parametrize("d", [7, 120])
def test_the_penalty_is_chosen_by_really_leaving_each_image_out(d):
    n, m = 15, 18
    x, y, _ = data(m, d, seed=1)
    z = StandardScaler().fit(x[:n]).transform(x)
    left_out = [np.delete(np.arange(n), i) for i in range(n)]
    said = by_ridge(x, y[:, :2], (torch.arange(m) >= n).long())
    for j in range(2):
        errors = []
        for p in PENALTIES:  # that of n images
            each = [Ridge(n * p).fit(z[o], y[o, j]).predict(z[i : i + 1])[0] for i, o in enumerate(left_out)]
            errors.append(np.square(each - y[:n, j].numpy()).mean())
        best = Ridge(n * PENALTIES[int(np.argmin(errors))]).fit(z[:n], y[:n, j])
        np.testing.assert_allclose(said[n:, j], best.predict(z[n:]), rtol=1e-6)


@pytest.mark.parametrize("d", [12, 300])
def test_large_means_and_constant_features_change_nothing(d):
    x, y, part = data(d=d)
    far = torch.cat([x.float() + 1000, torch.full((80, 2), 0.1)], 1)
    near = far.double() - 1000
    near[:, -2:] = 0
    np.testing.assert_allclose(by_ridge(far, y, part), by_ridge(near, y, part), rtol=1e-9, atol=1e-7)


def test_blocks_change_nothing(monkeypatch):
    x, y, part = data(60, 100)
    whole = by_ridge(x, y, part)
    monkeypatch.setattr(ridge, "BLOCK", 300)
    np.testing.assert_allclose(by_ridge(x, y, part), whole, rtol=1e-9, atol=1e-9)


def test_exact_limits():
    x, _, part = data(200, 3)
    told = torch.stack([2 * x[:, 0] - 5, x.sum(1)], 1)
    assert (r2(told, by_ridge(x, told, part)) > 1 - 1e-8).all()
    nothing = torch.zeros(200, 3)
    said = by_ridge(nothing, told, part)
    means = torch.stack([told[part != p].mean(0) for p in part.tolist()])
    np.testing.assert_allclose(said, means)
    assert (r2(told, said) < 0).all() and (r2(told, said) > -0.1).all()
    np.testing.assert_allclose(r2(told, -told - 10), [r2_score(t, -t - 10) for t in told.T])


def test_noise_tells_nothing():
    rng = torch.Generator().manual_seed(0)
    for d in (20, 500):
        x, y = torch.randn(300, d, generator=rng), torch.randn(300, 4, generator=rng)
        found = r2(y, by_ridge(x, y, fold(torch.arange(300), 0, 5)))
        assert (found < 0.05).all() and (found > -0.15).all()


def test_an_image_is_in_the_same_fold_whatever_others_there_are():
    every = fold(torch.arange(1000), 3, 5)
    assert torch.equal(fold(torch.arange(1000)[17::3], 3, 5), every[17::3])
    assert (every != fold(torch.arange(1000), 4, 5)).float().mean() > 0.7
    assert torch.equal(fold(torch.arange(1000), 3, 4) == 0, held_out(torch.arange(1000), 3, 0.25))
