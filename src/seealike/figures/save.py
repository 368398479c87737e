"""Figures and their numbers on disk: the same answer gives the same bytes."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from seealike.errors import StudyError

PICTURE = {"channel", "y", "x"}
ALONE = "iteration"  # a dimension that variables without it are not repeated along
FORMATS = ("pdf", "svg", "png", "csv")
# matplotlib would write today's date
TIMELESS = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
# text in a PDF stays text; ids in an SVG come from its content
SETTINGS: Any = {"pdf.fonttype": 42, "svg.hashsalt": "seealike"}


def save(figure: Figure, path: str | Path) -> Path:
    """The file written: pdf, svg or png (300 dpi), by its suffix."""
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind == "csv":
        raise StudyError(f"{path} is to hold numbers, and a figure has none: use to_csv(dataset, path).")
    if kind not in FORMATS:
        wrong = f"{path}: figures are not saved as {kind}" if kind else f"{path} has no suffix that says what to save"
        raise StudyError(f"{wrong}. There are: {', '.join(FORMATS)}.")
    with matplotlib.rc_context(SETTINGS):
        figure.savefig(path, format=kind, dpi=300, metadata=TIMELESS[kind])
    return path


def to_csv(dataset: xr.Dataset, path: str | Path) -> Path:
    """The numbers in long form, one row an element: `layer_a, layer_b, cka, cka_se`; undefined ones are empty.

    Variables that have no dimension in common, of layers and of models, have rows of their own, one below the other;
    and so have those along the iterations of a search. Pictures are left out: they are no numbers to read, and a row a
    pixel would be millions. The answer's own file has them.
    """
    path = Path(path)
    dataset = dataset.drop_vars([name for name, array in dataset.items() if PICTURE <= set(array.dims)])
    if ALONE in dataset.coords:
        dataset = dataset.swap_dims(point=ALONE)
    bare = dataset.reset_coords(drop=True)
    tables = [_table(bare[names]) for names in _together(bare)]
    pd.concat(tables).to_csv(path, index=False)
    return path


def _table(part: xr.Dataset) -> pd.DataFrame:
    if not part.sizes:
        return pd.DataFrame({str(name): [array.item()] for name, array in part.items()})
    table = part.to_dataframe(dim_order=[str(dim) for dim in part.sizes]).reset_index()
    whole = [name for name, column in table.items() if column.dtype.kind == "i"]
    return table.astype(dict.fromkeys(whole, "Int64"))  # which stay whole numbers beside rows that have none


def _together(dataset: xr.Dataset) -> list[list[Hashable]]:
    """The variables, those together that a chain of common dimensions links."""
    found: list[tuple[set[Hashable], list[Hashable]]] = []
    for name, array in dataset.data_vars.items():
        linked = [g for g in found if g[0] & set(array.dims) and (ALONE in g[0]) == (ALONE in array.dims)]
        found = [group for group in found if group not in linked]
        dims = set(array.dims).union(*(group[0] for group in linked))
        found.append((dims, [*(n for group in linked for n in group[1]), name]))
    return [[name for name in dataset.data_vars if name in names] for _, names in found]
