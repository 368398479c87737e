"""Figures and their numbers on disk: the same answer gives the same bytes."""

from pathlib import Path
from typing import Any

import matplotlib
import xarray as xr
from matplotlib.figure import Figure

from seealike.errors import StudyError

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
    """The numbers in long form, one row an element: `layer_a, layer_b, cka, cka_se`; undefined ones are empty."""
    path = Path(path)
    dims = [str(dim) for dim in dataset.sizes]
    table = dataset.reset_coords(drop=True).to_dataframe(dim_order=dims).reset_index()
    table.to_csv(path, index=False)
    return path
