"""Figures as plain data, for Plotly to draw and for the reading cursor to read: one matrix, named on both sides."""

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.colors import to_hex

from seealike.figures import limits
from seealike.figures.heatmap import comparable
from seealike.figures.layers import labels, segments
from seealike.report.gathering import Answer
from seealike.report.naming import called, names, unit

Figure = dict[str, Any]
Scale = tuple[float, float]
STOPS = 32  # of the colour scale


def heatmap(array: xr.DataArray, error: xr.DataArray | None, scale: Scale | None = None) -> Figure:
    """Rows upwards are the first dimension, columns the second; what is undefined stays grey."""
    least, most = _own_scale(array) if scale is None else scale
    return _figure("heatmap", array, error, scale=[least, most], square=comparable(array))


def points(array: xr.DataArray, error: xr.DataArray | None) -> Figure:
    """One point a head, above its layer."""
    turned = array.transpose("head", "layer")
    return _figure("points", turned, None if error is None else error.transpose("head", "layer"))


def curve(array: xr.DataArray, error: xr.DataArray | None) -> Figure:
    """One line along the layers of each model, with a band of one standard error."""
    one = array.expand_dims({called(array): [""]})
    return _figure("curve", one, None if error is None else error.expand_dims({called(array): [""]}), array)


def _figure(
    kind: str, array: xr.DataArray, error: xr.DataArray | None, of: xr.DataArray | None = None, **more
) -> Figure:
    of = array if of is None else of
    said = {"kind": kind, "label": called(of), "unit": unit(of)}
    sides = {"rows": _axis(array, 0), "columns": _axis(array, 1)}
    matrices = {"values": _packed(array), "errors": None if error is None else _packed(error)}
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
        "ticks": [[label.position, label.text] for label in labels(found)],
        "models": [[part.model, part.start, part.stop] for part in parts],
    }


def _packed(array: xr.DataArray) -> dict[str, Any]:
    """A matrix in 32 bits a number, as base64 of its rows, little end first."""
    numbers = np.ascontiguousarray(array.values, dtype="<f4")
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


def _own_scale(array: xr.DataArray) -> Scale:
    """From zero, or from the least value where that is negative, to the greatest."""
    finite = array.values[np.isfinite(array.values)].astype(float)
    least, most = (min(0.0, float(finite.min())), float(finite.max())) if finite.size else (0.0, 1.0)
    return (least, most) if most > least else (least, least + 1.0)


def palette() -> list[list[Any]]:
    """Magma, as Plotly is told colours."""
    magma = colormaps["magma"]
    return [[i / STOPS, to_hex(magma(i / STOPS))] for i in range(STOPS + 1)]
