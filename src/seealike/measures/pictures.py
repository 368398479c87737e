"""The images that a network was trained on, as it sees them: what `inversion` looks among for the nearest."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from seealike.kernel import Measure, Sources, State, Tap
from seealike.maths.colours import Colours
from seealike.statistics.rows import Rows
from seealike.views.pixels import Pixels

LEVELS = 255


@dataclass(frozen=True)
class Pictures(Measure):
    """Pictures (image, channel, y, x), each pixel the mean of so many that a side has at most `side`.

    In 255 steps from 0 to 1, which is `scale`, where they are colours in [0, 1]. No study asks this.
    """

    name: ClassVar[str] = "pictures"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "none"

    source: str  # the model
    take: int
    side: int
    colours: Colours | None = None

    @property
    def few(self) -> int:
        return self.take

    def bind(self, sources: Sources) -> "Pictures":
        return self

    def needs(self, *earlier: xr.Dataset) -> tuple[Rows]:
        return (Rows(Tap(self.source, "input", Pixels(self.colours, self.side))),)

    def read(self, *totals: State) -> xr.Dataset:
        (total,) = totals
        pictures, scale = total["rows"].numpy(), 1.0
        if self.colours is not None:
            pictures, scale = (pictures * LEVELS).round().clip(0, LEVELS).astype(np.uint8), LEVELS
        found = {"picture": (("image", "channel", "y", "x"), pictures)}
        return xr.Dataset(found, {"image": total["index"].numpy()}, {"scale": scale})
