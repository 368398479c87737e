"""Who is near whom in a layer, and how near the neighbours of one layer are in another.

Equal distances have no order: where they decide, the value is the mean over all ways to order them at random, exactly
and without a draw. So a value has no noise of its own, and two layers never agree by the order of their images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from seealike.maths.centring import about_centre

Metric = Literal["euclidean", "cosine"]

BLOCK_BYTES = 1 << 22  # of distances that are held, and sorted, at a time: they should stay in the cache


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest images of each image: `columns`, and with which probability each is one of the k (`weights`).

    images x k, and 1, but where images are equally far: then all of those are there, and share what is left of k (and
    where others have more of them, columns of weight 0 fill the row).
    Images that are all the same have no neighbours: their weights are NaN. `rows` are what the distances are of.
    """

    rows: Tensor
    columns: Tensor
    weights: Tensor
    metric: Metric

    @property
    def constant(self) -> bool:
        return bool(self.weights.isnan().any())


def neighbours(rows: Float[Tensor, "n p"], k: int, metric: Metric = "euclidean") -> Neighbours:
    """The k nearest other images of each image, by the distance of their rows; k is at most n - 2.

    Distances are in the dtype of the rows, or float32 where that is less. The cosine's are those of the rows scaled
    to length 1 (a row of zeros stays one).

    >>> near = neighbours(torch.tensor([[0.0], [1.0], [3.0], [3.0], [9.0]]), 1)
    >>> near.weights[:, 0].tolist()  # of the last, both of those at 3
    [1.0, 1.0, 1.0, 1.0, 0.5]
    >>> near.columns[:4, 0].tolist(), near.columns[4].tolist()
    ([1, 0, 3, 2], [2, 3])
    """
    x = _points(rows, metric)
    if not (x != x[:1]).any():
        empty = torch.zeros(len(x), 1, dtype=torch.int64)
        return Neighbours(rows, empty, torch.full(empty.shape, torch.nan), metric)
    found = [_nearest(block, k) for _, block in _blocks(x)]
    most = max(columns.shape[1] for columns, _ in found)
    columns, weights = (
        torch.cat([pad(p, (0, most - p.shape[1])) for p in parts]) for parts in zip(*found, strict=True)
    )
    return Neighbours(rows, columns, weights, metric)


def ranks(near: Neighbours, other: Neighbours) -> Float[Tensor, "n m"]:
    """How near the neighbours in one layer are in another: 1 where its nearest, n - 1 where its farthest, of n images.

    Of equal distances each has the mean of their ranks. The image itself is 0, also among images equal to it.

    >>> x = torch.tensor([[0.0], [1.0], [3.0], [7.0], [15.0]])
    >>> ranks(neighbours(x, 2), neighbours(x, 1))[0].tolist()
    [1.0, 2.0]
    """
    parts = [_ranks(block, near.columns[rows]) for rows, block in _blocks(_points(other.rows, other.metric))]
    return torch.cat(parts)


def mean_ranks(near: Sequence[Neighbours], other: Neighbours) -> Float[Tensor, " layers"]:
    """The mean rank in one layer of the neighbours in each of others; NaN where either is the same for all images."""
    total = torch.zeros(len(near), dtype=torch.float64)
    if other.constant:
        return total + torch.nan
    sizes = [one.columns.shape[1] for one in near]
    for rows, block in _blocks(_points(other.rows, other.metric)):
        found = _ranks(block, torch.cat([one.columns[rows] for one in near], 1)).split(sizes, 1)
        total += torch.stack([(r * one.weights[rows]).sum() for r, one in zip(found, near, strict=True)])
    return total / torch.stack([one.weights.sum(dtype=torch.float64) for one in near])


def rescaled(rank: Tensor, k: int, n: int) -> Tensor:
    """0 for the mean rank of the k nearest themselves among n images, 1 for that of any: whatever k and n.

    >>> rescaled(torch.tensor([1.0, 50.0]), 1, 100).tolist(), rescaled(torch.tensor([5.5, 50.0]), 10, 100).tolist()
    ([0.0, 1.0], [0.0, 1.0])
    """
    return (2 * rank - (k + 1)) / (n - 1 - k)


def overlaps(a: Sequence[Neighbours], b: Sequence[Neighbours]) -> Float[Tensor, "p q"]:
    """The share of the neighbours in a layer of `a` that are neighbours in one of `b` too; NaN as in `mean_ranks`.

    >>> one = neighbours(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), 1)
    >>> overlaps([one], [one]).tolist()
    [[1.0]]
    """
    n, sizes = len(a[0].rows), [one.columns.shape[1] for one in b]
    total = torch.zeros(len(a), len(b), dtype=torch.float64)
    for start in range(0, n, size := _size(n, 4)):
        rows = slice(start, start + size)
        columns, weights = (torch.cat([getattr(one, x)[rows] for one in b], 1) for x in ("columns", "weights"))
        table = torch.zeros(len(columns), n)
        for i, one in enumerate(a):
            table.scatter_add_(1, one.columns[rows], one.weights[rows])  # what pads adds nothing
            both = (table.gather(1, columns) * weights).split(sizes, 1)
            total[i] += torch.stack([x.sum(dtype=torch.float64) for x in both])
            table.scatter_(1, one.columns[rows], 0)
    return total / torch.stack([one.weights.sum(dtype=torch.float64) for one in a])[:, None]


def _points(rows: Tensor, metric: Metric) -> Tensor:
    """What distances are taken between."""
    x = rows if rows.dtype == torch.float64 else rows.float()
    if metric == "cosine":
        length = x.norm(dim=1, keepdim=True)
        x = x / torch.where(length > 0, length, 1)
    return about_centre(x)


def _blocks(x: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Some images at a time: images x all, |y|^2 - 2 x.y, in the order of the distances; -inf for each to itself."""
    square = x.square().sum(1)
    size = _size(len(x), x.element_size())
    for start in range(0, len(x), size):
        block = torch.addmm(square, x[start : start + size], x.T, alpha=-2)
        block.diagonal(start).fill_(-torch.inf)
        yield slice(start, start + size), block


def _size(n: int, each: int) -> int:
    return max(1, BLOCK_BYTES // (n * each))


def _nearest(block: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Columns and weights of the k nearest in each row, after the image itself."""
    least = block.topk(k + 2, largest=False)
    last, beyond = least.values[:, k, None], least.values[:, k + 1, None]
    if not (last == beyond).any():
        columns = least.indices[:, 1 : k + 1]
        return columns, torch.ones(columns.shape)
    nearer, edge = (block < last) & (block > -torch.inf), block == last
    share = (k - nearer.sum(1, keepdim=True)) / edge.sum(1, keepdim=True)
    weights, columns = (nearer + edge * share).topk(int((nearer | edge).sum(1).max()))
    return columns, weights


def _ranks(block: Tensor, columns: Int[Tensor, "r m"]) -> Float[Tensor, "r m"]:
    """Ranks of some columns of each row: how many are nearer, and half of those as near. It sorts the block itself."""
    distance = block.gather(1, columns)
    # Only the values, and by numpy: several times as fast as torch, and far faster than the order of them.
    block.numpy().sort(1)
    nearer, not_farther = (torch.searchsorted(block, distance, right=right) for right in (False, True))
    return (nearer + not_farther - 1).double() / 2
