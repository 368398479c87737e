"""How many directions of an image each layer sees, along the depth, and the spectra of their derivatives."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from seealike.figures.answers import errors, title
from seealike.figures.curves import Line, curves
from seealike.figures.style import FONT, THIN, shade, shades

RANKS = {
    "mean_rank": ("rank", "-", "o", 0.0),
    "mean_effective_rank": ("effective rank", "--", "s", 0.5),
    "mean_stable_rank": ("stable rank", ":", "^", 1.0),
}
LEAST = 1e-8  # of the largest singular value: what is smaller is drawn at the lower edge


def jacobian(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """Left rank, effective and stable rank, as shares of the image's numbers; right each layer's mean spectrum.

    Grey dashes are the layer's own numbers: no layer sees more directions than these. Bands are one standard error.
    Spectra, relative to their largest value and coloured by depth, end where no image has a larger rank. `ax` draws the
    ranks alone.
    """
    name = "mean_rank" if np.isfinite(dataset.mean_rank).any() else "mean_stable_rank"
    errors(dataset, name, error)
    if ax is not None:
        return _ranks(dataset, ax)
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    _ranks(dataset, left)
    _spectra(dataset, right)
    return figure


def _ranks(dataset: xr.Dataset, ax: Axes) -> Figure:
    inputs, depth = int(dataset.attrs["input_dimension"]), dataset.depth.values
    lines = [
        Line(
            label,
            depth,
            dataset[name].values / inputs,
            dataset[f"{name}_se"].values / inputs if f"{name}_se" in dataset else None,
            shade(colour),
            dash,
            marker,
        )
        for name, (label, dash, marker, colour) in RANKS.items()
    ]
    ceiling = Line("numbers of the layer", depth, dataset.dimension.values / inputs, None, "0.6", "--", "")
    said = f"share of the image's {inputs:,} numbers"
    figure = curves([ceiling, *lines], ax, label=said, title=title(dataset.attrs), log=True)
    shown = np.concatenate([line.y[np.isfinite(line.y) & (line.y > 0)] for line in lines])
    ax.set_ylim(0.7 * min(shown, default=0.1), 1.3)
    return figure


def _spectra(dataset: xr.Dataset, ax: Axes) -> None:
    spectra = dataset.mean_spectrum.transpose("layer", "value").values
    share = dataset.value.values / int(dataset.attrs["input_dimension"])
    lines = [
        Line("", share, np.where(row > 0, row, np.nan), None, shade(depth), marker="")
        for row, depth in zip(spectra, dataset.depth.values, strict=True)
    ]
    along = "number of the singular value / the image's numbers"
    curves(lines, ax, label="singular value / the largest", along=along, log=True)
    ax.set_ylim(bottom=max(LEAST, ax.get_ylim()[0]))
    ax.locator_params(axis="x", nbins=5)
    bar = ax.figure.colorbar(ScalarMappable(Normalize(0, 1), shades()), ax=ax, pad=0.02, aspect=30)
    bar.set_label("normalised depth of the layer", fontsize=FONT + 1)
    bar.ax.tick_params(labelsize=FONT, length=2, width=THIN)
    bar.outline.set_linewidth(THIN)
