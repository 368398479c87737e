"""What the centre of each layer depends on: maps over the image, and their size along the depth."""

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

MOST = 24  # maps
WIDE, TALL = 1.2, 1.45  # inches of a map with its caption


def receptive_field(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """A map a layer, each in its own colours, and the share of the image that holds 95 % of it.

    As Raghu et al. 2021, figures 6 and C.1 to C.4. Of more than 24 layers those drawn are evenly chosen, the first and
    the last among them. `error` adds the maps of standard errors; `ax` draws the curves alone.
    """
    name = "receptive_field_rms" if "receptive_field_rms" in dataset else "receptive_field"
    found = errors(dataset, name, error)
    if ax is not None:
        return _curves(dataset, ax)
    chosen = evenly(dataset.sizes["layer"], MOST)
    rows, columns = shape(len(chosen))
    shown = [("magma", dataset[name], _areas(dataset))]
    shown += [("cividis", found, _greatest(found))] if error and found is not None else []
    wide = WIDE * columns
    size = (wide * len(shown) + 3, max(2.6, TALL * rows + 0.2))
    figure = Figure(figsize=size, layout="constrained")
    *panels, right = figure.subfigures(1, len(shown) + 1, squeeze=False, width_ratios=[wide] * len(shown) + [3])[0]
    for panel, (colours, array, said) in zip(panels, shown, strict=True):
        values = array.transpose("layer", "y", "x").values
        maps([Map(values[i], f"{_name(dataset, i)}\n{said[i]}") for i in chosen], panel, colours=colours)
        panel.suptitle(
            title(dataset.attrs) if colours == "magma" else "standard error", fontsize=FONT, x=0.02, ha="left"
        )
    return _curves(dataset, beside_maps(right))


def _name(dataset: xr.Dataset, layer: int) -> str:
    return short(str(dataset.layer.values[layer]))


def _areas(dataset: xr.Dataset) -> list[str]:
    """`95% in 41% of image`, layer by layer; nothing where it is not known."""
    area = _area(dataset, 0.95)
    values = [float("nan")] * dataset.sizes["layer"] if area is None else area.values
    return [f"95% in {value:.0%} of image" if np.isfinite(value) else "" for value in values]


def _greatest(error: xr.DataArray) -> list[str]:
    return [f"up to {value:.1g}" if np.isfinite(value) else "" for value in error.max(["y", "x"]).values]


def _area(dataset: xr.Dataset, mass: float) -> xr.DataArray | None:
    if "area" not in dataset or not np.isclose(dataset.mass.values, mass).any():
        return None
    return dataset.area.isel(mass=int(np.isclose(dataset.mass.values, mass).argmax()))


def _curves(dataset: xr.Dataset, ax: Axes) -> Figure:
    area = dataset.area.transpose("mass", "layer")
    bands = dataset.area_se.transpose("mass", "layer").values if "area_se" in dataset else None
    masses = [float(mass) for mass in area.mass.values]
    lines = [
        Line(
            f"{mass:.0%} of the gradient",
            dataset.depth.values,
            area.values[i],
            None if bands is None else bands[i],
            shade(0.85 * (1 - i / max(len(masses) - 1, 1))),
            "-" if i == len(masses) - 1 else "--",
        )
        for i, mass in enumerate(masses)
    ]
    figure = curves(lines, ax, label="share of the image that holds it")
    ax.set_ylim(0, 1.02)
    return figure
