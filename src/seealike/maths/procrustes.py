"""Layers as shapes: the angle that is left between two of them after the best rotation of one onto the other."""

from collections.abc import Sequence

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float
from torch import Tensor

ROOM = 1 << 22  # numbers of cross products whose singular values are sought at a time


def shape(rows: Float[Tensor, "images numbers"], width: int) -> Float[Tensor, "images kept"]:
    """The images as points of a shape: centred, its `width` principal components, of norm 1 altogether.

    Fewer components where there are fewer numbers or images; NaN where all images are the same. In float64.

    >>> shape(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), 1).abs()
    tensor([[0.7071],
            [0.7071]], dtype=torch.float64)
    """
    x = rows.double()
    x = x - x.mean(0)
    if not x.any():
        return torch.full((len(x), 1), torch.nan, dtype=torch.float64)
    scores = _components(x, min(width, x.shape[1], max(len(x) - 1, 1)))
    return scores / scores.norm()


def _components(x: Tensor, count: int) -> Tensor:
    """The leading principal components, from the smaller of the two matrices of products."""
    n, p = x.shape
    if count == p:
        return x  # all of it: a rotation more or less is no matter
    products = (x.T @ x if p <= n else x @ x.T).numpy()
    last = len(products) - 1
    values, vectors = scipy.linalg.eigh(products, subset_by_index=(last - count + 1, last))
    leading = torch.from_numpy(np.ascontiguousarray(vectors))
    return x @ leading if p <= n else leading * torch.from_numpy(values).clamp_min(0).sqrt()


def angles(a: Sequence[Tensor], b: Sequence[Tensor]) -> Float[Tensor, "a b"]:
    """The angle in radians between every shape of `a` and every one of `b`: arccos of the sum of X'Y's singular values.

    Exactly 0 between a shape and itself; NaN with one that is undefined.  Williams et al. 2021, eq. 10.

    >>> x = shape(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, -2.0]]), 2)
    >>> turned = x.flip(1)
    >>> angles([x, turned], [x]).round(decimals=6)
    tensor([[0.],
            [0.]], dtype=torch.float64)
    """
    left, right = _joined(a), _joined(b)
    mirrored = len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
    found = torch.full((len(a), len(b)), torch.nan, dtype=torch.float64)
    for i in range(len(a)):
        first = i if mirrored else 0
        found[i, first:] = _nuclear(left[i], right[first:])
        if mirrored:
            found[i:, i] = found[i, i:].clone()
    same = torch.tensor([[x is y for y in b] for x in a]) & found.isfinite()
    return torch.where(same, 0.0, found.clamp(max=1).arccos())


def _joined(shapes: Sequence[Tensor]) -> Tensor:
    """One beside the other, as wide as the widest: columns of zeros change no angle."""
    width = max(x.shape[1] for x in shapes)
    return torch.stack([torch.nn.functional.pad(x, (0, width - x.shape[1])) for x in shapes])


def _nuclear(x: Tensor, others: Tensor) -> Tensor:
    """The sum of the singular values of X'Y for every Y; NaN where one is undefined."""
    found = []
    for some in others.split(max(1, ROOM // (x.shape[1] * others.shape[2]))):
        cross = x.T @ some
        known = cross.isfinite().all(-1).all(-1)
        values = torch.linalg.svdvals(torch.where(known[:, None, None], cross, 0.0)).sum(-1)
        found.append(torch.where(known, values, torch.nan))
    return torch.cat(found)
