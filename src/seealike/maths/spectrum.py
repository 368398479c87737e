"""What the singular values of a matrix tell: how many directions it keeps, how evenly, and what it cannot see.

Matrices here are outputs x inputs; their singular values come in falling order. All in float64.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

EPS = torch.finfo(torch.float64).eps

# A matrix as what it does to vectors, each a row: vectors x numbers in, vectors x numbers out.
Product = Callable[[Tensor], Tensor]


def tolerance(values: Float[Tensor, "*many values"], shape: tuple[int, int]) -> Float[Tensor, "*many"]:
    """What a singular value must exceed to be none of rounding: the largest x max(outputs, inputs) x eps of float64."""
    return values[..., 0] * max(shape) * EPS


def rank(values: Float[Tensor, "*many values"], shape: tuple[int, int]) -> Float[Tensor, "*many"]:
    """The number of directions that a matrix keeps: its singular values above `tolerance`; NaN where they are.

    Needs all min(outputs, inputs) of them: what a few of the largest leave out cannot be told.

    >>> rank(torch.tensor([3.0, 1.0, 1e-16]).double(), (3, 5))
    tensor(2., dtype=torch.float64)
    """
    assert values.shape[-1] == min(shape), "a rank is read from all singular values"
    kept = (values > tolerance(values, shape)[..., None]).sum(-1).double()
    return torch.where(values.isfinite().all(-1), kept, torch.nan)


def effective_rank(values: Float[Tensor, "*many values"]) -> Float[Tensor, "*many"]:
    """How many directions a matrix keeps, each counted by how much it is stretched: exp of the entropy of the spectrum.

    exp(-sum_i p_i ln p_i), p_i = sigma_i / sum sigma: between 1 and the rank, which it is where all kept are equal.
    Roy & Vetterli 2007, definition 1. Needs all singular values; NaN of a matrix of zeros.

    >>> effective_rank(torch.tensor([2.0, 2.0, 2.0, 0.0]).double()).round(decimals=9)
    tensor(3., dtype=torch.float64)
    """
    return torch.special.entr(values / values.sum(-1, keepdim=True)).sum(-1).exp()


def stable_rank(values: Float[Tensor, "*many values"], squares: Float[Tensor, "*many"]) -> Float[Tensor, "*many"]:
    """How many directions as strong as the strongest a matrix has: ||J||_F^2 / ||J||_2^2; NaN of a matrix of zeros.

    Never more than the rank (Rudelson & Vershynin 2007, section 1). `squares`: the sum of all squared singular values,
    of which the largest alone must be given.

    >>> stable_rank(torch.tensor([2.0]).double(), torch.tensor(4.0 + 1.0 + 1.0).double())
    tensor(1.5000, dtype=torch.float64)
    """
    return squares / values[..., 0].square()


def condition(values: Float[Tensor, "*many values"], shape: tuple[int, int]) -> Float[Tensor, "*many"]:
    """How unevenly what is kept is kept: the largest singular value over the smallest above `tolerance`, 1 or more.

    >>> condition(torch.tensor([3.0, 0.5, 1e-17]).double(), (3, 3))
    tensor(6., dtype=torch.float64)
    """
    kept = torch.where(values > tolerance(values, shape)[..., None], values, torch.inf)
    smallest = kept.amin(-1)
    return torch.where(smallest.isfinite(), values[..., 0] / smallest, torch.nan)


def folded(blocks: Iterable[Float[Tensor, "_ inputs"]]) -> Float[Tensor, "kept inputs"]:
    """A matrix with the singular values and right singular vectors of the one whose rows come block by block.

    Of more rows than inputs it keeps the triangle of a QR decomposition, so that a layer may have any number of them:
    never many more than twice the inputs are held.

    >>> tall = torch.arange(24.0).reshape(12, 2).double()
    >>> small = folded(tall.split(5))
    >>> small.shape, bool(torch.allclose(torch.linalg.svdvals(small), torch.linalg.svdvals(tall)))
    (torch.Size([2, 2]), True)
    """
    kept: list[Tensor] = []
    for block in blocks:
        kept.append(block)
        if sum(map(len, kept)) >= 2 * block.shape[1]:
            kept = [_triangle(torch.cat(kept))]
    whole = torch.cat(kept)
    return _triangle(whole) if len(whole) > whole.shape[1] else whole


def _triangle(tall: Tensor) -> Tensor:
    return torch.linalg.qr(tall, mode="r").R


def unseen(
    matrix: Float[Tensor, "rows inputs"], shape: tuple[int, int], vectors: Float[Tensor, "vectors inputs"]
) -> Float[Tensor, " vectors"]:
    """The share of each vector that a matrix maps to nothing: ||P v||^2 / ||v||^2, P onto its numerical null space.

    `matrix` is the whole or what `folded` left of it, `shape` that of the whole, which sets the tolerance. NaN of a
    vector of zeros, and where the matrix is not finite.

    >>> eye = torch.eye(3).double()[:2]
    >>> unseen(eye, (2, 3), torch.tensor([[3.0, 0.0, 4.0]]).double())
    tensor([0.6400], dtype=torch.float64)
    """
    if not matrix.isfinite().all():
        return vectors.new_full((len(vectors),), torch.nan)
    _, values, right = torch.linalg.svd(matrix, full_matrices=False)
    seen = right[values > tolerance(values, shape)]
    left = vectors
    for _ in range(2):  # once more: what rounding left of a large part that is seen
        left = left - left @ seen.T @ seen
    return left.square().sum(1) / vectors.square().sum(1)


@dataclass(frozen=True, eq=False)
class Largest:
    """The largest singular values of a matrix, found by random products, and how well.

    None is too large. None is too small by more than `error`, a bound of ||J - Q Q'J||_2 with Q the space in which they
    were sought: loose, as it is nearer to the Frobenius norm. Within `residuals`, |J v - sigma u|, of each value there
    surely is a singular value of J. `squares` is an unbiased estimate of ||J||_F^2.
    """

    values: Float[Tensor, " values"]
    residuals: Float[Tensor, " values"]
    error: Float[Tensor, ""]
    squares: Float[Tensor, ""]


def largest(
    forward: Product,
    backward: Product,
    shape: tuple[int, int],
    count: int,
    generator: torch.Generator,
    oversampling: int = 10,
    power: int = 2,
    probes: int = 10,
) -> Largest:
    """The `count` largest singular values of a matrix J of which only J v (`forward`) and J' u (`backward`) are given.

    Halko, Martinsson & Tropp 2011, algorithms 4.4 (`power` iterations on count + oversampling random vectors) and 5.1.
    The error is their equation 4.3, 10 sqrt(2 / pi) max |J w - Q Q'J w| over `probes` Gaussian vectors w: it holds with
    probability 1 - 10^-probes. `squares` is what lies in Q, exactly, and Hutchinson's estimate of the rest from the
    same probes (Meyer, Musco, Musco & Woodruff 2021). NaN where a product is not finite.

    >>> J = torch.diag(torch.tensor([5.0, 3.0, 1e-3, 1e-3]).double())
    >>> found = largest(lambda v: v @ J.T, lambda u: u @ J, (4, 4), 2, torch.Generator().manual_seed(0), 0)
    >>> found.values.round(decimals=6), bool(found.error < 0.1)
    (tensor([5., 3.], dtype=torch.float64), True)
    """
    width = min(count + oversampling, *shape)
    drawn = torch.randn(width + probes, shape[1], generator=generator, dtype=torch.float64)
    seen = forward(drawn[:width])
    for _ in range(power):
        seen = forward(_orthonormal(backward(_orthonormal(seen))))
    if not seen.isfinite().all():
        nothing = torch.tensor(math.nan, dtype=torch.float64)
        nothings = nothing.expand(min(count, width))
        return Largest(nothings, nothings, nothing, nothing)
    space = _orthonormal(seen)
    outer, values, inner = torch.linalg.svd(backward(space), full_matrices=False)
    residuals = (forward(inner[:count]) - (values * outer).T[:count] @ space).norm(dim=1)
    tried = forward(drawn[width:])
    rest = (tried - tried @ space.T @ space).norm(dim=1)
    error = 10 * math.sqrt(2 / math.pi) * rest.max()
    return Largest(values[:count], residuals, error, values.square().sum() + rest.square().mean())


def _orthonormal(vectors: Tensor) -> Tensor:
    """Orthonormal vectors that span those given."""
    return vectors if not vectors.isfinite().all() else torch.linalg.qr(vectors.T).Q.T
