"""What all figures have in common: small type, thin lines, magma from dark to what can still be seen on white."""

from textwrap import fill

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure, SubFigure

FONT = 7.0  # points
THIN = 0.5  # points
LIGHTEST = 0.8  # of magma, for the last of several lines: what is lighter cannot be seen on white
UNDEFINED = "0.72"  # the grey of what has no value


def shade(share: float) -> tuple[float, float, float, float]:
    """The colour of a line: 0 is the first of them (black), 1 the last (orange)."""
    red, green, blue, alpha = colormaps["magma"](LIGHTEST * share)
    return float(red), float(green), float(blue), float(alpha)


def shades() -> Colormap:
    """All the colours of `shade`, for a colour bar."""
    return ListedColormap([shade(i / 255) for i in range(256)], "magma, dark part")


def plain(ax: Axes) -> None:
    """Small ticks, and lines on the left and below only."""
    ax.tick_params(labelsize=FONT, length=2, width=THIN, pad=2)
    for name, spine in ax.spines.items():
        spine.set(linewidth=THIN, visible=name in ("left", "bottom"))


def titled(ax: Axes, title: str, lines: int = 0) -> None:
    """The title, above so many lines of a legend."""
    ax.set_title(fill(title, 60), loc="left", fontsize=FONT, pad=6 + lines * 1.5 * FONT)


def root(ax: Axes) -> Figure:
    """The figure that a panel is in, whatever is between them."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def beside_maps(into: SubFigure, aspect: float = 0.9) -> Axes:
    """One panel at the top, so high for its width."""
    ax: Axes = into.subplots()  # pyright: ignore[reportAssignmentType]
    ax.set_box_aspect(aspect)
    ax.set_anchor("N")
    return ax
