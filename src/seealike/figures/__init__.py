"""Answers drawn: a Dataset in, a matplotlib Figure out. Needs no torch."""

from collections.abc import Callable
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seealike.errors import StudyError, closest
from seealike.figures.heads import heads
from seealike.figures.heatmap import heatmap, limits
from seealike.figures.save import save, to_csv

__all__ = ["draw", "heads", "heatmap", "limits", "save", "to_csv"]


def draw(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """The figure of an answer, by its measure; `error` draws the standard errors too, `ax` draws on your own axes."""
    measure = str(dataset.attrs.get("measure", ""))
    if not measure:
        raise StudyError(f"this dataset does not say which measure it answers. Figures there are: {', '.join(DRAWN)}.")
    if measure not in DRAWN:
        raise StudyError(f"measure {measure!r} has no figure. {closest(measure, DRAWN)}")
    return DRAWN[measure](dataset, error=error, ax=ax)


def _pairs(dataset: xr.Dataset, *, error: bool, ax: Axes | None) -> Figure:
    """Layers against layers: the variable named as the measure."""
    name = dataset.attrs["measure"]
    shown = _errors(dataset, name, error)
    return heatmap(dataset[name], ax, error=shown if error else None, label=NAMES[name], title=_title(dataset.attrs))


def _heads(dataset: xr.Dataset, *, error: bool, ax: Axes | None) -> Figure:
    """A value of every head: its error bars need no room of their own, and are drawn wherever there are any."""
    name = dataset.attrs["measure"]
    shown = _errors(dataset, name, error)
    return heads(dataset[name], ax, error=shown, label=NAMES[name], title=_title(dataset.attrs))


def _errors(dataset: xr.Dataset, name: str, asked: bool) -> xr.DataArray | None:
    if asked and f"{name}_se" not in dataset:
        raise StudyError(f"this answer has no {name}_se, so error=True has nothing to draw. Leave it out.")
    return dataset.get(f"{name}_se")


def _title(attrs: dict[str, Any]) -> str:
    """`vit, resnet; 2,048 images; batch 256`: as much of it as the answer says."""
    models, images = list(attrs.get("models") or ()), attrs.get("images") or {}
    said = [", ".join(models) if len(models) <= 4 else f"{len(models)} models"]
    said += [f"{images['count']:,} images"] if images.get("count") else []
    said += [f"batch {attrs['batch']}"] if "batch" in attrs else []
    return "; ".join(part for part in said if part)


NAMES = {"cka": "CKA", "attention_distance": "mean attention distance (pixels)"}
DRAWN: dict[str, Callable[..., Figure]] = {"cka": _pairs, "attention_distance": _heads}
