"""Centring of Gram matrices, and the inner products from which every HSIC and CKA is read."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

# Numbers of each side that inner products hold in float64 at a time.
ROOM = 1 << 24


def u_centred(gram: Float[Tensor, "*p n n"]) -> Float[Tensor, "*p n n"]:
    """A Gram matrix, or each of a stack, U-centred: inner products of two of them are unbiased for HSIC.

    The diagonal is set to zero and K~ = K - row/(n-2) - column/(n-2) + total/((n-1)(n-2)), diagonal zero again, so
    that HSIC1(K, L) = <K~, L~> / (n (n-3)).  Song et al. 2012, eq. 5; Szekely & Rizzo 2014.
    """
    n = gram.shape[-1]
    k = _without_diagonal(gram.clone())
    rows = k.sum(-1, dtype=torch.float64)
    shift = rows / (n - 2) - rows.sum(-1, keepdim=True) / (2 * (n - 1) * (n - 2))
    return _without_diagonal(_less(k, shift))


def centred(gram: Float[Tensor, "*p n n"]) -> Float[Tensor, "*p n n"]:
    """A Gram matrix, or each of a stack, centred: H K H with H = 1 - 11'/n. Inner products give the biased HSIC."""
    rows = gram.mean(-1, dtype=torch.float64)
    shift = rows - rows.mean(-1, keepdim=True) / 2
    return _less(gram, shift)


def packed(symmetric: Float[Tensor, "*p n n"]) -> Float[Tensor, "*p m"]:
    """The upper triangle as a vector, so that <A, B> = 2 packed(A) . packed(B)."""
    n = symmetric.shape[-1]
    i, j = torch.triu_indices(n, n, device=symmetric.device)
    flat = symmetric.flatten(-2).index_select(-1, i * n + j)
    flat[..., (i == j).nonzero()[:, 0]] *= 0.5**0.5
    return flat


def inner_products(
    a: Sequence[Float[Tensor, "... m"]], b: Sequence[Float[Tensor, "... m"]], columns: int = 1 << 14
) -> Float[Tensor, "p q"]:
    """<A, B> of every packed matrix of `a` with every one of `b`, stacks of them one by one, summed in float64."""
    left = _rows(a)
    right = left if a is b else _rows(b)
    columns = min(columns, max(1, ROOM // max(len(left), len(right))))
    total = left.new_zeros(len(left), len(right), dtype=torch.float64)
    for start in range(0, left.shape[1], columns):
        x = left[:, start : start + columns].double()
        y = x if right is left else right[:, start : start + columns].double()
        total.addmm_(x, y.T, alpha=2)
    return total


def cka_from_products(
    cross: Float[Tensor, "p q"], a: Float[Tensor, " p"], b: Float[Tensor, " q"]
) -> Float[Tensor, "p q"]:
    """CKA from summed inner products: S_KL / sqrt(S_KK S_LL); NaN where a layer is constant.

    Kornblith et al. 2019, eq. 4, over batches as Nguyen et al. 2021, eq. 2. By Cauchy and Schwarz it lies in
    [-1, 1]; what rounding puts above 1 is 1, and nothing else is clamped.
    """
    ratio = cross / (a.sqrt()[:, None] * b.sqrt())
    ratio = torch.where(ratio.isfinite(), ratio, torch.nan)
    return torch.where((ratio > 1) & (ratio < 1 + 1e-9), torch.ones_like(ratio), ratio)


def _less(k: Tensor, shift: Tensor) -> Tensor:
    """k_ij - shift_i - shift_j. A stack is large: no table of float64 is made beside it."""
    if k.ndim == 2:
        return k - (shift[:, None] + shift).to(k.dtype)
    shift = shift.to(k.dtype)
    return (k - shift[..., :, None]).sub_(shift[..., None, :])


def _without_diagonal(k: Tensor) -> Tensor:
    k.diagonal(dim1=-2, dim2=-1).zero_()
    return k


def _rows(vectors: Sequence[Tensor]) -> Tensor:
    """Each packed matrix a row."""
    rows = [v.reshape(-1, v.shape[-1]) for v in vectors]
    return rows[0] if len(rows) == 1 else torch.cat(rows)
