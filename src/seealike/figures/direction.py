"""Which variables of pairs of layers are small where layers see alike: their colours run the other way."""

import math
from collections.abc import Iterable

import xarray as xr

APART = ("distance", "procrustes", "imbalance")
ALIKE = "0: alike"  # what a colour bar says of them


def apart(array: xr.DataArray) -> bool:
    """Whether 0 is alike, so that it gets the light end.

    >>> [apart(xr.DataArray(0.0, name=name)) for name in ("cka", "imbalance_rescaled_reverse", "procrustes_se")]
    [False, True, True]
    """
    name = str(array.name or "")
    return any(name == one or name.startswith(f"{one}_") for one in APART)


def greatest(arrays: Iterable[xr.DataArray]) -> float:
    """Where a scale ends: 1, or of angles in radians the next tenth above the greatest.

    >>> greatest([xr.DataArray([0.2, 1.52], attrs={"units": "radian"})]), greatest([xr.DataArray([1.2])])
    (1.6, 1.0)
    """
    angles = [array for array in arrays if array.attrs.get("units") == "radian" and array.notnull().any()]
    return max([1.0, *(math.ceil(float(array.max()) * 10 - 1e-9) / 10 for array in angles)])
