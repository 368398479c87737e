"""Answers drawn: a Dataset in, a matplotlib Figure out. Needs no torch."""

from collections.abc import Callable

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seealike.errors import SeealikeError, StudyError, closest
from seealike.figures.accuracy import accuracy
from seealike.figures.answers import errors, title
from seealike.figures.compared import compared
from seealike.figures.curves import Line, curves
from seealike.figures.drift import drift
from seealike.figures.head_cka import head_cka
from seealike.figures.heads import heads
from seealike.figures.heatmap import heatmap, limits
from seealike.figures.image_statistics import image_statistics
from seealike.figures.inversion import inversion
from seealike.figures.jacobian import jacobian
from seealike.figures.localization import localization
from seealike.figures.maps import Map, maps
from seealike.figures.probe import probe
from seealike.figures.receptive_field import receptive_field
from seealike.figures.save import save, to_csv
from seealike.figures.skip_ratio import skip_ratio
from seealike.figures.trajectory import trajectory

__all__ = ["Line", "Map", "compared", "curves", "draw", "heads", "heatmap", "limits", "maps", "save", "to_csv"]


def draw(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """The figure of an answer, by its measure; `error` draws the standard errors too, `ax` draws on your own axes.

    Axes hold one panel: of a figure that has maps and curves, the curves.
    """
    measure = str(dataset.attrs.get("measure", ""))
    if not measure:
        raise StudyError(f"this dataset does not say which measure it answers. Figures there are: {', '.join(DRAWN)}.")
    if measure not in DRAWN:
        raise StudyError(f"measure {measure!r} has no figure. {closest(measure, DRAWN)}")
    try:
        return DRAWN[measure](dataset, error=error, ax=ax)
    except SeealikeError:
        raise
    except Exception as failed:  # variables that other hands wrote, or left out
        said = f"{type(failed).__name__}: {' '.join(str(failed).split())[:200]}"
        raise StudyError(
            f"this dataset says that it answers {measure}, and cannot be drawn as that ({said})."
        ) from failed


def _pairs(dataset: xr.Dataset, *, error: bool, ax: Axes | None) -> Figure:
    """Layers against layers: the variable named as the measure, or what can be compared of it."""
    measure = str(dataset.attrs["measure"])
    name = SHOWN.get(measure, measure)
    shown = errors(dataset, name, error)
    return heatmap(dataset[name], ax, error=shown if error else None, label=NAMES[measure], title=title(dataset.attrs))


def _heads(dataset: xr.Dataset, *, error: bool, ax: Axes | None) -> Figure:
    """A value of every head: its error bars need no room of their own, and are drawn wherever there are any."""
    name = dataset.attrs["measure"]
    shown = errors(dataset, name, error)
    return heads(dataset[name], ax, error=shown, label=NAMES[name], title=title(dataset.attrs))


NAMES = {
    "cka": "CKA",
    "imbalance": "information imbalance, rows to columns",
    "mutual_knn": "mutual nearest neighbours",
    "procrustes": "Procrustes angle, radian",
    "rsa": "RSA",
    "attention_distance": "mean attention distance (pixels)",
}
SHOWN = {"imbalance": "imbalance_rescaled"}
DRAWN: dict[str, Callable[..., Figure]] = {
    "cka": _pairs,
    "imbalance": _pairs,
    "mutual_knn": _pairs,
    "procrustes": _pairs,
    "rsa": _pairs,
    "trajectory": trajectory,
    "attention_distance": _heads,
    "drift": drift,
    "head_cka": head_cka,
    "image_statistics": image_statistics,
    "localization": localization,
    "probe": probe,
    "receptive_field": receptive_field,
    "inversion": inversion,
    "jacobian": jacobian,
    "skip_ratio": skip_ratio,
    "accuracy": accuracy,
}
