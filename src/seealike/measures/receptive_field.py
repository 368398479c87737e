"""Effective receptive fields: what of the image the middle of each layer depends on, and how far that reaches."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from seealike.errors import StudyError
from seealike.kernel import FOUND, Measure, Selected, Sources, State
from seealike.measures.layers import chosen
from seealike.models.middle import Centre, Middle, middle, no_middle
from seealike.statistics.field import Field

MASSES = (0.5, 0.95)
ALL = "all"
UNIT = "1 / pixel value"


@dataclass(frozen=True)
class ReceptiveField(Measure):
    """How much each pixel moves the middle of a layer: the mean absolute gradient, channels and images averaged.

    field(y, x) = mean over images and channels c of sum over colours |d z_c / d pixel(y, x)|, with z the layer at the
    centre of its grid of places: row and column g // 2 of g, or with `centre = "mean4"` the mean of the middle ones
    where g is even. Raghu et al. 2021, figures 6 and C.1 to C.4; Luo et al. 2016. Pixels are those of the network's
    input; the unit is that of the layer over that of these pixels, "1 / pixel value".

    `layers` are names, globs or kinds: "@residual" after each residual addition, "@branch" what was added to the skip.
    Every image draws `channels` of the channels (`seed` says which), so the mean is unbiased and its standard error
    covers images and channels; "all" is exact and costs a backward for each. `rms = True` gives the root mean square
    instead, `receptive_field_rms` (never smaller), from as many random projections.

    `area` (mass, layer): the smallest share of the image's pixels that holds 50 and 95 % of the field. `width` (layer):
    sqrt(mean squared distance from the centre / 2) in pixels, the sigma of a Gaussian. `own_patch` (layer): the share
    of the field within the centre's own cell, where the image is divided evenly by the layer's grid.

    >>> ReceptiveField("vit", layers=("@residual", "@branch")).few
    32
    """

    name: ClassVar[str] = "receptive_field"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Raghu et al. 2021, figs 6, C.1-C.4; Luo et al. 2016"

    model: str
    layers: str | tuple[str, ...] = "@residual"
    channels: int | Literal["all"] = 32
    take: int = 32
    centre: Centre = "single"
    rms: bool = False
    seed: int = 0
    bound: tuple[tuple[Selected, Middle], ...] = field(default=(), metadata={FOUND: True})
    image: tuple[int, ...] = field(default=(), metadata={FOUND: True})  # its height and width
    left_out: tuple[tuple[str, str], ...] = field(default=(), metadata={FOUND: True})  # tensors, and why

    def __post_init__(self):
        if self.channels != ALL and self.channels < 1:
            raise StudyError(f'channels = {self.channels}: draw at least 1, or write "all" for the exact mean.')
        if self.take < 1:
            raise StudyError(f"take = {self.take}: take at least 1 image.")

    @property
    def few(self) -> int:
        return self.take

    def bind(self, sources: Sources) -> "ReceptiveField":
        every, kept = (chosen(sources, self.model, self.layers, "@residual", refuses) for refuses in (None, no_middle))
        layers = {s: sources.layer(s.source, s.tensor) for s in every}
        bound = tuple((s, middle(p, self.centre)) for s in kept if (p := layers[s].places) is not None)
        why = tuple((s.tensor, str(no_middle(layer))) for s, layer in layers.items() if s not in kept)
        size = next(iter(layers.values())).image_size
        return replace(self, model="", layers=(), bound=bound, image=size, left_out=why)

    def needs(self, *earlier: xr.Dataset) -> tuple[Field]:
        middles = tuple((s.tensor, m) for s, m in self.bound)
        channels = None if self.channels == ALL else self.channels
        return (Field(self.bound[0][0].source, middles, self.image, channels, self.rms, self.seed),)

    def read(self, *totals: State) -> xr.Dataset:
        (total,) = totals
        mean = (total["sum"] / total["count"]).numpy()
        fields = np.sqrt(mean).sum(1) if self.rms else mean
        parts = [_shares(one, m) for one, (_, m) in zip(fields, self.bound, strict=True)]
        areas, widths, own = (np.array(values) for values in zip(*parts, strict=True))
        answer = xr.Dataset(
            {
                **self._fields(fields),
                "area": (("mass", "layer"), areas.T, {"long_name": "share of the image that holds it", "units": "1"}),
                "width": ("layer", widths, {"long_name": "Gaussian width", "units": "pixel"}),
                "own_patch": ("layer", own, {"long_name": "share within the centre's own patch", "units": "1"}),
            },
            {
                "layer": [str(s) for s, _ in self.bound],
                "depth": ("layer", [s.depth for s, _ in self.bound]),
                "centre_y": ("layer", [m.pixel[0] for _, m in self.bound], {"units": "pixel"}),
                "centre_x": ("layer", [m.pixel[1] for _, m in self.bound], {"units": "pixel"}),
                "mass": list(MASSES),
                "y": np.arange(fields.shape[1]),
                "x": np.arange(fields.shape[2]),
            },
        )
        return answer.assign_attrs(notes=[*_left_out(self.left_out), *self._undefined(fields)])

    def _fields(self, fields: np.ndarray) -> dict[str, tuple]:
        """Under its own name, so that nobody takes a root mean square for a mean."""
        name, meaning = (f"{self.name}_rms", "root mean square") if self.rms else (self.name, "mean absolute")
        return {name: (("layer", "y", "x"), fields, {"long_name": f"{meaning} gradient", "units": UNIT})}

    def _undefined(self, fields: np.ndarray) -> list[str]:
        notes = []
        for (selected, _), one in zip(self.bound, fields, strict=True):
            if not np.isfinite(one).all():
                notes.append(f"{selected}: its gradient is not finite everywhere, so its sizes are undefined")
            elif not one.any():
                notes.append(f"{selected}: no gradient reaches the image, so its sizes are undefined")
        return notes


def _shares(one: np.ndarray, middle: Middle) -> tuple[list[float], float, float]:
    """Area, width and own patch of one field."""
    total = one.sum()
    if not (np.isfinite(total) and total > 0):
        return [np.nan] * len(MASSES), np.nan, np.nan
    share = one / total
    y, x = (np.arange(size) + 0.5 for size in one.shape)
    squared = (y[:, None] - middle.pixel[0]) ** 2 + (x - middle.pixel[1]) ** 2
    return _areas(share), np.sqrt((share * squared).sum() / 2), share[_inside(one.shape, middle)].sum()


def _areas(share: np.ndarray) -> list[float]:
    """The smallest share of the pixels that holds each mass."""
    held = np.sort(share, axis=None)[::-1].cumsum()
    rounding = 1e-12  # sums of equal shares come out a little below the mass they hold
    return [float(np.searchsorted(held, mass - rounding) + 1) / share.size for mass in MASSES]


def _inside(shape: tuple[int, ...], middle: Middle) -> np.ndarray:
    """The pixels in the cells of the middle."""
    row, column = ((np.arange(n) + 0.5) * g // n for n, g in zip(shape, middle.grid, strict=True))
    return np.logical_or.reduce([(row[:, None] == r) & (column == c) for r, c in middle.cells])


def _left_out(tensors: tuple[tuple[str, str], ...]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for tensor, reason in tensors:
        reasons.setdefault(reason, []).append(tensor)
    return [f"left out, as {reason}: {', '.join(names)}" for reason, names in reasons.items()]
