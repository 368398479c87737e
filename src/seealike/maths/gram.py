"""The Gram matrix of centred features: all that CKA needs to know of a layer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float
from threadpoolctl import ThreadpoolController
from torch import Tensor

# Columns at a time. A centred chunk should stay in a core's own cache; on a device, launches should be few.
CHUNK_BYTES, FEWEST_COLUMNS = 1 << 20, 1 << 10
DEVICE_CHUNK_BYTES = 1 << 28
CENTRE = 16
BLAS = ThreadpoolController()


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
    if x.device.type != "cpu":
        return _on_device(_columns(x, max(FEWEST_COLUMNS, DEVICE_CHUNK_BYTES // (4 * n))), x)
    width = max(FEWEST_COLUMNS, CHUNK_BYTES // (4 * n))
    return _on_cpu(list(_columns(x, width)), n, _summed(x.dtype))


def _columns(x: Tensor, width: int) -> Iterator[Tensor]:
    """Matrices of at most about `width` columns that together hold every feature once."""
    n = x.shape[0]
    try:
        yield from x.view(n, -1).split(width, 1)
    except RuntimeError:  # the features do not lie in one piece (folded batches): piece by piece
        per_slice = max(1, x[:, 0].numel() // n)
        for piece in x.split(max(1, width // per_slice), 1):
            yield from piece.reshape(n, -1).split(width, 1)


def _on_device(chunks: Iterator[Tensor], like: Tensor) -> Tensor:
    total = like.new_zeros(like.shape[0], like.shape[0], dtype=_summed(like.dtype))
    for columns in chunks:
        centred = columns.to(total.dtype) - _some(columns).mean(0, dtype=total.dtype)
        total.addmm_(centred, centred.T)
    return total


def _on_cpu(chunks: list[Tensor], n: int, dtype: torch.dtype) -> Tensor:
    """A thread a core, each on its own chunks: NumPy halves the operations of a matrix by its own transpose."""
    threads = min(torch.get_num_threads(), len(chunks))
    with BLAS.limit(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        shares = list(pool.map(lambda i: _product(chunks[i::threads], n, dtype), range(threads)))
    return torch.from_numpy(sum(shares[1:], shares[0]))


@np.errstate(over="ignore", invalid="ignore")  # what is no number is refused with its layer's name, later
def _product(chunks: list[Tensor], n: int, dtype: torch.dtype) -> np.ndarray:
    total = np.zeros((n, n), np.float64 if dtype == torch.float64 else np.float32)
    room = np.empty((n, max(c.shape[1] for c in chunks)), total.dtype)
    for chunk in chunks:
        columns = chunk.to(dtype).numpy()
        centred = np.subtract(columns, _some(columns).mean(0), out=room[:, : columns.shape[1]])
        total += centred @ centred.T
    return total


def _some(columns):
    """Sixteen images at most: their mean is as good a centre, and the features are read once, not twice."""
    return columns[:: -(-len(columns) // CENTRE)]


def _summed(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
