"""A heatmap of pairs of layers: magma, the input at the lower left, one scale for all panels."""

import math
from dataclasses import dataclass
from textwrap import wrap

import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from seealike.errors import StudyError
from seealike.figures.direction import ALIKE, apart, greatest
from seealike.figures.layers import Label, Segment, labels, segments
from seealike.figures.scales import plain_decades
from seealike.figures.style import FONT, THIN, UNDEFINED, root, titled

SIDE = 3.6  # inches of the longer side of a panel
LETTER = 0.55 * FONT / 72  # inches a letter is wide, about


@dataclass(frozen=True)
class Scale:
    """Which colours mean which values."""

    label: str
    vmin: float = 0.0
    vmax: float = 1.0
    colours: str = "magma"
    log: bool = False

    @property
    def norm(self) -> Normalize:
        return (LogNorm if self.log else Normalize)(self.vmin, self.vmax)


def limits(*arrays: xr.DataArray) -> tuple[float, float]:
    """The one scale for these panels: 0 to 1, lowered to the next tenth below a negative minimum, not below -1.

    Of angles in radians it ends at the next tenth above the greatest. Values outside are drawn in the end colours and
    the colour bar says so with an arrow.

    >>> limits(xr.DataArray([0.2, 0.9])), limits(xr.DataArray([0.2]), xr.DataArray([-0.13, float("nan")]))
    ((0.0, 1.0), (-0.2, 1.0))
    """
    least = min((float(array.min()) for array in arrays if array.notnull().any()), default=0.0)
    return (0.0 if least > -1e-6 else math.floor(max(least, -1.0) * 10) / 10, greatest(arrays))


def heatmap(
    array: xr.DataArray,
    ax: Axes | None = None,
    *,
    error: xr.DataArray | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    label: str | None = None,
    title: str = "",
) -> Figure:
    """Rows upwards are the first dimension's layers, columns the second's; `error` adds a panel with its own scale.

    The scale is that of `limits`, unless `vmin` and `vmax` say otherwise. What is alike is light: of distances, 0.
    """
    least, most = limits(array)
    named, colours = label or str(array.name or ""), "magma"
    if apart(array):
        named, colours = f"{named} ({ALIKE})", "magma_r"
    scale = Scale(named, least if vmin is None else vmin, most if vmax is None else vmax, colours)
    panels = [(array, scale)] if error is None else [(array, scale), (error, error_scale(error))]
    if ax is not None and error is not None:
        raise StudyError("ax= holds one panel. Leave out error, or draw the error on axes of its own.")
    axes = [ax] if ax is not None else _axes(array, len(panels), title)
    for axis, (values, its_scale) in zip(axes, panels, strict=True):
        _panel(axis, values, its_scale, named=axis is axes[0])
    titled(axes[0], title)
    return root(axes[0])


def error_scale(error: xr.DataArray) -> Scale:
    most = float(error.max()) if error.notnull().any() else 0.0
    return Scale("standard error", 0.0, most or 1.0, "cividis")


def _panel(ax: Axes, array: xr.DataArray, scale: Scale, named: bool = True) -> None:
    rows, columns = (_layers(array, dim) for dim in array.dims)
    image = ax.imshow(
        array.values,
        origin="lower",
        cmap=colormaps[scale.colours].with_extremes(bad=UNDEFINED),
        norm=scale.norm,
        aspect="equal" if comparable(array) else "auto",
        interpolation="nearest",
    )
    name_axis(ax, "x", columns, what=_what(array.dims[1]))
    name_axis(ax, "y", rows, named, what=_what(array.dims[0]))
    ax.tick_params(labelsize=FONT, length=2, width=THIN, pad=2)
    for spine in ax.spines.values():
        spine.set_linewidth(THIN)
    colour_bar(ax, image, array, scale, at=1.08 if len(segments(rows)) > 1 else 1.03)
    if bool(array.isnull().any()):
        grey = Patch(facecolor=UNDEFINED, label="undefined")
        ax.legend(handles=[grey], loc="upper left", bbox_to_anchor=(1, 0), handlelength=1, fontsize=FONT, frameon=False)


def _layers(array: xr.DataArray, dim) -> list[str]:
    return [str(layer) for layer in array[dim].values]


def comparable(array: xr.DataArray) -> bool:
    """Square pixels, unless one model has over twice the layers of the other."""
    return max(array.shape) <= 2 * min(array.shape)


def _what(dim) -> str:
    """What an axis counts: `layer` for layer_a too."""
    return "layer" if str(dim).startswith("layer") else str(dim).replace("_", " ")


def name_axis(ax: Axes, which: str, layers: list[str], named: bool = True, what: str = "layer") -> None:
    """Ticks at the chosen layers; one model is named by the axis, several by groups on the far side."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    ticks, groups = labels(layers), segments(layers)
    axis.set_ticks([t.position for t in ticks], [t.text for t in ticks] if named else [""] * len(ticks))
    if which == "x":
        ax.tick_params(axis="x", labelrotation=90)
    if len(groups) > 1:
        _groups(ax, which, groups)
    if named:
        model = groups[0].model if len(groups) == 1 else ""
        axis.set_label_text(f"{what} of {model}" if model else what, fontsize=FONT + 1)


def _groups(ax: Axes, which: str, groups: list[Segment]) -> None:
    """A line between the models and their names on top, or at the right."""
    for group in groups[1:]:
        line = ax.axvline if which == "x" else ax.axhline
        line(group.start - 0.5, color="white", linewidth=0.8)
    far = ax.secondary_xaxis("top") if which == "x" else ax.secondary_yaxis("right")
    axis = far.xaxis if which == "x" else far.yaxis
    axis.set_ticks([group.middle for group in groups], [group.model for group in groups])
    far.tick_params(labelsize=FONT, length=0, pad=3)
    if which == "y":
        for text in axis.get_ticklabels():
            text.set(rotation=270, verticalalignment="center")


def colour_bar(ax: Axes, image: AxesImage, array: xr.DataArray, scale: Scale, at: float) -> None:
    """As high as the panel, whatever its aspect; an arrow where values lie beyond the scale."""
    below = bool((array < scale.vmin - 1e-6).any())
    above = bool((array > scale.vmax + 1e-6).any())
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((at, 0, 0.035, 1)), extend=extend)
    bar.set_label(scale.label, fontsize=FONT + 1)
    if scale.log:
        plain_decades(bar.ax.yaxis)
    bar.ax.tick_params(labelsize=FONT, length=2, width=THIN)
    bar.outline.set_linewidth(THIN)


def _axes(array: xr.DataArray, panels: int, title: str) -> list[Axes]:
    """Panels side by side in a figure just large enough for them and their labels."""
    high, wide = array.shape
    longest = max(high, wide)
    side = min(SIDE, max(2.2, 0.3 * longest))
    height, width = (side * high / longest, side * wide / longest) if comparable(array) else (side, side)
    below, left = (_room(labels(_layers(array, dim))) for dim in reversed(array.dims))
    beside, above = (0.45 if len(segments(_layers(array, dim))) > 1 else 0.05 for dim in array.dims)
    size = (left + panels * (width + 0.6 + beside), below + height + above + 0.13 * len(wrap(title, 60)))
    figure = Figure(figsize=size, layout="constrained")
    return list(figure.subplots(1, panels, squeeze=False)[0])


def _room(ticks: list[Label]) -> float:
    return max(len(tick.text) for tick in ticks) * LETTER + 0.4
