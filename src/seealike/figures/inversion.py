"""Pictures that layers cannot tell from images, how far they lie along the depth, and how the searches went."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from seealike.figures.answers import errors, title
from seealike.figures.choosing import evenly
from seealike.figures.comparing import searched
from seealike.figures.curves import Line, curves
from seealike.figures.layers import short
from seealike.figures.reconstructions import Picture, reconstructions
from seealike.figures.style import FONT, THIN, shade

IMAGES, LAYERS = 6, 8  # pictures shown: rows, and columns beside the image
SIDE, WIDEST = 0.78, 1.15  # inches of a picture
UNDER, HEAD = 0.3, 0.5  # inches: of what stands under a picture, and over all
PANELS = (5.4, 4.4)  # inches, all four
SHARES = {"non_unique": ("non-unique", "-", 0.0), "not_converged": ("not converged", "--", 0.85)}
INKS = {"non-unique": "#8c2981", "not converged": "0.5"}  # of verdicts
FAR = "distance of the picture, $m_i$"
NOISY = "image with noise, $i_r$"


def inversion(dataset: xr.Dataset, *, error: bool = False, ax: Axes | None = None) -> Figure:
    """Left, images and the nearest picture of each layer; right, distance and verdicts by depth, and the searches.

    As Badger 2022, E1 to E4 of the web pages. Of more than 6 images and 8 layers those drawn are evenly chosen; of
    several starts, the one that came nearest in the layer. Lines of searches, means over images and starts, have the
    colours over the pictures. Bands are one standard error, wherever it is known; `ax` draws the distance alone.
    """
    errors(dataset, "mean_m_i", error)  # refuses what there is not
    if ax is not None:
        return _distance(dataset, ax, _title(dataset.attrs))
    rows, columns = min(dataset.sizes["image"], IMAGES), min(dataset.sizes["layer"], LAYERS) + 1
    side = min(WIDEST, max(SIDE, (PANELS[1] - HEAD) / rows - UNDER))
    wide, high = columns * (side + 0.06) + 0.2, rows * (side + UNDER) + HEAD
    figure = Figure(figsize=(wide + PANELS[0], max(PANELS[1], high)), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[wide, PANELS[0]])[0]
    left.suptitle(_title(dataset.attrs), fontsize=FONT, x=0.02, ha="left")
    _pictures(dataset, left)
    (far, shares), (near, trace) = right.subplots(2, 2)
    _distance(dataset, far)
    _shares(dataset, shares)
    _searches(dataset, "trace_error", near, "distance in the layer / its norm", log=True)
    _searches(dataset, "trace_m_i", trace, FAR)
    return figure


def _title(attrs: dict[str, Any]) -> str:
    """`resnet; 24 images; strict, prior none, 500 iterations`: the batch changes nothing, and is left out."""
    of = title({key: value for key, value in attrs.items() if key != "batch"})
    return "; ".join(filter(None, (of, ", ".join(searched(attrs)))))


def _pictures(dataset: xr.Dataset, into: SubFigure) -> None:
    """A line an image: itself, then what each layer cannot tell from it."""
    rows = reconstructions(dataset, IMAGES, LAYERS)
    axes = into.subplots(len(rows), len(rows[0].pictures) + 1, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for panel, picture in zip(line, (row.original, *row.pictures), strict=True):
            _picture(panel, picture)
        line[0].set_ylabel(f"image {row.image}", fontsize=FONT - 1, labelpad=3)
    axes[0][0].set_title("image", fontsize=FONT, pad=7)
    for panel, (layer, colour) in zip(axes[0][1:], _layers(dataset), strict=True):
        panel.set_title(short(str(dataset["layer"].values[layer]), 14), fontsize=FONT, pad=7)
        panel.plot([0, 1], [1.045] * 2, color=colour, linewidth=2, transform=panel.transAxes, clip_on=False)


def _layers(dataset: xr.Dataset) -> list[tuple[int, tuple[float, float, float, float]]]:
    """Those whose pictures are shown, and the colour of each."""
    chosen = evenly(dataset.sizes["layer"], LAYERS)
    return [(layer, shade(i / max(len(chosen) - 1, 1))) for i, layer in enumerate(chosen)]


def _picture(ax: Axes, picture: Picture) -> None:
    ax.imshow(picture.pixels, interpolation="nearest")
    ax.set(xticks=(), yticks=())
    ax.spines[:].set_linewidth(THIN)
    if picture.layer:
        style = {"fontsize": FONT - 1, "color": INKS.get(picture.verdict, "black")}
        ax.set_xlabel(f"$m_i$ = {picture.found['m_i']:.3g}\n{picture.verdict}", labelpad=2, linespacing=1.1, **style)


def _distance(dataset: xr.Dataset, ax: Axes, said: str = "") -> Figure:
    """Of the pictures from the image along the depth; grey, that of the image with a little noise."""
    noisy = float(dataset["i_r"].mean())
    lines = [
        Line("nearest picture", dataset["depth"].values, dataset["mean_m_i"].values, _bars(dataset, "mean_m_i")),
        Line(NOISY, np.array([0.0, 1.0]), np.full(2, noisy), None, "0.5", "--", ""),
    ]
    figure = curves(lines, ax, label=FAR, title=said)
    ax.set(xlim=(-0.03, 1.03))
    ax.set_ylim(0, max(ax.get_ylim()[1], 1.1 * noisy))
    return figure


def _shares(dataset: xr.Dataset, ax: Axes) -> None:
    """Of the searches, over images and starts."""
    depth = dataset["depth"].values
    lines = [
        Line(label, depth, dataset[name].values, _bars(dataset, name), shade(colour), dash)
        for name, (label, dash, colour) in SHARES.items()
    ]
    curves(lines, ax, label="share of searches")
    legend = ax.get_legend()
    if legend is not None:  # above the panel: shares often fill it
        above = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1), "ncols": 2, "borderaxespad": 0.2}
        handles = [handle for handle in legend.legend_handles if handle is not None]
        named = [text.get_text() for text in legend.get_texts()]
        ax.legend(handles, named, fontsize=FONT, frameon=False, handlelength=2, columnspacing=0.8, **above)
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.02, 1.02))


def _searches(dataset: xr.Dataset, name: str, ax: Axes, label: str, log: bool = False) -> None:
    """A line for each layer whose pictures are shown."""
    along = dataset["iteration"].values.astype(float)
    means, bars = dataset[name].transpose("layer", "point").values, _bars(dataset, name, ("layer", "point"))
    lines = [
        Line(
            "",
            along,
            np.where(means[layer] > 0, means[layer], np.nan) if log else means[layer],
            None if bars is None else bars[layer],
            colour,
            marker="",
        )
        for layer, colour in _layers(dataset)
    ]
    curves(lines, ax, label=label, along="iteration", log=log, title="searches, in the colours over the pictures")
    if not log:
        ax.set_ylim(bottom=0)


def _bars(dataset: xr.Dataset, name: str, dims: Sequence[str] = ("layer",)) -> np.ndarray | None:
    return dataset[f"{name}_se"].transpose(*dims).values if f"{name}_se" in dataset else None
