"""Ridge regression of a class onto features, solved at once for many penalties, token by token.

The targets are +1 for an image's class and -1 for all others; features are standardised on the images that are
fitted, so a penalty means the same for every layer; the intercept is not penalised. With Z the n standardised rows
and T the targets,

    minimise  |T - 1 b' - Z W|^2 / n  +  penalty |W|^2,

which is scikit-learn's Ridge(alpha = n * penalty). The penalty is the one whose fit to some of the images has the
least squared error on the others; the fit is then to all of them. The primal form is solved from sums over images, the
dual from the rows themselves: the same answer, for fewer images than features.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seealike.maths.scatter import Scatter

# A feature that spreads by less of its mean than float32 can tell is constant.
RESOLUTION = torch.finfo(torch.float32).eps
BLOCK = 1 << 22  # numbers that are standardised at a time


@dataclass(frozen=True, eq=False)
class Ridge:
    """T = intercept + (x - centre) weights, and the penalty chosen, with its squared error on the held-out images.

    weights: tokens x features x classes; intercept: tokens x classes; centre: tokens x features; others: tokens.
    """

    weights: Tensor
    intercept: Tensor
    centre: Tensor
    penalty: Tensor
    error: Tensor


def from_sums(fit: Scatter, held: Scatter, penalties: tuple[float, ...]) -> Ridge:
    """The primal form, from the sums (float64) of the images that are fitted and of those held out; both are used."""
    penalty, error = _chosen(_errors(fit, held), held.count, fit.mean, penalties)
    fit.absorb(held)
    scale = _scale(torch.diagonal(fit.xx, dim1=1, dim2=2) / fit.count, fit.mean)
    square, cross = _standardised(fit, scale)
    lower = torch.linalg.cholesky(square + torch.diag_embed(penalty[:, None].expand_as(scale)))
    weights = torch.cholesky_solve(cross, lower) * scale[..., None]
    return _ridge(weights, _targets(fit), fit.mean, penalty, error)


def from_rows(
    rows: Float[Tensor, "images tokens features"],
    labels: Int[Tensor, " images"],
    held: Bool[Tensor, " images"],
    classes: int,
    penalties: tuple[float, ...],
) -> Ridge:
    """The dual form, from the features themselves."""
    targets = 2 * torch.nn.functional.one_hot(labels, classes).double() - 1
    one_by_one = [_dual(rows[:, t], targets, held, penalties) for t in range(rows.shape[1])]
    return Ridge(*(torch.cat([getattr(r, name) for r in one_by_one]) for name in Ridge.__dataclass_fields__))


def _errors(fit: Scatter, held: Scatter) -> Callable[[float], Tensor]:
    """The squared error on the held-out images as a function of the penalty, from one eigendecomposition a token."""
    scale = _scale(torch.diagonal(fit.xx, dim1=1, dim2=2) / fit.count, fit.mean)
    square, cross = _standardised(fit, scale)
    values, vectors = torch.linalg.eigh(square)
    onto = vectors.mT @ cross
    square, cross = _standardised(held, scale)
    square, cross = vectors.mT @ square @ vectors, vectors.mT @ cross
    shift = ((held.mean - fit.mean) * scale)[:, None] @ vectors
    targets = _targets(held)
    variance, apart = 1 - targets**2, targets - _targets(fit)

    def error(penalty: float) -> Tensor:
        weights = onto / (values + penalty)[..., None]
        mean = apart - (shift @ weights)[:, 0]
        return (variance + mean**2 + (weights * (square @ weights - 2 * cross)).sum(1)).mean(-1)

    return error


def _dual(rows: Tensor, targets: Tensor, held: Tensor, penalties: tuple[float, ...]) -> Ridge:
    n = len(rows)
    products, fit = kernel(rows, ~held), (~held).nonzero()[:, 0]
    mean = targets[fit].mean(0)
    values, vectors = torch.linalg.eigh(products[fit][:, fit] / len(fit))
    onto, test = vectors.mT @ (targets[fit] - mean) / len(fit), products[held][:, fit] @ vectors

    def error(penalty: float) -> Tensor:
        return (targets[held] - mean - test @ (onto / (values + penalty)[:, None])).square().mean()[None]

    penalty, least = _chosen(error, held.sum(), rows[None, 0], penalties)
    mean = targets.mean(0)
    square = kernel(rows, torch.ones_like(held)) / n + penalty * torch.eye(n, dtype=torch.float64, device=rows.device)
    solved = torch.cholesky_solve((targets - mean) / n, torch.linalg.cholesky(square))
    parts = [(z.mT @ solved * scale[:, None], centre) for z, scale, centre in blocks(rows, torch.ones_like(held))]
    weights, centre = (torch.cat(p)[None] for p in zip(*parts, strict=True))
    return _ridge(weights, mean, centre, penalty, least)


def kernel(rows: Tensor, fitted: Tensor) -> Tensor:
    """images x images: inner products of the rows, standardised on some of them."""
    products = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for z, _, _ in blocks(rows, fitted):
        products.addmm_(z, z.mT)
    return products


def blocks(rows: Tensor, fitted: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Some features at a time: standardised, what they were divided by (inverse), their means."""
    for block in rows.split(max(1, BLOCK // len(rows)), 1):
        x = block.double()
        mean = x[fitted].mean(0)
        scale = _scale((x[fitted] - mean).square().mean(0), mean)
        yield (x - mean) * scale, scale, mean


def _chosen(
    error: Callable[[float], Tensor], count: Tensor, like: Tensor, penalties: tuple[float, ...]
) -> tuple[Tensor, Tensor]:
    """The penalty of the least error, and that error, for each token; with nothing held out there is but one."""
    grid = torch.tensor(penalties, dtype=torch.float64, device=like.device)
    if not count:
        assert len(penalties) == 1, "a choice of penalties needs images held out"
        return grid.expand(len(like)), torch.full((len(like),), torch.nan, dtype=torch.float64, device=like.device)
    least = torch.stack([error(penalty) for penalty in penalties]).min(0)
    return grid[least.indices], least.values


def _scale(variance: Tensor, mean: Tensor) -> Tensor:
    """What standardises features; 0 for those that are constant, which then have no weight."""
    spread = variance.sqrt()
    return torch.where(spread > RESOLUTION * mean.abs(), 1 / spread, 0)


def _standardised(sums: Scatter, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The mean products of standardised features with themselves and with the targets."""
    n = sums.count.clamp_min(1)
    square = sums.xx * (scale[:, :, None] * scale[:, None, :]) / n
    return square, sums.xy.permute(1, 2, 0) * (2 * scale[..., None]) / n


def _targets(sums: Scatter) -> Tensor:
    """The mean target of each class."""
    return 2 * sums.classes / sums.count.clamp_min(1) - 1


def _ridge(weights: Tensor, intercept: Tensor, mean: Tensor, penalty: Tensor, error: Tensor) -> Ridge:
    """In float32, exact where features have large means: the intercept is that of the rounded centre."""
    centre = mean.float()
    rest = ((mean - centre)[:, None] @ weights)[:, 0]
    return Ridge(weights.float(), (intercept - rest).float(), centre, penalty, error)
