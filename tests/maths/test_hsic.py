"""HSIC and CKA from U-centred Grams, against the formulas written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seealike.maths.gram import gram
from seealike.maths.hsic import centred, cka_from_products, inner_products, packed, u_centred


def features(n, p, seed=0):
    return torch.randn(n, p, generator=torch.Generator().manual_seed(seed))


def reference_gram(x):
    """Features centred first: HSIC1 does not change, and float64 then is exact enough at any mean."""
    x = x.double().numpy()
    x = x - x.mean(0)
    return x @ x.T


def hsic1(a, b):
    """The unbiased HSIC, term by term (METHODS A1)."""
    n = len(a)
    a, b = (m - np.diag(np.diag(m)) for m in (a, b))
    one = np.ones(n)
    total = np.trace(a @ b) + (one @ a @ one) * (one @ b @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ a @ b @ one
    return total / (n * (n - 3))


def hsic_biased(a, b):
    n = len(a)
    h = np.eye(n) - 1 / n
    return np.trace(h @ a @ h @ h @ b @ h)


def unbiased(x, y):
    a, b = ([packed(u_centred(gram(z)))] for z in (x, y))
    n = len(x)
    return float(inner_products(a, b)) / (n * (n - 3))


def cka(x, y, centre=u_centred):
    a = [packed(centre(gram(z))) for z in (x, y)]
    s = inner_products(a, a)
    return float(cka_from_products(s[:1, 1:], s.diag()[:1], s.diag()[1:]))


@pytest.mark.parametrize("n", [4, 5, 16, 50])
@pytest.mark.parametrize("mean", [0, 30, 1000])
def test_the_unbiased_hsic_is_the_formula(n, mean):
    x, y = features(n, 20) + mean, features(n, 30, 1) + 0.3 * features(n, 20)[:, :1] + mean
    a, b = reference_gram(x), reference_gram(y)
    scale = (hsic1(a, a) * hsic1(b, b)) ** 0.5
    assert abs(unbiased(x, y) - hsic1(a, b)) <= 1e-6 * scale
    assert unbiased(x, x) == pytest.approx(hsic1(a, a), rel=1e-6)


def test_u_centring_is_its_definition():
    k = reference_gram(features(9, 4))
    n = len(k)
    z = k - np.diag(np.diag(k))
    expected = z - z.sum(0) / (n - 2) - z.sum(1)[:, None] / (n - 2) + z.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(expected, 0)
    mine = u_centred(torch.from_numpy(k))
    np.testing.assert_allclose(mine, expected, atol=1e-12)
    assert mine.sum(1).abs().max() <= 1e-12  # rows of a U-centred matrix sum to nothing


def test_the_biased_one_is_the_centred_product():
    x, y = features(12, 5) + 3, features(12, 7, 1)
    a, b = ([packed(centred(gram(z)))] for z in (x, y))
    expected = hsic_biased(reference_gram(x), reference_gram(y))
    assert float(inner_products(a, b)) == pytest.approx(expected, rel=1e-6)
    assert torch.allclose(centred(gram(x)).sum(1), torch.zeros(12), atol=1e-4)


def test_packing_keeps_inner_products():
    a, b = (features(n, n, seed) for n, seed in ((6, 0), (6, 1)))
    a, b = (m + m.T for m in (a, b))
    assert 2 * float(packed(a).double() @ packed(b).double()) == pytest.approx(float((a * b).sum()), rel=1e-6)


@pytest.mark.parametrize("columns", [1, 7, 1 << 14])
def test_inner_products_of_all_pairs(columns):
    a, b = [list(features(k, 40, k).double()) for k in (3, 5)]
    expected = 2 * torch.stack(a) @ torch.stack(b).T
    torch.testing.assert_close(inner_products(a, b, columns), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(inner_products(a, a, columns), 2 * torch.stack(a) @ torch.stack(a).T)


def rotation(p, seed):
    return torch.linalg.qr(features(p, p, seed).double())[0]


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(4, 20),
    p=st.integers(2, 12),
    seed=st.integers(0, 999),
    scale=st.floats(1e-4, 1e4),
    shift=st.floats(-30, 30),
)
def test_cka_does_not_change_by_rotation_scale_and_shift(n, p, seed, scale, shift):
    x, y = features(n, p, seed), features(n, p + 1, seed + 1)
    turned = ((x.double() @ rotation(p, seed) + shift) * scale).float()
    assert cka(turned, y) == pytest.approx(cka(x, y), abs=3e-5)
    assert cka(x, turned) == pytest.approx(1, abs=3e-5)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(4, 12), p=st.integers(1, 4), seed=st.integers(0, 10_000), noise=st.floats(0, 1))
def test_cka_is_never_beyond_one(n, p, seed, noise):
    x = features(n, p, seed)
    for centre in (u_centred, centred):
        for y in (x, x + noise * features(n, p, seed + 1), -3 * x):
            value = cka(x, y, centre)
            assert np.isnan(value) or -1 <= value <= 1, value
    assert 0 <= cka(x, features(n, p, seed + 2), centred)


def test_negative_values_are_kept():
    values = [cka(features(8, 50, 2 * s), features(8, 50, 2 * s + 1)) for s in range(30)]
    assert min(values) < 0 < max(values)


def test_what_is_constant_has_no_cka():
    assert np.isnan(cka(torch.ones(6, 5), features(6, 5)))


def test_what_is_above_one_by_more_than_rounding_is_not_hidden():
    one = torch.ones(1, dtype=torch.float64)
    assert float(cka_from_products(one[None] * (1 + 1e-12), one, one)) == 1
    assert float(cka_from_products(one[None] * 1.1, one, one)) == pytest.approx(1.1)
    assert float(cka_from_products(one[None] * -1.1, one, one)) == pytest.approx(-1.1)
