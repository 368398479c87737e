"""The positions of a tensor as rows and columns of a grid over the image."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seealike.models.places import Places

# Pixels: lines of a grid that lie nearer than this are one.
NEAR = 1e-2


@dataclass(frozen=True, eq=False)
class Raster:
    """rows x columns positions, each row and column crossing once; `order`: their indices in the tensor, row by row."""

    rows: int
    columns: int
    order: Tensor
    centre: tuple[float, float]  # the pixel in the middle of all

    @staticmethod
    def of(places: Places | None) -> "Raster | None":
        """None where the positions that stand for a part of the image form no full grid."""
        if places is None or not places.somewhere.any():
            return None
        somewhere = places.somewhere.flatten().nonzero()[:, 0]
        pixels = places.yx.reshape(2, -1)[:, somewhere]
        row, column = (_line(p) for p in pixels)
        rows, columns = int(row.max()) + 1, int(column.max()) + 1
        rank = row * columns + column
        if len(rank) != rows * columns or len(rank.unique()) != len(rank):
            return None
        y, x = ((p.min() + p.max()).item() / 2 for p in pixels)
        return Raster(rows, columns, somewhere[rank.argsort()], (y, x))

    def positions(self, device: torch.device) -> slice | Tensor:
        """What picks the tokens out of all positions: a slice, which copies nothing, where they lie so."""
        first = int(self.order[0])
        if torch.equal(self.order, torch.arange(first, first + len(self.order))):
            return slice(first, first + len(self.order))
        return self.order.to(device)


def _line(pixels: Tensor) -> Tensor:
    """The row, or the column, that each lies in."""
    ordered, order = pixels.sort()
    line = torch.zeros_like(order)
    line[order[1:]] = (ordered.diff() > NEAR).cumsum(0)
    return line
