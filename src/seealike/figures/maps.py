"""Maps over the image, many small ones side by side, each named."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure, SubFigure

from seealike.figures.style import FONT, THIN, UNDEFINED

COLUMNS = 6


@dataclass(frozen=True, eq=False)
class Map:
    """One map, the upper left of the image at its upper left; what is written under it; which values its colours span.

    Without a `span` they go from zero, or from its least value where that is negative, to its greatest.
    """

    values: np.ndarray
    caption: str
    span: tuple[float, float] | None = None


def maps(
    maps: Sequence[Map], into: Figure | SubFigure | None = None, *, colours: str = "magma", columns: int = COLUMNS
) -> Figure:
    """A grid of maps, at most `columns` in a line, read line by line; each has its own colours."""
    rows, columns = shape(len(maps), columns)
    if into is None:
        into = Figure(figsize=(1.2 * columns, 1.45 * rows), layout="constrained")
    axes = into.subplots(rows, columns, squeeze=False).ravel()
    for ax, one in zip(axes, maps, strict=False):
        least, most = one.span or span(one.values)
        cmap = colormaps[colours].with_extremes(bad=UNDEFINED)
        ax.imshow(one.values, cmap=cmap, vmin=least, vmax=most, interpolation="nearest")
        ax.set(xticks=(), yticks=())
        ax.set_xlabel(one.caption, fontsize=FONT - 1, labelpad=2)
        for spine in ax.spines.values():
            spine.set_linewidth(THIN)
    for ax in axes[len(maps) :]:
        ax.remove()
    figure = into.figure if isinstance(into, SubFigure) else into
    assert isinstance(figure, Figure)
    return figure


def shape(count: int, columns: int = COLUMNS) -> tuple[int, int]:
    """Rows and columns of so many maps.

    >>> shape(24), shape(5), shape(8), shape(13)
    ((4, 6), (1, 5), (2, 4), (3, 5))
    """
    rows = math.ceil(count / columns)
    return max(rows, 1), max(math.ceil(count / max(rows, 1)), 1)


def span(values: np.ndarray) -> tuple[float, float]:
    """From zero, or from the least value where that is negative, to the greatest; of nothing defined, 0 to 1.

    >>> span(np.array([0.2, 0.5, np.nan])), span(np.array([-0.25, 0.0])), span(np.array([np.nan]))
    ((0.0, 0.5), (-0.25, 0.0), (0.0, 1.0))
    """
    finite = values[np.isfinite(values)].astype(float)
    least, most = (min(0.0, float(finite.min())), float(finite.max())) if finite.size else (0.0, 1.0)
    return (least, most) if most > least else (least, least + 1.0)
