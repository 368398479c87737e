"""The Gram matrix of centred features: all that CKA needs to know of a layer."""

import torch
from jaxtyping import Float
from torch import Tensor

# Columns at a time: small enough that a centred chunk stays in the processor's cache.
CHUNK_BYTES = 1 << 22


def gram(x: Float[Tensor, "n ..."], chunk_bytes: int = CHUNK_BYTES) -> Float[Tensor, "n n"]:
    """How alike each two images look to a layer: inner products of their features, centred over the images.

    K = Y Y', where Y is the n x p matrix of the features less their mean over the n images. Centring changes no
    centred or U-centred statistic and keeps float32 accurate where the mean is far larger than the spread. The
    features are read once, in the order of their memory, in chunks of columns; half precision is summed in float32.

    >>> gram(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    n = x.shape[0]
    x = x.permute(0, *sorted(range(1, x.ndim), key=lambda d: -x.stride(d)))
    total = x.new_zeros(n, n, dtype=torch.float64 if x.dtype == torch.float64 else torch.float32)
    width = max(256, chunk_bytes // (4 * n))
    for columns in _columns(x, width):
        centred = columns.to(total.dtype) - columns.mean(0, dtype=total.dtype)
        total.addmm_(centred, centred.T)
    return total


def _columns(x: Tensor, width: int):
    """Matrices of at most about `width` columns that together hold every feature once."""
    n = x.shape[0]
    try:
        yield from x.view(n, -1).split(width, 1)
    except RuntimeError:  # the features do not lie in one piece (folded batches): piece by piece
        per_slice = max(1, x[:, 0].numel() // n)
        for piece in x.split(max(1, width // per_slice), 1):
            yield from piece.reshape(n, -1).split(width, 1)
