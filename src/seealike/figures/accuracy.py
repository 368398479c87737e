"""How often networks are right, a line a network, and what each has lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seealike.figures.answers import errors, title
from seealike.figures.repeats import Line, lines
from seealike.figures.style import FONT, THIN, plain, root, shade, titled

SPREAD = 0.3  # of a line's height, that its repeats take


def accuracy(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """A line a network with a point a repeat, its standard error where it is known, and a bar at the mean of several.

    Networks that lack something, by their tags, stand below the whole one, and a dotted rule leads down from it.
    """
    found, shown = errors(dataset, "accuracy", error), rows(dataset)
    if ax is None:
        ax = Figure(figsize=(4.2, max(1.6, 0.7 + 0.22 * len(shown))), layout="constrained").subplots()
    families = list(dict.fromkeys(i if row.line.of is None else row.line.of for i, row in enumerate(shown)))
    for i, row in enumerate(shown):
        family = i if row.line.of is None else row.line.of
        _draw(ax, i, row, shade(families.index(family) / max(len(families) - 1, 1)), found is not None)
        below = [j for j, other in enumerate(shown) if other.line.of == i]
        if below:
            ax.plot([row.mean] * 2, [i, max(below) + 0.4], ":", color="0.6", linewidth=0.8, zorder=0)
    ax.set_yticks(range(len(shown)), [row.name for row in shown])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_xlabel(str(dataset.accuracy.attrs.get("long_name") or "accuracy"), fontsize=FONT + 1)
    plain(ax)
    ax.grid(axis="y", color="0.92", linewidth=THIN)
    ax.set_axisbelow(True)
    titled(ax, title(dataset.attrs))
    return root(ax)


@dataclass(frozen=True, eq=False)
class Row:
    """A line of networks with its values, and what it lost on average (NaN: nothing was taken from it)."""

    line: Line
    values: np.ndarray
    errors: np.ndarray
    lost: float

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def name(self) -> str:
        """`vit (3)` where there are three repeats."""
        return f"{self.line.label} ({len(self.values)})" if len(self.values) > 1 else self.line.label


def rows(dataset: xr.Dataset, name: str = "accuracy") -> list[Row]:
    """The networks of an answer, from the top, with one of its variables and what they lost of it."""
    found = lines(_models(dataset))
    values = [dataset[name].sel(model=list(line.models)).values for line in found]
    error = dataset.get(f"{name}_se", dataset[name] * np.nan)
    return [
        Row(
            line,
            values[i],
            error.sel(model=list(line.models)).values,
            float("nan") if line.of is None else float(values[line.of].mean() - values[i].mean()),
        )
        for i, line in enumerate(found)
    ]


def _models(dataset: xr.Dataset) -> Mapping[str, Any]:
    """What is known of the models of an answer, which may be a part of it."""
    known = dataset.attrs.get("models") or {}
    return {name: known.get(name, {}) for name in map(str, dataset["model"].values)}


def _draw(ax: Axes, at: int, row: Row, colour: Any, barred: bool) -> None:
    count = len(row.values)
    heights = at + (SPREAD * (np.arange(count) / (count - 1) - 0.5) if count > 1 else np.zeros(1))
    bars = row.errors if barred and np.isfinite(row.errors).all() else None
    style = {"fmt": "o", "markersize": 3, "elinewidth": 0.8, "color": colour, "alpha": 0.55 if count > 1 else 1}
    ax.errorbar(row.values, heights, xerr=bars, **style)
    if count > 1:
        ax.plot([row.mean] * 2, [at - 0.32, at + 0.32], color=colour, linewidth=1.4, solid_capstyle="butt")
