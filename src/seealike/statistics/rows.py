"""One row an image: what a tap shows, kept, in the order of the images' own index."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from seealike.kernel import IMAGES, State, Sum, Tap, by_index

INDEX = Tap(IMAGES, "index")


@dataclass(frozen=True)
class Rows(Sum):
    """{"index", "rows"}, sorted by index: merging is joining, so any cut and any order give the same."""

    joins: ClassVar[bool] = True

    tap: Tap

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (self.tap, INDEX)

    def lift(self, *seen: Tensor) -> State:
        rows, index = seen
        return by_index({"index": index.cpu(), "rows": rows.cpu()})
