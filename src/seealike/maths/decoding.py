"""How well numbers can be read from features, on images that the reading was not fitted to.

Ridge regression, for each number with a penalty of its own. With Z the n standardised features of the images that are
fitted and t a number less its mean over these,

    minimise  |t - Z w|^2 / n  +  penalty |w|^2,

which is scikit-learn's Ridge(alpha = n * penalty). From Z'Z / n = V diag(v) V', with P = Z V, every penalty is at hand,
and so is what the fit without image i says of i: its error is that of the whole fit divided by
1 - 1 / n - sum_j P_ij^2 / (n (v_j + penalty)). Of more features than images, P comes from Z Z' instead.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seealike.maths.ridge import blocks, kernel

PENALTIES = tuple(10.0**k for k in range(-6, 4))

Numbers = Float[Tensor, "images numbers"]


def r2(numbers: Numbers, said: Numbers) -> Float[Tensor, " numbers"]:
    """Which share of a number's variance is told: 1 all, 0 no more than its mean tells, negative less than that.

    1 - sum (t - said)^2 / sum (t - mean t)^2; NaN for a number that is the same for all images.

    >>> r2(torch.tensor([[0.0, 5.0], [2.0, 5.0]]), torch.tensor([[0.5, 5.0], [2.0, 5.0]])).tolist()
    [0.875, nan]
    """
    apart = (numbers - numbers.mean(0)).square().sum(0)
    return torch.where(apart > 0, 1 - (numbers - said).square().sum(0) / apart, torch.nan)


def by_ridge(rows: Float[Tensor, "images features"], numbers: Numbers, fold: Int[Tensor, " images"]) -> Numbers:
    """What ridge regression says of the images of each fold, fitted to those of all others.

    The penalty of each number is that of `PENALTIES` whose fits without one image have the least squared error on it.
    """
    said = torch.full_like(numbers, torch.nan, dtype=torch.float64)
    for one in fold.unique():
        held = fold == one
        said[held] = _said(rows, numbers[~held].double(), held)
    return said


def _said(rows: Tensor, numbers: Tensor, held: Tensor) -> Tensor:
    n, mean = len(numbers), numbers.mean(0)
    values, fitted, others = _principal(rows, held)
    target = numbers - mean
    onto = fitted.mT @ target / n
    shrunk = 1 / (values[:, None] + torch.tensor(PENALTIES, dtype=torch.float64, device=rows.device))
    free = 1 - 1 / n - fitted.square() @ shrunk / n
    each = zip(shrunk.T[..., None], free.T[..., None], strict=True)
    errors = [((target - fitted @ (onto * s)) / f).square().mean(0) for s, f in each]
    best = torch.stack(errors).argmin(0)
    return mean + others @ (onto * shrunk[:, best])


def _principal(rows: Tensor, held: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Along the principal axes of the images that are fitted: their variances, their places, those of the others."""
    fit = ~held
    n = int(fit.sum())
    if rows.shape[1] < n:
        z = torch.cat([block for block, _, _ in blocks(rows, fit)], 1)
        values, axes = torch.linalg.eigh(z[fit].mT @ z[fit] / n)
        return values, z[fit] @ axes, z[held] @ axes
    products = kernel(rows, fit)
    values, vectors = torch.linalg.eigh(products[fit][:, fit] / n)
    known = (
        values > n * torch.finfo(torch.float64).eps * values.max()
    )  # no direction of rounding: 1 - 1/n - ... cancels
    length = torch.where(known, n * values, 0).sqrt()
    onto = torch.where(known, 1 / length, 0)
    return length.square() / n, vectors * length, products[held][:, fit] @ (vectors * onto)
