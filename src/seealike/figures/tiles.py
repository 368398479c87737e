"""A token's map of the image at the token's place: a grid of maps, of which at most a few a side are shown."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from seealike.figures.choosing import evenly

SIDE = 7  # maps to a side


@dataclass(frozen=True, eq=False)
class Tiles:
    """The maps chosen, (row, column, y, x), and where in the layer's grid of tokens they stand."""

    values: np.ndarray
    rows: list[int]
    columns: list[int]
    grid: tuple[int, int]

    @property
    def tokens(self) -> list[int]:
        """Raster indices of the chosen tokens, line by line."""
        return [row * self.grid[1] + column for row in self.rows for column in self.columns]

    @property
    def whole(self) -> bool:
        """Whether every token of the layer is among them."""
        return (len(self.rows), len(self.columns)) == self.grid


def tiles(layer: xr.DataArray, side: int = SIDE) -> Tiles:
    """Of one layer's (token, y, x), padded with NaN at the ends, the maps of evenly chosen tokens.

    A layer's tokens stand on the grid of its patches, so a map is as wide as the grid: `rows` by `columns`, where the
    answer says them.

    >>> chosen = tiles(xr.DataArray(np.zeros((64, 8, 8)), dims=("token", "y", "x")), side=3)
    >>> chosen.rows, chosen.grid, chosen.values.shape, chosen.tokens[:4]
    ([0, 4, 7], (8, 8), (3, 3, 8, 8), [0, 4, 7, 32])
    """
    values = layer.transpose("token", "y", "x").values
    said = "rows" in layer.coords and "columns" in layer.coords
    high, wide = (int(layer["rows"]), int(layer["columns"])) if said else grid(values)
    rows, columns = evenly(high, side), evenly(wide, side)
    maps = [[values[r * wide + c, :high, :wide] for c in columns] for r in rows]
    return Tiles(np.array(maps, float), rows, columns, (high, wide))


def grid(values: np.ndarray) -> tuple[int, int]:
    """Height and width of the grid: as far as anything is defined, or all of it where nothing is."""
    defined = np.isfinite(values)
    if not defined.any():
        defined = np.ones_like(defined)
    high, wide = (int(np.flatnonzero(defined.any(axes))[-1]) + 1 for axes in ((0, 2), (0, 1)))
    return high, wide
