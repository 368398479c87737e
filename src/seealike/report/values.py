"""Numbers in words: as many digits as the standard error warrants. `web/values.js` says the same in the browser."""

import math

MOST = 12  # decimals
TINY = 1e-4  # below it a value with its error is told by a power of ten


def said(value: float, error: float | None = None, unit: str = "") -> str:
    """A value with its standard error.

    >>> said(0.83417, 0.00213), said(43.21, 1.7, "pixel"), said(float("nan"))
    ('0.8342 ± 0.0021', '43.2 ± 1.7 pixel', 'undefined')
    >>> said(1.0, 1e-17), said(0.5), said(0.5, 0.0)
    ('1.00000 ± <0.00001', '0.5000', '0.5000 ± 0')
    >>> said(6.22e-9, 3.1e-10), said(1e-7, 2e-5, "pixel")
    ('(6.22 ± 0.31)e-9', '(0.0 ± 2.0)e-5 pixel')
    """
    return f"{_with_error(value, error)}{f' {unit}' if unit not in ('', '1') else ''}"


def _with_error(value: float, error: float | None) -> str:
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else f"{value}"
    if error is None or not math.isfinite(error):
        return plain(value)
    if error == 0:
        return f"{plain(value)} ± 0"
    greater = max(abs(value), error)
    if greater < TINY:
        power = _magnitude(greater)
        return f"({_with_error(value / 10.0**power, error / 10.0**power)})e{power}"
    decimals = _within(min(1 - _magnitude(error), 5 - _magnitude(greater)))
    least = 10.0**-decimals
    return f"{value:.{decimals}f} ± {f'<{least:.{decimals}f}' if error < least / 2 else f'{error:.{decimals}f}'}"


def plain(value: float) -> str:
    """Four digits that count.

    >>> plain(0.0), plain(0.12346), plain(12345.6), plain(-1.5e-9)
    ('0', '0.1235', '12346', '-1.50e-9')
    """
    if value == 0:
        return "0"
    if abs(value) < 1e-6:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.{_within(3 - _magnitude(value))}f}"


def _magnitude(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _within(decimals: int) -> int:
    return max(0, min(MOST, decimals))
