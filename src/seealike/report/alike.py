"""A variable and its standard errors, changed alike."""

from collections.abc import Callable

import xarray as xr

Pair = tuple[xr.DataArray, xr.DataArray | None]


def alike(array: xr.DataArray, error: xr.DataArray | None, change: Callable[[xr.DataArray], xr.DataArray]) -> Pair:
    """Both, changed; no errors stay none."""
    return change(array), None if error is None else change(error)
