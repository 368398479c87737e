"""What layers tell of image statistics, along the depth: a panel a statistic, and one of all."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seealike.figures.answers import errors, title
from seealike.figures.curves import Line, curves
from seealike.figures.heatmap import limits
from seealike.figures.maps import shape
from seealike.figures.style import FONT, THIN, shade, titled

COLUMNS = 5
LINES = {
    "r2_ridge": ("R², ridge", "-", 0.0),
    "r2_knn": ("R², nearest images", "--", 0.5),
    "imbalance": ("imbalance", ":", 1.0),
}
ALL = "all, mean of R²"


def image_statistics(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """R² of ridge regression and of the nearest images, and imbalance, along the depth: of all statistics, and of each.

    The first panel, which is what `ax` draws, has the means of R² over the statistics and the imbalance to all of them
    together. Bands are one standard error; that of a mean is the mean of theirs, the most that its own can be. All
    panels have one scale.
    """
    errors(dataset, "r2_ridge", error)
    shown = [str(name) for name in dataset.statistic.values]
    if ax is not None:
        figure = curves(_lines(_together(dataset), named=True), ax, label="R² or imbalance", title=title(dataset.attrs))
        _scaled([ax], dataset)
        return figure
    rows, columns = shape(len(shown) + 1, COLUMNS)
    figure = Figure(figsize=(0.4 + 1.65 * columns, 0.5 + 1.5 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel())
    parts = [(ALL, _together(dataset)), *((name, dataset.sel(statistic=name)) for name in shown)]
    for panel, (name, part) in zip(axes, parts, strict=False):
        curves(_lines(part, named=False), panel, label="", along="")
        titled(panel, name)
    for panel in axes[len(parts) :]:
        panel.remove()
    for panel in axes[len(parts) - columns : len(parts)]:
        panel.tick_params(labelbottom=True)  # also where there is no panel below
    _scaled(axes[: len(parts)], dataset)
    said = {"loc": "outside upper left", "ncols": 3, "fontsize": FONT, "frameon": False, "title_fontsize": FONT}
    figure.legend(handles=_key(), title=title(dataset.attrs), alignment="left", **said)
    figure.supxlabel("normalised depth", fontsize=FONT + 1)
    figure.supylabel("R² or imbalance", fontsize=FONT + 1)
    return figure


def _together(dataset: xr.Dataset) -> xr.Dataset:
    """The means over the statistics that are defined; of imbalance, that to all of them."""
    means = dataset.mean("statistic", skipna=True, keep_attrs=True)
    more = {f"imbalance{end}": means[f"imbalance_all{end}"] for end in ("", "_se") if f"imbalance_all{end}" in means}
    return means.assign(more)


def _lines(part: xr.Dataset, named: bool) -> list[Line]:
    return [
        Line(
            label if named else "",
            part.depth.values,
            part[name].values,
            part[f"{name}_se"].values if f"{name}_se" in part else None,
            shade(colour),
            dash,
        )
        for name, (label, dash, colour) in LINES.items()
        if name in part
    ]


def _key() -> list[Line2D]:
    drawn = ({"label": label, "linestyle": dash, "color": shade(colour)} for label, dash, colour in LINES.values())
    return [Line2D([], [], linewidth=0.9, marker="o", markersize=2.5, **style) for style in drawn]


def _scaled(axes: list[Axes], dataset: xr.Dataset) -> None:
    least, most = limits(*(dataset[name] for name in LINES if name in dataset))
    for ax in axes:
        ax.set(xlim=(-0.03, 1.03), xticks=(0, 0.5, 1))
        ax.set_ylim(least - 0.05, most + 0.08)
        ax.axhline(0, color="0.6", linewidth=THIN, zorder=0)
