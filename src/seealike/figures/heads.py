"""Heads, layer by layer, each layer's sorted: which look near and which look far."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seealike.figures.layers import labels, segments
from seealike.figures.style import FONT, plain, root, shade, titled

SLOT = 0.7  # of a layer's width that its heads take


def heads(
    array: xr.DataArray,
    ax: Axes | None = None,
    *,
    error: xr.DataArray | None = None,
    label: str | None = None,
    title: str = "",
) -> Figure:
    """A slot a layer, the input at the left; in it a point a head, from the smallest value to the largest.

    As Raghu et al. 2021, figures 3 and 4, for all layers. `error` draws each as a bar to either side.
    """
    layers = [str(layer) for layer in array.layer.values]
    if ax is None:
        width = min(max(3.2, 0.8 + 0.34 * len(layers)), 10)
        ax = Figure(figsize=(width, 3), layout="constrained").subplots()
    for i in range(len(layers)):
        colour = shade(i / max(len(layers) - 1, 1))
        _layer(ax, i, array.values[i], None if error is None else error.values[i], colour)
    _axes(ax, layers, label or str(array.name or ""))
    titled(ax, title)
    return root(ax)


def _layer(ax: Axes, position: int, values: np.ndarray, error: np.ndarray | None, colour) -> None:
    """The heads of one layer; those it has not are NaN."""
    order = np.argsort(values)[: np.isfinite(values).sum()]
    across = SLOT * (np.arange(len(order)) + 0.5) / max(len(order), 1) - SLOT / 2
    bars = None if error is None or np.isnan(error[order]).any() else error[order]
    style = {"fmt": "o-", "markersize": 2.5, "linewidth": 0.6, "elinewidth": 0.8, "color": colour}
    ax.errorbar(position + across, values[order], yerr=bars, **style)


def _axes(ax: Axes, layers: list[str], label: str) -> None:
    ticks, groups = labels(layers), segments(layers)
    ax.set_xticks([t.position for t in ticks], [t.text for t in ticks], rotation=90)
    model = groups[0].model if len(groups) == 1 else ""
    ax.set_xlabel(f"layer of {model}" if model else "layer", fontsize=FONT + 1)
    ax.set_ylabel(label, fontsize=FONT + 1)
    ax.set_xlim(-0.5, len(layers) - 0.5)
    ax.set_ylim(bottom=0)
    plain(ax)
