"""Figures as plain data, for Plotly to draw and for the reading cursor to read: numbers, and names for all of them."""

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.colors import to_hex

from seealike.figures import limits
from seealike.figures.choosing import evenly
from seealike.figures.direction import ALIKE, apart
from seealike.figures.heatmap import comparable
from seealike.figures.layers import labels, segments
from seealike.figures.maps import span
from seealike.figures.scales import decades
from seealike.report.gathering import Answer
from seealike.report.naming import called, names, unit

Figure = dict[str, Any]
Scale = tuple[float, float]
STOPS = 32  # of the colour scale
NAMED = 8  # lines in a legend


def heatmap(array: xr.DataArray, error: xr.DataArray | None, scale: Scale | None = None) -> Figure:
    """Rows upwards are the first dimension, columns the second; what is undefined stays grey.

    Of quotients that span decades the colours, and so the scale, are those of the logarithm to base 10.
    """
    log = decades(array)
    if log:
        scale = float(np.log10(array.min())), float(np.log10(array.max()))
    least, most = span(array.values) if scale is None else scale
    light = ALIKE if apart(array) else ""  # what the lower end of the scale is, where it has the light colours
    return _figure("heatmap", array, error, scale=[least, most], square=comparable(array), log=log, light=light)


def points(array: xr.DataArray, error: xr.DataArray | None) -> Figure:
    """One point an element of the second dimension, above its element of the first: a head above its layer."""
    return _figure("points", array.T, None if error is None else error.T)


def curve(array: xr.DataArray, error: xr.DataArray | None, at: xr.DataArray | None = None) -> Figure:
    """A line a row, along the layers of each model, with a band of one standard error.

    A variable of one dimension is one line. `at` is where the columns stand, if not side by side.
    """
    one = array.expand_dims({"line": [""]}) if array.ndim == 1 else array
    errors = error.expand_dims({"line": [""]}) if error is not None and error.ndim == 1 else error
    more: Figure = {"log": decades(array), "legend": evenly(one.shape[0], NAMED) if one.shape[0] > 1 else []}
    if at is not None:
        its_unit = f", {unit(at)}" if unit(at) else ""
        more |= {"at": at.values.astype(float).tolist(), "along": f"{called(at)}{its_unit}"}
    return _figure("curve", one, errors, array, **more)


def path(array: xr.DataArray) -> Figure:
    """(layer, axis): a point a layer, joined to the next one of its model; only distances mean anything."""
    x, y = array.transpose("axis", "layer")
    at = [float(value) if np.isfinite(value) else None for value in x.values]
    return _figure("path", y.expand_dims({"line": [""]}), None, array, log=False, legend=[], at=at, along="")


def _figure(
    kind: str, array: xr.DataArray, error: xr.DataArray | None, of: xr.DataArray | None = None, **more
) -> Figure:
    of = array if of is None else of
    said = {"kind": kind, "label": called(of), "unit": unit(of)}
    sides = {"rows": _axis(array, 0), "columns": _axis(array, 1)}
    matrices = {"values": packed(array.values), "errors": None if error is None else packed(error.values)}
    return {**said, **sides, **more, **matrices}


def _axis(array: xr.DataArray, axis: int) -> dict[str, Any]:
    """One side: its names, the few that are written, and the models along it."""
    found, dim = names(array, axis), str(array.dims[axis])
    parts = segments(found)
    what = "layer" if dim.startswith("layer") else dim.replace("_", " ")
    return {
        "what": what,
        "title": f"{what} of {parts[0].model}" if len(parts) == 1 and parts[0].model else what,
        "names": found,
        "ticks": ticks(found),
        "models": [[part.model, part.start, part.stop] for part in parts],
    }


def ticks(found: list[str]) -> list[list[Any]]:
    """The names that are written, and where."""
    return [[label.position, label.text] for label in labels(found)]


def packed(values: np.ndarray) -> dict[str, Any]:
    """An array in 32 bits a number, as base64 of its rows, little end first."""
    numbers = np.ascontiguousarray(values, dtype="<f4")
    return {"dtype": "f4", "shape": list(numbers.shape), "bdata": base64.b64encode(numbers.tobytes()).decode("ascii")}


def shared_scales(answers: Iterable[Answer]) -> dict[str, Scale]:
    """One scale for every variable that pairs layers with layers, over all answers: heatmaps can be compared."""
    panels: dict[str, list[xr.DataArray]] = {}
    for answer in answers:
        for name, array in answer.data.data_vars.items():
            if is_pairs(array):
                panels.setdefault(str(name), []).append(array)
    return {name: limits(*arrays) for name, arrays in panels.items()}


def is_pairs(array: xr.DataArray) -> bool:
    return array.ndim == 2 and array.size > 0 and all(str(dim).startswith("layer") for dim in array.dims)


def palette() -> list[list[Any]]:
    """Magma, as Plotly is told colours."""
    magma = colormaps["magma"]
    return [[i / STOPS, to_hex(magma(i / STOPS))] for i in range(STOPS + 1)]
