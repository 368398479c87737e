"""What can be read off an answer, in words: statements that are exact, computed from its values."""

from collections.abc import Callable

import numpy as np
import xarray as xr

from seealike.report.naming import model_of, names, numbered, unit
from seealike.report.values import said

Fact = tuple[str, str, str]  # what, where, how much
ENDS = {"step": 1, "turning": 2}  # layers of a path from which it does not go on, or at which it cannot turn


def facts(array: xr.DataArray, error: xr.DataArray | None) -> list[Fact]:
    """Extremes by name, the median, the median standard error, and how much is undefined."""
    values = array.values.astype(float)
    defined = np.isfinite(values)
    within = _within_itself(array)
    counted = defined & ~np.eye(*values.shape, dtype=bool) if within else defined
    where = " off the diagonal" if within else ""
    errors = None if error is None else error.values.astype(float)
    point = _pointer(array, values, errors)
    found: list[Fact] = []
    if counted.any():
        highest = point(counted, np.nanargmax)
        across = [fact for fact in _across(array, counted, point) if fact[1:] != highest]
        found += [(f"Highest{where}", *highest), *across, (f"Lowest{where}", *point(counted, np.nanargmin))]
        found.append((f"Median{where}", "", said(float(np.median(values[counted])), unit=unit(array))))
    found += _errors(errors, counted, unit(array))
    missing = int((~defined).sum()) - _padding(array, defined)
    return found + ([("Undefined", "", f"{missing:,} of {defined.size:,} values")] if missing > 0 else [])


def _within_itself(array: xr.DataArray) -> bool:
    """The same layers on both sides, so that the diagonal says nothing."""
    return array.ndim == 2 and array.shape[0] == array.shape[1] and names(array, 0) == names(array, 1)


def _across(array: xr.DataArray, counted: np.ndarray, point) -> list[Fact]:
    """Where several models are asked of one another: the most alike two layers that are not of one model."""
    if not _within_itself(array):
        return []
    models = np.array([model_of(name) for name in names(array, 0)])
    across = counted & (models[:, None] != models[None, :])
    return [("Highest across models", *point(across, np.nanargmax))] if across.any() else []


def _pointer(array: xr.DataArray, values: np.ndarray, errors: np.ndarray | None) -> Callable[..., tuple[str, str]]:
    def point(counted: np.ndarray, best) -> tuple[str, str]:
        index = np.unravel_index(int(best(np.where(counted, values, np.nan))), values.shape)
        error = None if errors is None else float(errors[index])
        return place(array, tuple(int(i) for i in index)), said(float(values[index]), error, unit(array))

    return point


def place(array: xr.DataArray, index: tuple[int, ...]) -> str:
    """The names of one element, in words."""
    found = [names(array, axis)[i] for axis, i in enumerate(index)]
    if all(str(dim).startswith("layer") for dim in array.dims):
        return " and ".join(found)
    said = [f"{str(dim).replace('_', ' ')} " if numbered(array, dim) else "" for dim in array.dims]
    return ", ".join(what + name for what, name in zip(said, found, strict=True))


def _errors(errors: np.ndarray | None, counted: np.ndarray, its_unit: str) -> list[Fact]:
    known = None if errors is None else errors[counted & np.isfinite(errors)]
    if known is None or not known.size:
        return [("Standard errors", "", "not known")] if counted.any() else []
    return [("Median standard error", "", said(float(np.median(known)), unit=its_unit))]


def _padding(array: xr.DataArray, defined: np.ndarray) -> int:
    """Values that are not there: a layer has fewer heads or tokens, a network fewer repeats, a path ends."""
    if array.ndim == 1 and array.name in ENDS and array.dims == ("layer",):
        return ENDS[str(array.name)] * len({model_of(name) for name in names(array, 0)})
    if array.ndim != 2 or array.dims[1] not in ("head", "token", "repeat"):
        return 0
    last = (np.flatnonzero(row)[-1] for row in defined if row.any())
    return sum(defined.shape[1] - 1 - int(place) for place in last)
