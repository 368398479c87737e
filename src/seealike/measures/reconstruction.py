"""The images that one layer cannot tell from given ones: what `inversion` must know before it can be asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import xarray as xr

from seealike.inversion import Settings
from seealike.inversion.search import points
from seealike.kernel import Measure, Selected, Sources, State
from seealike.maths.colours import Colours
from seealike.measures.layers import chosen
from seealike.statistics.inverted import Inverted

PICTURES = ("best", "last")
TRACES = ("trace_g", "trace_i")
DIMS = {
    **dict.fromkeys(PICTURES, ("image", "start", "channel", "y", "x")),
    **dict.fromkeys(TRACES, ("image", "start", "point")),
    **dict.fromkeys(("m_r", "i_r", "norm"), ("image",)),
}


@dataclass(frozen=True)
class Reconstruction(Measure):
    """For each image and start the nearest picture that was found, and the last: see `seealike.statistics.inverted`.

    No study asks this; `inversion` does. A layer is answered by itself, so that what was found of it stays when a run
    is stopped, and is shared by all questions about it.
    """

    name: ClassVar[str] = "reconstruction"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Badger 2022"

    layer: Selected
    settings: Settings
    take: int
    colours: Colours | None = None

    @property
    def few(self) -> int:
        return self.take

    @property
    def together(self) -> bool:
        return True

    def bind(self, sources: Sources) -> "Reconstruction":
        return self

    def needs(self, *earlier: xr.Dataset) -> tuple[Inverted]:
        return (Inverted(self.layer.source, self.layer.tensor, self.settings, self.colours),)

    def read(self, *totals: State) -> xr.Dataset:
        (total,) = totals
        kept = {key: one.numpy() for key, one in total.items() if key != "index"}
        found = {key: (DIMS.get(key, ("image", "start")), one) for key, one in kept.items()}
        along = {"image": total["index"].numpy(), "iteration": ("point", points(self.settings.iterations))}
        return xr.Dataset(found, along)


def reconstructions(
    sources: Sources, model: str, layers: str | tuple[str, ...], settings: Settings, take: int
) -> tuple[Reconstruction, ...]:
    """The question of each layer that patterns select."""
    colours = sources.known_colours(model)
    return tuple(Reconstruction(s, settings, take, colours) for s in chosen(sources, model, layers))


def together(known: Sequence[xr.Dataset]) -> xr.Dataset:
    """What was found of several layers, image x layer x ... ."""
    joined = xr.concat(known, "layer", coords="minimal", compat="override", join="inner")
    return joined.transpose("image", "layer", ...)
