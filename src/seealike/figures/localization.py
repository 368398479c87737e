"""Which patch of the image each token is most like, and how far down the network it stays so."""

import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from seealike.figures.answers import errors, title
from seealike.figures.choosing import evenly
from seealike.figures.curves import Line, curves
from seealike.figures.layers import short
from seealike.figures.maps import span
from seealike.figures.style import FONT, THIN, UNDEFINED, shade
from seealike.figures.tiles import Tiles, tiles

MOST = 4  # layers
GAP = 0.12  # of a map, between two
SIDE = 2.5  # inches of a layer's maps
LINES = {"own_patch": ("all tokens", "-", 0.0), "own_patch_interior": ("interior tokens", "--", 0.85)}


def localization(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """For some layers, CKA of a token with every patch, a map at each token's place; right, the share that fits.

    As Raghu et al. 2021, figures 9, 10 and D.1 to D.3. Layers are evenly chosen, the last among them, and so are
    tokens where there are more than 7 x 7. `error` adds the standard errors below; `ax` draws the curves alone.
    """
    found = errors(dataset, "localization", error)
    if ax is not None:
        return _curves(dataset, ax)
    chosen = evenly(dataset.sizes["layer"], MOST)
    shown = [("CKA", "magma", dataset.localization)]
    shown += [("standard error", "cividis", found)] if error and found is not None else []
    figure = Figure(figsize=((SIDE + 0.5) * len(chosen) + 3, (SIDE + 0.7) * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), len(chosen) + 1, squeeze=False, width_ratios=[1.05] * len(chosen) + [1])
    for row, (label, colours, array) in zip(axes, shown, strict=True):
        for panel, layer in zip(row, chosen, strict=False):
            _layer(panel, array.isel(layer=layer), label, colours)
    for panel in axes[1:, -1]:
        panel.remove()
    axes[0][0].set_title(title(dataset.attrs), loc="left", fontsize=FONT)
    axes[0][-1].set_box_aspect(0.95)
    return _curves(dataset, axes[0][-1])


def _layer(ax: Axes, array: xr.DataArray, label: str, colours: str) -> None:
    """The maps of one layer: one scale, each map a step of 1 wide, the upper left of the image at the upper left."""
    found = tiles(array)
    norm, cmap = Normalize(*span(found.values)), colormaps[colours].with_extremes(bad=UNDEFINED)
    for row, maps in enumerate(found.values):
        for column, values in enumerate(maps):
            extent = (column, column + 1 - GAP, row + 1 - GAP, row)
            ax.imshow(values, extent=extent, norm=norm, cmap=cmap, interpolation="nearest")
    high, wide = found.values.shape[:2]
    ax.set(xlim=(-GAP, wide), ylim=(high, -GAP), xticks=(), yticks=())
    ax.spines[:].set_visible(False)
    ax.set_xlabel(f"{short(str(array.layer.values))}\n{_said(found)}", fontsize=FONT)
    bar = ax.figure.colorbar(ScalarMappable(norm, cmap), ax=ax, pad=0.01, aspect=30, shrink=0.9)
    bar.set_label(label, fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT, length=2, width=THIN)
    bar.outline.set_linewidth(THIN)


def _said(found: Tiles) -> str:
    """`8 x 8 tokens, 49 of them`."""
    high, wide = found.grid
    shown = "" if found.whole else f", {len(found.tokens)} of them shown"
    return f"{high} × {wide} tokens{shown}"


def _curves(dataset: xr.Dataset, ax: Axes) -> Figure:
    lines = [
        Line(
            label,
            dataset.depth.values,
            dataset[name].values,
            dataset[f"{name}_se"].values if f"{name}_se" in dataset else None,
            shade(share),
            dash,
        )
        for name, (label, dash, share) in LINES.items()
        if name in dataset
    ]
    figure = curves(lines, ax, label="share of tokens most like their own patch")
    ax.set_ylim(0, 1.02)
    return figure
