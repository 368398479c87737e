"""A folder of answers in a few words: one line an ask."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

MOST = 3  # models that are named


def table(folder: Path, rows: Sequence[Sequence[str]]) -> str:
    """The listing; a row of two cells says what is wrong with a file, and makes no column wider."""
    columns = zip(*(row for row in rows if len(row) > 2), strict=True)
    widths = [max(map(len, column)) for column in columns] or [0, 0]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]
    return "\n".join([f"{folder}: {len(rows)} answer{'s' * (len(rows) != 1)}", *(f"  {line}" for line in lines)])


def described(answer: xr.Dataset, attrs: Mapping[str, Any]) -> tuple[str, ...]:
    """Measure, models, images, date and variables of an answer, whose attributes are decoded."""
    images = attrs.get("images")
    count = images.get("count") if isinstance(images, Mapping) else images
    seen = "" if count is None else f"{count} images"
    models, date = named(attrs.get("models") or ()), attrs.get("created", "")[:10]
    return attrs.get("measure", "?"), models, seen, date, _variables(answer)


def named(names: Iterable[str]) -> str:
    """The first of many names, and how many more there are.

    >>> named(["vit", "resnet"]), named(["a", "b", "c", "d", "e"])
    ('vit, resnet', 'a, b, c and 2 more')
    """
    names = list(names)
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def without_errors(variables: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """All variables but the standard errors of others: those go with what they belong to."""
    return {
        n: array for n, array in variables.items() if not (n.endswith("_se") and n.removesuffix("_se") in variables)
    }


def _variables(answer: xr.Dataset) -> str:
    """Names by their dimensions, `cka (layer_a 12, layer_b 16)`; that they have standard errors goes without saying."""
    groups: dict[str, list[str]] = {}
    for name, array in without_errors({str(name): array for name, array in answer.data_vars.items()}).items():
        groups.setdefault(", ".join(f"{d} {n}" for d, n in array.sizes.items()), []).append(name)
    return "; ".join(f"{', '.join(names)} ({sizes})" if sizes else ", ".join(names) for sizes, names in groups.items())
