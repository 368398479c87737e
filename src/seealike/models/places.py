"""Where the numbers of a tensor are: which image, which pixel, which channel.

A `Places` says it for one image of a tensor: along which dimensions the position changes, and the
pixel (row, column; the centre of what the position covers) at each. A token that stands for no part
of the image (CLS, registers) is at minus infinity, a padded position at plus infinity: both compare equal
to themselves, as NaN would not.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# A position that stands for no part of the image, and one that only fills up a window.
NOWHERE, PADDING = float("-inf"), float("inf")


@dataclass(frozen=True)
class ImageAxis:
    """Along which dimension of a tensor the images lie, and how it is folded.

    The size of `dim` is outer * images * inner: batch-major windows have inner > 1, batch-minor
    tokens outer > 1, and where nothing is folded both are 1.
    """

    dim: int
    outer: int = 1
    inner: int = 1

    def rows(self, x: Tensor) -> Tensor:
        """`x` with the images as its first dimension; no number is copied.

        >>> ImageAxis(0, inner=2).rows(torch.arange(6.)).tolist()
        [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
        """
        x = x.movedim(self.dim, 0)
        if self.outer == self.inner == 1:
            return x
        x = x.unflatten(0, (self.outer, -1, self.inner)).movedim(1, 0)
        return x.squeeze(2) if self.inner == 1 else x.squeeze(1) if self.outer == 1 else x

    def of_one(self, dim: int) -> int:
        """Where another dimension of the tensor is in the tensor of one image."""
        return dim - (dim > self.dim) + (self.outer > 1) + (self.inner > 1)


@dataclass(frozen=True, eq=False)
class Places:
    """The pixel at each position of one image's tensor: `yx` is 2 x the sizes of `dims`."""

    dims: tuple[int, ...]
    yx: Tensor

    @property
    def somewhere(self) -> Tensor:
        """Positions that stand for a part of the image."""
        return torch.isfinite(self.yx).all(0)

    @property
    def nowhere(self) -> Tensor:
        """Positions that stand for no part of the image: CLS tokens, registers."""
        return (self.yx == NOWHERE).any(0)


def constant(yx: Tensor, dim: int) -> bool:
    """Is the place the same all along a dimension?"""
    if yx.shape[dim] == 1 or yx.stride(dim) == 0:
        return True
    first, last = yx.narrow(dim, 0, 1), yx.narrow(dim, -1, 1)
    return bool((first == last).all()) and bool((yx == first).all())


def shrunk(yx: Tensor) -> Tensor:
    """The same places with size 1 wherever they do not change, the component apart."""
    for dim in sorted(range(1, yx.ndim), key=lambda d: -yx.shape[d]):
        if constant(yx, dim):
            yx = yx.narrow(dim, 0, 1)
    return yx


def of_one_image(yx: Tensor, axis: ImageAxis) -> Places | None:
    """The places of one image from those of a whole batch; None where they differ between images."""
    rows = torch.stack([axis.rows(c) for c in yx])
    if not constant(rows, 1):
        return None
    one = shrunk(rows[:, 0])
    dims = tuple(d - 1 for d in range(1, one.ndim) if one.shape[d] > 1)
    return Places(dims, one.reshape(2, *(s for s in one.shape[1:] if s > 1)).clone())
