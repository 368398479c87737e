"""Which variables want a logarithmic scale, and what is written along it."""

import xarray as xr
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

QUOTIENTS = ("ratio", "ratio_median", "penalty", "trace_error")
DECADE = 10.0
SEVERAL = 500.0  # from here on there is no room for 2 and 5


def decades(array: xr.DataArray) -> bool:
    """Whether a quotient is positive everywhere and its largest value over ten times its smallest.

    >>> decades(xr.DataArray([0.5, 40.0], name="ratio")), decades(xr.DataArray([0.05, 0.9], name="cka"))
    (True, False)
    """
    name = str(array.name or "").removesuffix("_se")
    defined = array.notnull()
    if name not in QUOTIENTS or not bool(defined.any()):
        return False
    least, most = float(array.min()), float(array.max())
    return least > 0 and most < float("inf") and most > DECADE * least


def plain_decades(axis: Axis) -> None:
    """`0.5 1 2 5 10` along a logarithmic axis, in the size of all other numbers."""
    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < SEVERAL * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
