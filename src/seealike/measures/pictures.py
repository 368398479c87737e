"""The images that a network was trained on, as it sees them: what `inversion` looks among for the nearest."""

from dataclasses import dataclass
from typing import ClassVar

import xarray as xr

from seealike.kernel import Measure, Sources, State, Tap
from seealike.maths.colours import Colours
from seealike.statistics.rows import Rows
from seealike.views.pixels import Pixels


@dataclass(frozen=True)
class Pictures(Measure):
    """Pictures (image, channel, y, x) in [0, 1], each pixel the mean of so many that a side has at most `side`.

    No study asks this.
    """

    name: ClassVar[str] = "pictures"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "none"

    model: str
    take: int
    side: int
    colours: Colours | None = None

    @property
    def few(self) -> int:
        return self.take

    def bind(self, sources: Sources) -> "Pictures":
        return self

    def needs(self, *earlier: xr.Dataset) -> tuple[Rows]:
        return (Rows(Tap(self.model, "input", Pixels(self.colours, self.side))),)

    def read(self, *totals: State) -> xr.Dataset:
        (total,) = totals
        pictures = ("image", "channel", "y", "x"), total["rows"].numpy()
        return xr.Dataset({"picture": pictures}, {"image": total["index"].numpy()})
