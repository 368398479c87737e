"""How far the layers of several networks are from those of one."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seealike.figures.answers import errors, title
from seealike.figures.curves import Line, curves
from seealike.figures.heatmap import limits
from seealike.figures.layers import labels
from seealike.figures.style import shade


def drift(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """A line a model, along the layers: CKA of each layer with the same layer of the reference.

    As Raghu et al. 2021, figures 12 and G.1. Bands are one standard error, wherever it is known.
    """
    array, found = dataset.drift.transpose("model", "layer"), errors(dataset, "drift", error)
    bands = None if found is None else found.transpose("model", "layer").values
    layers, models = [str(layer) for layer in array.layer.values], [str(model) for model in array.model.values]
    if ax is None:
        width = min(max(3.6, 0.8 + 0.3 * len(layers)), 7)
        ax = Figure(figsize=(width, 3), layout="constrained").subplots()
    places = np.arange(len(layers), dtype=float)
    lines = [
        Line(model, places, array.values[i], None if bands is None else bands[i], shade(i / max(len(models) - 1, 1)))
        for i, model in enumerate(models)
    ]
    reference = dataset.attrs.get("reference")
    of = f"the same layer of {reference}" if reference else "the reference"
    figure = curves(lines, ax, label=f"CKA with {of}", along="layer", title=title(dataset.attrs))
    ticks = labels(layers)
    ax.set_xticks([tick.position for tick in ticks], [tick.text for tick in ticks], rotation=90)
    least, most = limits(array)
    ax.set_ylim(least, most * 1.02)
    return figure
