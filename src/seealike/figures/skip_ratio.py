"""Skip connections against long branches: which tokens are carried, and how deep."""

from collections.abc import Iterable

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from seealike.figures.answers import errors, title
from seealike.figures.curves import Line, curves
from seealike.figures.heatmap import LETTER, Scale, colour_bar, error_scale, name_axis
from seealike.figures.layers import labels, segments
from seealike.figures.maps import span
from seealike.figures.scales import decades
from seealike.figures.style import FONT, THIN, UNDEFINED, shade, titled
from seealike.figures.tokens import by_kind, unplaced

LABEL = "norm ratio |z| / |f(z)|"
WIDE = 0.04  # of the panel: each token that stands nowhere, which one column of 197 would hide
BRANCHES = {"attention": ("-", "o"), "mlp": ("--", "s")}  # which branch is added: dash and marker


def skip_ratio(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """Left every residual and token, CLS first; right along the depth, CLS by itself and the mean of spatial tokens.

    As Raghu et al. 2021, figures 7 and E.1. Ratios that span decades have a logarithmic scale. `error` adds a heatmap
    of standard errors; `ax` draws the curves alone. The band of a mean over tokens is the mean of their standard
    errors, which is the most that its own can be.
    """
    ratio, found = dataset.ratio, errors(dataset, "ratio", error)
    log = decades(ratio)
    if ax is not None:
        return _curves(dataset, found, ax, log)
    least, most = (float(ratio.min()), float(ratio.max())) if log else span(ratio.values)
    panels = [(ratio, Scale(LABEL, least, most, log=log))]
    panels += [(found, error_scale(found))] if error and found is not None else []
    axes = _axes(ratio, len(panels))
    for i, (values, scale) in enumerate(panels):
        _tokens(axes[i], values, dataset.place_y, scale, named=i == 0)
    titled(axes[0], title(dataset.attrs))
    return _curves(dataset, found, axes[-1], log)


def _axes(ratio: xr.DataArray, heatmaps: int) -> list[Axes]:
    """Room for the names of residuals, and for as many of them as there are."""
    names = [str(name) for name in ratio.residual.values]
    left = max(len(tick.text) for tick in labels(names)) * LETTER + 0.4
    figure = Figure(figsize=(left + 3.4 * heatmaps + 3.8, 3.4), layout=ConstrainedLayoutEngine(wspace=0.06))
    return list(figure.subplots(1, heatmaps + 1, width_ratios=[1] * heatmaps + [1]))


def _tokens(ax: Axes, array: xr.DataArray, place: xr.DataArray, scale: Scale, named: bool) -> None:
    """Residuals upwards; tokens that stand nowhere first, wide enough to be seen, then a gap and the others."""
    array = array.transpose("residual", "token")
    nowhere = unplaced(array, place)
    others = [token for token in range(array.sizes["token"]) if token not in nowhere]
    wide = max(1.0, WIDE * len(others))
    start = len(nowhere) * wide + 0.4 * wide * bool(nowhere)
    style = {"origin": "lower", "aspect": "auto", "interpolation": "nearest", "norm": scale.norm}
    style["cmap"] = colormaps[scale.colours].with_extremes(bad=UNDEFINED)
    ends = [(list(nowhere), 0.0, len(nowhere) * wide), (others, start, start + len(others))]
    images = [
        ax.imshow(array.values[:, tokens], extent=(low, high, -0.5, array.sizes["residual"] - 0.5), **style)
        for tokens, low, high in ends
        if tokens
    ]
    ax.set_xlim(0, start + len(others))
    ticks = [((i + 0.5) * wide, name) for i, name in enumerate(nowhere.values())]
    numbers = [str(token) for token in others]
    ticks += [(start + tick.position + 0.5, tick.text) for tick in labels(numbers, 8) if not _crowded(tick, ticks)]
    ax.set_xticks([at for at, _ in ticks], [text for _, text in ticks], rotation=90)
    residuals = [str(name) for name in array.residual.values]
    name_axis(ax, "y", residuals, named, what="residual addition")
    ax.set_xlabel("token", fontsize=FONT + 1)
    ax.tick_params(labelsize=FONT, length=2, width=THIN, pad=2)
    ax.spines[:].set_linewidth(THIN)
    colour_bar(ax, images[-1], array, scale, at=1.08 if len(segments(residuals)) > 1 else 1.03)


def _crowded(tick, ticks: list) -> bool:
    """The first token's number beside CLS says nothing that is not seen."""
    return tick.position == 0 and bool(ticks)


def _curves(dataset: xr.Dataset, found: xr.DataArray | None, ax: Axes, log: bool) -> Figure:
    figure = curves(_lines(dataset, found), ax, label=LABEL, log=log, title="")
    ax.axhline(1, color="0.6", linewidth=THIN, zorder=0)
    return figure


def _lines(dataset: xr.Dataset, found: xr.DataArray | None) -> Iterable[Line]:
    """A line for each model, kind of token (the colour) and kind of branch that is added (the dash)."""
    means = by_kind(dataset.ratio, dataset.place_y)
    bands = None if found is None else by_kind(found, dataset.place_y)
    models = segments([str(name) for name in dataset.residual.values])
    branches = list(dict.fromkeys(str(kind) for kind in dataset.kind.values))
    pieces = [(model, str(kind), branch) for model in models for kind in means.tokens.values for branch in branches]
    for model, kind, branch in pieces:
        these = np.arange(model.start, model.stop)
        these = these[dataset.kind.values[these] == branch]
        several = (model.model if len(models) > 1 else "", kind, branch.replace("mlp", "MLP"))
        shown = list(means.tokens.values).index(kind) / max(means.sizes["tokens"] - 1, 1)
        dash, marker = BRANCHES.get(branch, ("-", "o"))
        yield Line(
            label=", ".join(filter(None, several)),
            x=dataset.depth.values[these],
            y=means.sel(tokens=kind).values[these],
            error=None if bands is None or kind not in bands.tokens else bands.sel(tokens=kind).values[these],
            colour=shade(0.85 * (shown + models.index(model)) / len(models)),
            dash=dash,
            marker=marker,
        )
