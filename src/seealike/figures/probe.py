"""How well a linear probe on each layer, and on each token, tells the classes."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seealike.figures.answers import errors, title
from seealike.figures.choosing import evenly
from seealike.figures.curves import Line, curves
from seealike.figures.layers import short
from seealike.figures.maps import Map, maps, shape
from seealike.figures.style import FONT, beside_maps, shade
from seealike.figures.tokens import SPATIAL, arranged, by_kind

MOST, ACROSS = 6, 3  # maps in all, and in a line
DASHES = {"test": "-", "validation": ":"}


def probe(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """Accuracy along the depth, test and validation images; of many tokens their mean, and maps of single tokens.

    As Raghu et al. 2021, figures 11, 13 and D.4. The mean leaves tokens out that stand nowhere: CLS has a line of its
    own. Its band is the mean of the tokens' standard errors, the most that its own can be. Each map has its own
    colours. `error` adds the maps of standard errors; `ax` draws the curves alone.
    """
    found = errors(dataset, "accuracy", error)
    chosen = evenly(dataset.sizes["layer"], MOST) if bool(dataset.place_y.notnull().sum("token").max() > 1) else []
    if ax is not None or not chosen:
        return _curves(dataset, found, ax)
    shown = [("magma", "test accuracy of each token", dataset.accuracy)]
    shown += [("cividis", "standard error", found)] if error and found is not None else []
    rows, columns = shape(len(chosen), ACROSS)
    figure = Figure(figsize=(3.6 + 1.3 * columns, max(3.1, 1.6 * rows * len(shown))), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[3.6, 1.3 * columns])[0]
    ax = beside_maps(left, 0.85)
    parts = right.subfigures(len(shown), 1, squeeze=False).ravel()
    for part, (colours, said, array) in zip(parts, shown, strict=True):
        maps([_map(dataset, array, layer) for layer in chosen], part, colours=colours, columns=ACROSS)
        part.suptitle(said, fontsize=FONT)
    return _curves(dataset, found, ax)


def _map(dataset: xr.Dataset, array: xr.DataArray, layer: int) -> Map:
    """The tokens of one layer as they stand in the image, in colours from the least to the greatest value."""
    at, one = dataset.isel(layer=layer), array.isel(layer=layer).sel(split="test")
    values = arranged(one.values, at.place_y.values, at.place_x.values)
    name = short(str(dataset.layer.values[layer]))
    if not np.isfinite(values).any():
        return Map(values, name)
    least, most = float(np.nanmin(values)), float(np.nanmax(values))
    return Map(values, f"{name}\n{least:.2g} to {most:.2g}", (least, most))


def _curves(dataset: xr.Dataset, found: xr.DataArray | None, ax: Axes | None) -> Figure:
    means = means_of(dataset.accuracy, dataset.place_y)
    bands = None if found is None else means_of(found, dataset.place_y)
    kinds = [str(kind) for kind in means.tokens.values]
    lines = [
        Line(
            ", ".join(filter(None, (kind, split))),
            dataset.depth.values,
            means.sel(tokens=kind, split=split).values,
            None if bands is None or kind not in bands.tokens else bands.sel(tokens=kind, split=split).values,
            shade(0.85 * i / max(len(kinds) - 1, 1)),
            DASHES.get(split, "--"),
        )
        for i, kind in enumerate(kinds)
        for split in reversed([str(split) for split in means.split.values])
    ]
    panel = Figure(figsize=(3.6, 2.8), layout="constrained").subplots() if ax is None else ax
    figure = curves(lines, panel, label="accuracy of a linear probe", title=title(dataset.attrs))
    panel.set_ylim(bottom=0)
    return figure


def means_of(array: xr.DataArray, place: xr.DataArray) -> xr.DataArray:
    """(tokens, layer, split): the one vector where there is one, else as `by_kind`; then the mean stands first."""
    if array.sizes["token"] == 1:
        return array.isel(token=0, drop=True).expand_dims(tokens=[""])
    found = by_kind(array, place)
    return found.sel(tokens=sorted(found.tokens.values, key=lambda kind: kind != SPATIAL))
