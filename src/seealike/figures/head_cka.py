"""Subsets of attention heads, from local to global, against the layers of another network."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from seealike.figures.answers import errors, title
from seealike.figures.curves import Line, curves
from seealike.figures.layers import segments
from seealike.figures.style import FONT, THIN, shade, shades

FAINT = 0.35


def head_cka(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """A line a layer of the other network, coloured by its depth, through the k most local heads, k = 1, 2, ...

    As Raghu et al. 2021, figure 5. Fainter points are the other subsets, windows from local to global. `error` draws
    a band of one standard error around each line.
    """
    array, found = dataset.head_cka.transpose("layer_b", "subset"), errors(dataset, "head_cka", error)
    bands = found.transpose("layer_b", "subset").values if error and found is not None else None
    distance, local = dataset.distance.values, most_local(dataset)
    if ax is None:
        ax = Figure(figsize=(4.2, 3.2), layout="constrained").subplots()
    depths = dataset.depth_b.values
    lines = [
        Line("", distance[local], row[local], None if bands is None else bands[i][local], shade(depths[i]))
        for i, row in enumerate(array.values)
    ]
    along = "mean attention distance of the heads (pixels)"
    figure = curves(lines, ax, label="CKA", along=along, title=title(dataset.attrs))
    _rest(ax, array.values, distance, local, depths)
    _colour_bar(ax, [str(layer) for layer in array.layer_b.values])
    return figure


def most_local(dataset: xr.Dataset) -> np.ndarray:
    """Positions of the subsets that begin with the most local head, from one head to all."""
    local = np.flatnonzero(dataset["first"].values == 0)
    return local[np.argsort(dataset["size"].values[local], kind="stable")]


def _rest(ax: Axes, values: np.ndarray, distance: np.ndarray, local: np.ndarray, depths: np.ndarray) -> None:
    others = np.setdiff1d(np.arange(len(distance)), local)
    for row, depth in zip(values, depths, strict=True):
        ax.scatter(distance[others], row[others], s=5, color=shade(depth), alpha=FAINT, linewidth=0, zorder=1)


def _colour_bar(ax: Axes, layers: list[str]) -> None:
    models = segments(layers)
    of = f" of {models[0].model}" if len(models) == 1 and models[0].model else ""
    bar = ax.figure.colorbar(ScalarMappable(Normalize(0, 1), shades()), ax=ax, pad=0.02, aspect=30)
    bar.set_label(f"normalised depth of the layer{of}", fontsize=FONT + 1)
    bar.ax.tick_params(labelsize=FONT, length=2, width=THIN)
    bar.outline.set_linewidth(THIN)
