"""The middle of a layer: the centre of the grid that its places form, whatever order its positions are kept in."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from seealike.models.graph import Layer
from seealike.models.places import Places
from seealike.models.raster import Raster

Centre = Literal["single", "mean4"]


@dataclass(frozen=True)
class Middle:
    """What lies in the middle of a layer: one position or several, of which the mean is meant.

    `positions` are indices along the dimensions of the layer's places; `pixel` is where their mean lies; `cells` are
    their rows and columns in the layer's grid, which has `grid` rows and columns.
    """

    positions: tuple[tuple[int, ...], ...]
    pixel: tuple[float, float]
    cells: tuple[tuple[int, int], ...]
    grid: tuple[int, int]

    def of(self, rows: Tensor, places: Places) -> Tensor:
        """images x channels: of `rows` (images first) the numbers in the middle; a copy, safe from what overwrites."""
        index: list = [slice(None)] * rows.ndim
        picked = []
        for position in self.positions:
            for dim, at in zip(places.dims, position, strict=True):
                index[dim + 1] = at
            picked.append(rows[tuple(index)].reshape(len(rows), -1))
        return torch.stack(picked).mean(0)


def middle(places: Places, centre: Centre = "single") -> Middle:
    """Row and column g // 2 of a grid of g; "mean4" takes those on both sides of the middle where g is even.

    >>> yx = torch.stack(torch.meshgrid(torch.arange(4) + 0.5, torch.arange(3) + 0.5, indexing="ij"))
    >>> middle(Places((1, 2), yx)).cells, middle(Places((1, 2), yx)).pixel
    (((2, 1),), (2.5, 1.5))
    >>> middle(Places((1, 2), yx), "mean4").cells, middle(Places((1, 2), yx), "mean4").pixel
    (((1, 1), (2, 1)), (2.0, 1.5))
    """
    raster = Raster.of(places)
    assert raster is not None, "its places form no grid"
    cells = [(r, c) for r in _between(raster.rows, centre) for c in _between(raster.columns, centre)]
    flat = raster.order[[r * raster.columns + c for r, c in cells]]
    positions = [tuple(p) for p in torch.ones(places.yx.shape[1:]).nonzero()[flat].tolist()]
    y, x = places.yx.reshape(2, -1)[:, flat].double().mean(1).tolist()
    return Middle(tuple(positions), (y, x), tuple(cells), (raster.rows, raster.columns))


def no_middle(layer: Layer) -> str | None:
    """Why a layer has no middle; None where it has one."""
    if layer.places is None:
        return "its places in the image could not be found"
    if not layer.places.somewhere.any():
        return "none of its positions stands for a part of the image"
    return None if Raster.of(layer.places) else "its places form no grid"


def _between(size: int, centre: Centre) -> tuple[int, ...]:
    return (size // 2 - 1, size // 2) if centre == "mean4" and size % 2 == 0 else (size // 2,)
