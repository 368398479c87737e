"""Networks as paths: their steps, how far they go at equal lags, a map of them, how far they are from each other."""

from itertools import combinations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seealike.figures.answers import errors, title
from seealike.figures.curves import Line, curves
from seealike.figures.layers import Segment, segments
from seealike.figures.style import FONT, THIN, plain, root, shade, titled
from seealike.maths.paths import matched

PAIRS = 6  # of networks, that have a name each
FINE = 41  # depths at which two networks are compared


def trajectory(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """Four panels: steps along depth, structure function, map, distance between networks at the same depth.

    On axes of your own, the steps. Bands are one standard error, wherever it is known.
    """
    errors(dataset, "step", error)  # refuses what there is not
    if ax is not None:
        return _steps(dataset, ax, title(dataset.attrs))
    several = dataset.sizes["model"] > 1
    figure = Figure(figsize=(7.2, 5.8) if several else (9, 2.8), layout="constrained")
    steps, structure, plane, *between = figure.subplots(*((2, 2) if several else (1, 3))).ravel()
    _steps(dataset, steps, title(dataset.attrs))
    _structure(dataset, structure)
    _plane(dataset, plane)
    for panel in between:
        _between(dataset, panel)
    return figure


def _models(dataset: xr.Dataset) -> list[tuple[Segment, tuple[float, float, float, float]]]:
    """The layers of each network, and its colour in all panels."""
    found = segments([str(layer) for layer in dataset["layer"].values])
    return [(one, shade(i / max(len(found) - 1, 1))) for i, one in enumerate(found)]


def _steps(dataset: xr.Dataset, ax: Axes, said: str) -> Figure:
    """Each step stands half way between its two layers."""
    lines = []
    for one, colour in _models(dataset):
        here = slice(one.start, one.stop - 1)
        depth = dataset["depth"].values[one.start : one.stop]
        bars = dataset["step_se"].values[here] if "step_se" in dataset else None
        lines.append(Line(one.model, (depth[1:] + depth[:-1]) / 2, dataset["step"].values[here], bars, colour))
    curves(lines, ax, label=_label(dataset["step"]), title=said)
    ax.set_ylim(bottom=0)
    return root(ax)


def _structure(dataset: xr.Dataset, ax: Axes) -> None:
    values, known = dataset["structure"].transpose("model", "lag"), dataset.get("structure_se")
    bars = None if known is None else known.transpose("model", "lag").values
    lag = dataset["lag"].values.astype(float)
    lines = [
        Line("", lag, values.values[i], None if bars is None else bars[i], colour)
        for i, (_, colour) in enumerate(_models(dataset))
    ]
    curves(lines, ax, label=_far(dataset), along="lag, share of the depth", title="structure function")
    ax.set_xlim(0, max(1.02 * lag.max(), 0.1))
    ax.set_ylim(bottom=0)


def _plane(dataset: xr.Dataset, ax: Axes) -> None:
    """A path through its layers from an open ring to a square; only distances mean anything, so there are no ticks."""
    x, y = dataset["map"].transpose("axis", "layer").values
    for one, colour in _models(dataset):
        here = np.arange(one.start, one.stop)
        here = here[np.isfinite(x[here])]
        if not len(here):
            continue
        ax.plot(x[here], y[here], "-o", color=colour, linewidth=0.9, markersize=2)
        ax.plot(x[here[0]], y[here[0]], "o", color=colour, markerfacecolor="white", markersize=6)
        ax.plot(x[here[-1]], y[here[-1]], "s", color=colour, markersize=5)
    plain(ax)
    ax.set(xticks=(), yticks=())
    for spine in ax.spines.values():
        spine.set(visible=True, linewidth=THIN)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.1)
    ax.set_xlabel("first layer ○, last ■", fontsize=FONT + 1)
    titled(ax, "map of all layers (MDS)")


def _between(dataset: xr.Dataset, ax: Axes) -> None:
    """Of each two networks; of many pairs, all faintly and their mean."""
    at, models = np.linspace(0, 1, FINE), [one for one, _ in _models(dataset)]
    values, depth = dataset["distance"].values, dataset["depth"].values
    error = dataset["distance_se"].values if "distance_se" in dataset else None
    pairs = list(combinations(models, 2))
    few = len(pairs) <= PAIRS
    lines = []
    for i, (a, b) in enumerate(pairs):
        rows, columns = (slice(one.start, one.stop) for one in (a, b))
        y, bars = (
            None if whole is None else matched(whole[rows, columns], depth[rows], depth[columns], at)
            for whole in (values, error)
        )
        assert y is not None
        colour = shade(i / max(len(pairs) - 1, 1)) if few else "0.75"
        lines.append(Line(f"{a.model}, {b.model}" if few else "", at, y, bars if few else None, colour, marker=""))
    if not few:
        lines.append(Line(f"mean of {len(pairs)} pairs", at, np.mean([line.y for line in lines], 0), marker=""))
    curves(lines, ax, label=_far(dataset), title="between networks at equal depth")
    ax.set_ylim(bottom=0)


def _far(dataset: xr.Dataset) -> str:
    return _label(dataset["distance"])


def _label(array: xr.DataArray) -> str:
    """`CKA angle, radian`."""
    said, unit = str(array.attrs.get("long_name") or array.name), str(array.attrs.get("units") or "1")
    return said if unit == "1" else f"{said}, {unit}"
