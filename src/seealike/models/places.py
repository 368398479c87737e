"""Where the numbers of a tensor are: which image, which pixel, which channel.

A `Places` says it for one image of a tensor: along which dimensions the position changes, and the
pixel (row, column; the centre of what the position covers) at each. A token that stands for no part
of the image (CLS, registers) has place NaN; a padded position, infinity.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# A position that stands for no part of the image, and one that only fills up a window.
NOWHERE, PADDING = float("nan"), float("inf")


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
        return torch.isnan(self.yx).any(0)


def same(a: Tensor, b: Tensor) -> bool:
    """Equal, NaN and infinity included."""
    return bool(((a == b) | (a.isnan() & b.isnan())).all())


def constant(yx: Tensor, dim: int) -> bool:
    """Is the place the same all along a dimension?"""
    return yx.shape[dim] == 1 or yx.stride(dim) == 0 or same(yx, yx.narrow(dim, 0, 1))


def of_one_image(yx: Tensor, axis: ImageAxis) -> Places | None:
    """The places of one image from those of a whole batch; None where they differ between images."""
    rows = torch.stack([axis.rows(c) for c in yx])
    if not constant(rows, 1):
        return None
    one = rows[:, 0]
    dims = tuple(d for d in range(one.ndim - 1) if not constant(one, d + 1))
    for d in range(one.ndim - 1, 0, -1):
        if d - 1 not in dims:
            one = one.select(d, 0)
    return Places(dims, one.clone())
