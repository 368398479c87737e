"""Scenes whose factors are limited: `within = { hue = [0.0, 0.5], clutter = [0, 2] }`, as written and as held."""

from collections.abc import Mapping
from typing import Any

from seealike.errors import StudyError, closest
from seealike.images.scenes.factors import FACTORS, PLACES, REAL, WHOLE, Within

# What can be written of a factor, in the units in which it is recorded.
RANGES = {
    **dict.fromkeys(PLACES, (0.0, 1.0)),
    **{name: (start, round(start + length, 9)) for name, (start, length) in REAL.items()},
    **{name: (0.0, count - 1.0) for name, count in WHOLE.items()},
}


def limits(written: Any) -> Within:
    """The limits of a table, or as they are held, in one order; refused where no scene can keep to them.

    >>> limits({"hue": [0, 0.5], "background": [0]})
    (('background', (0.0, 0.0)), ('hue', (0.0, 0.5)))
    """
    pairs = tuple(written.items()) if isinstance(written, Mapping) else written
    if not isinstance(pairs, tuple) or not all(map(_named, pairs)):
        raise StudyError(f"within = {written!r}: write a table of ranges, {{ hue = [0.0, 0.5], clutter = [0, 2] }}.")
    found = {name: _range(name, ends) for name, ends in pairs}
    for place in found.keys() & set(PLACES):
        _refuse_outside_the_picture(place, found)
    return tuple(sorted(found.items()))


def in_words(within: Within) -> str:
    """What follows the number of scenes in an answer's source.

    >>> in_words((("background", (0.0, 0.0)), ("hue", (0.0, 0.5))))
    ' within background 0, hue 0 to 0.5'
    """
    each = (f"{name} {low:.9g}" + (f" to {high:.9g}" if high > low else "") for name, (low, high) in within)
    return f" within {', '.join(each)}" if within else ""


def _named(pair: Any) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)


def _range(name: str, ends: Any) -> tuple[float, float]:
    if name not in FACTORS:
        raise StudyError(f"within.{name}: scenes have no such factor. {closest(name, FACTORS)}")
    if not isinstance(ends, list | tuple) or not 1 <= len(ends) <= 2 or not all(map(_number, ends)):
        raise StudyError(f"within.{name} = {ends!r}: write its lowest and its highest value, {_all(name)}.")
    low, high = float(ends[0]), float(ends[-1])
    said = f"within.{name} = {list(ends)}"
    if not low <= high:
        raise StudyError(f"{said}: nothing lies between these. Write the lower one first.")
    if low < RANGES[name][0] or high > RANGES[name][1]:
        raise StudyError(f"{said}: that is beyond what scenes have, {_all(name)}.")
    if name in WHOLE and not (low.is_integer() and high.is_integer()):
        raise StudyError(f"{said}: {name} is a whole number, {_all(name)}.")
    return low, high


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all(name: str) -> str:
    low, high = RANGES[name]
    return f"[{int(low)}, {int(high)}]" if name in WHOLE else f"[{low}, {high}]"


def _refuse_outside_the_picture(place: str, found: Mapping[str, tuple[float, float]]) -> None:
    """The largest shape has the least room."""
    largest = found.get("size", RANGES["size"])[1]
    low, high = found[place]
    if high < largest or low > 1 - largest:
        raise StudyError(
            f"within.{place} = [{low}, {high}]: a shape of size {largest} has its {place} between {largest} and "
            f"{1 - largest:.9g}, or it would be cut off. Widen {place}, or let within.size end lower."
        )
