"""Lines along the depth of a network, each with a band of one standard error."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seealike.figures.scales import plain_decades
from seealike.figures.style import FONT, plain, root, titled

DEPTH = "normalised depth"
MANY = 4  # lines: their names would cover them


@dataclass(frozen=True, eq=False)
class Line:
    """One line: where, how much, how surely; undefined points are left out."""

    label: str
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray | None = None
    colour: object = "black"
    dash: str = "-"
    marker: str = "o"
    width: float = 0.9  # points


def curves(
    lines: Iterable[Line], ax: Axes | None = None, *, label: str, along: str = DEPTH, title: str = "", log: bool = False
) -> Figure:
    """The lines on one panel; a legend names those that have a label, above the panel where there are many."""
    if ax is None:
        ax = Figure(figsize=(3.6, 2.8), layout="constrained").subplots()
    drawn = [line for line in lines if np.isfinite(line.y).any()]
    handles = [_draw(ax, line, log) for line in drawn]
    named = [(handle, line.label) for handle, line in zip(handles, drawn, strict=True) if line.label]
    if log and drawn:
        ax.set_yscale("log")
        plain_decades(ax.yaxis)
    plain(ax)
    ax.tick_params(which="minor", length=1, width=0.4)
    ax.set_xlabel(along, fontsize=FONT + 1)
    ax.set_ylabel(label, fontsize=FONT + 1)
    over = len(named) >= MANY
    if named:
        above = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1), "ncols": 2, "borderaxespad": 0.2}
        style = {"fontsize": FONT, "frameon": False, "handlelength": 2, "columnspacing": 0.8}
        ax.legend(*zip(*named, strict=True), **style, **(above if over else {"loc": "best"}))
    titled(ax, title, math.ceil(len(named) / 2) if over else 0)
    return root(ax)


def _draw(ax: Axes, line: Line, log: bool) -> Line2D:
    """A band that a logarithmic axis cannot hold, since it reaches zero, ends at the line."""
    style = {"linewidth": line.width, "linestyle": line.dash, "color": line.colour}
    style |= {"marker": line.marker, "markersize": 2.5}
    (handle,) = ax.plot(line.x, line.y, **style)
    if line.error is None or not np.isfinite(line.error).any():
        return handle
    below = line.y - line.error
    least = np.where(below > 0, below, line.y) if log else below
    ax.fill_between(line.x, least, line.y + line.error, color=line.colour, alpha=0.18, linewidth=0)
    return handle
