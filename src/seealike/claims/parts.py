"""Parts of a network that claims speak of: the lower third of its blocks, the first half of its skips."""

import numpy as np
import xarray as xr


def third(count: int) -> int:
    """How many of so many layers are a third of them; of one or two layers there is none.

    >>> [third(count) for count in (2, 3, 4, 7, 12)]
    [0, 1, 1, 2, 4]
    """
    return round(count / 3) if count > 2 else 0


def lower_third(array: xr.DataArray, dim: str) -> xr.DataArray:
    """The first third of the elements; all are in the order in which the network runs."""
    return array.isel({dim: slice(third(array.sizes[dim]))})


def middle_third(array: xr.DataArray, dim: str) -> xr.DataArray:
    """What lies between the first and the last third."""
    part = third(array.sizes[dim])
    return array.isel({dim: slice(part, array.sizes[dim] - part if part else 0)})


def upper_third(array: xr.DataArray, dim: str) -> xr.DataArray:
    """The last third of the elements."""
    count = array.sizes[dim]
    return array.isel({dim: slice(count - third(count), count)})


def first_half(array: xr.DataArray, dim: str) -> xr.DataArray:
    """The first half of the elements, without the middle one of an odd number."""
    return array.isel({dim: slice(array.sizes[dim] // 2)})


def second_half(array: xr.DataArray, dim: str) -> xr.DataArray:
    """The last half of the elements, without the middle one of an odd number."""
    count = array.sizes[dim]
    return array.isel({dim: slice(count - count // 2, count)})


def mean(array: xr.DataArray | np.ndarray) -> float:
    """The mean of all elements; NaN if there is none, or one of them is undefined.

    >>> mean(np.array([1.0, 2.0])), mean(np.array([]))
    (1.5, nan)
    """
    values = np.asarray(array, float)
    return float(values.mean()) if values.size else float("nan")
