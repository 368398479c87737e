"""The Gram matrix of centred features: all that CKA needs to know of a layer."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

# Columns at a time: on a CPU a centred chunk should stay in the cache, on a device launches should be few.
CHUNK_BYTES = {"cpu": 1 << 23}
DEVICE_CHUNK_BYTES = 1 << 28
FEWEST_COLUMNS = 1 << 10
# Rows at a time: the matrix is symmetric, so blocks above its diagonal need not be computed.
BLOCK = 128
CENTRE = 16


def gram(x: Float[Tensor, "n ..."]) -> Float[Tensor, "n n"]:
    """How alike each two images look to a layer: inner products of their features, centred over the images.

    K = Y Y', where Y is the n x p matrix of the features less their mean over (up to 16 of) the n images. A shift of
    the features changes no centred or U-centred statistic, and this one keeps float32 accurate where the mean is far
    larger than the spread. The features are read once, in the order of their memory, in chunks of columns; half
    precision is summed in float32.

    >>> gram(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    n = x.shape[0]
    x = x.detach().permute(0, *sorted(range(1, x.ndim), key=lambda d: -x.stride(d)))
    width = max(FEWEST_COLUMNS, CHUNK_BYTES.get(x.device.type, DEVICE_CHUNK_BYTES) // (4 * n))
    number = torch.float64 if x.dtype == torch.float64 else torch.float32
    total = x.new_zeros(n, n, dtype=number)
    room = x.new_empty(n, min(width, x[0].numel()), dtype=number)
    for columns in _columns(x, width):
        # Into the same room each time: rows that lie far apart in memory are read once and then lie together.
        centred = room[:, : columns.shape[1]]
        torch.sub(columns, _some(columns).mean(0, dtype=number), out=centred)
        for top in range(0, n, BLOCK):
            below = slice(top, top + BLOCK)
            total[below, : top + BLOCK].addmm_(centred[below], centred[: top + BLOCK].T)
    return total.tril() + total.tril(-1).T if n > BLOCK else total


def grams(x: Float[Tensor, "n p ..."]) -> Float[Tensor, "p n n"]:
    """The Gram matrix of each of the p parts of every image, such as its tokens: together they are that of all.

    As `gram`, for many small parts: some of them at a time are centred into the same room and multiplied as a batch.
    A part that is the same for all images has a Gram of zeros, exactly.

    >>> grams(torch.tensor([[1.0, 5.0], [3.0, 5.0]])).tolist()
    [[[1.0, -1.0], [-1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    """
    n, p = x.shape[:2]
    x = x.detach()
    number = torch.float64 if x.dtype == torch.float64 else torch.float32
    most = CHUNK_BYTES.get(x.device.type, DEVICE_CHUNK_BYTES) // (4 * n)
    many = max(1, min(p, most // max(1, x[0, 0].numel())))
    room = x.new_empty(many, n, *x.shape[2:], dtype=number)
    total = x.new_empty(p, n, n, dtype=number)
    for start in range(0, p, many):
        parts = x[:, start : start + many].transpose(0, 1)
        centred = room[: len(parts)]
        # In float64 the mean of equal numbers is that number.
        mean = _some(parts.transpose(0, 1)).mean(0, dtype=torch.float64).to(number)
        torch.sub(parts, mean[:, None], out=centred)
        features = centred.flatten(2) if centred.ndim > 2 else centred[..., None]
        # With out=, also where autocast would multiply in half precision.
        torch.bmm(features, features.mT, out=total[start : start + many])
    return total


def _columns(x: Tensor, width: int) -> Iterator[Tensor]:
    """Matrices of at most `width` columns that together hold every feature once."""
    n = x.shape[0]
    try:
        yield from x.view(n, -1).split(width, 1)
    except RuntimeError:  # the features do not lie in one piece (folded batches): piece by piece
        per_slice = max(1, x[:, 0].numel() // n)
        for piece in x.split(max(1, width // per_slice), 1):
            yield from piece.reshape(n, -1).split(width, 1)


def _some(columns: Tensor) -> Tensor:
    """Sixteen images at most: their mean is as good a centre, and the features are read once, not twice."""
    return columns[:: -(-len(columns) // CENTRE)]
