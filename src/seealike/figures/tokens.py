"""Tokens by where they stand: those of a part of the image, and those of none (CLS, registers)."""

import numpy as np
import xarray as xr

MOST = 6  # lines of tokens that stand nowhere
SPATIAL = "spatial tokens"  # their mean
WHOLE = "all of the image"  # where a layer has no places, or none that could be found


def by_kind(array: xr.DataArray, place: xr.DataArray) -> xr.DataArray:
    """(tokens, ...): each token that stands nowhere by itself, called CLS if it is the only one; the others' mean.

    `place` is NaN for tokens that stand for no part of the image; values a layer has not are NaN and left out. Of
    standard errors this is an upper bound: the error of a mean is at most the mean of the errors.

    >>> values = xr.DataArray([[5.0, 1.0, 3.0]], dims=("layer", "token"))
    >>> place = xr.DataArray([[float("nan"), 8.0, 24.0]], dims=("layer", "token"))
    >>> found = by_kind(values, place)
    >>> found.tokens.values.tolist(), found.values.tolist()
    (['CLS', 'spatial tokens'], [[5.0], [2.0]])
    """
    nowhere, alone = unplaced(array, place), place.isnull()
    whole = alone.all("token")
    parts = {name: array.isel(token=token).where(alone.isel(token=token) & ~whole) for token, name in nowhere.items()}
    if not bool(whole.all()):
        parts[SPATIAL] = array.where(~alone).mean("token")
    if bool(whole.any()):
        parts[WHOLE] = array.where(whole).mean("token")
    index = xr.Variable("tokens", list(parts))
    return xr.concat([part.reset_coords(drop=True) for part in parts.values()], index).assign_attrs(array.attrs)


def unplaced(array: xr.DataArray, place: xr.DataArray) -> dict[int, str]:
    """The tokens that have values and stand nowhere, beside others that do, by position: `{0: "CLS"}`."""
    others = [dim for dim in array.dims if dim != "token"]
    beside = array.notnull() & place.isnull() & place.notnull().any("token")
    found = np.flatnonzero(beside.any(others).values)
    return {int(token): "CLS" if len(found) == 1 else f"token {int(token)}" for token in found[:MOST]}


def arranged(values: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The values of tokens laid out as they stand in the image; NaN where no token stands.

    >>> arranged(np.array([1.0, 2.0, 3.0]), np.array([8.0, 8.0, 24.0]), np.array([8.0, 24.0, 8.0])).tolist()
    [[1.0, 2.0], [3.0, nan]]
    """
    somewhere = np.isfinite(y) & np.isfinite(x)
    (rows, row), (columns, column) = (np.unique(at[somewhere], return_inverse=True) for at in (y, x))
    found = np.full((len(rows), len(columns)), np.nan)
    found[row, column] = values[somewhere]
    return found
