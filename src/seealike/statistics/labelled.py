"""One row an image with its label: for few images, or for what no sum can tell."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from seealike.kernel import IMAGES, State, Sum, Tap, by_index
from seealike.statistics.rows import INDEX

LABEL = Tap(IMAGES, "label")  # -1 for an image that has none


@dataclass(frozen=True)
class Labelled(Sum):
    """{"index", "label", "rows"}, sorted by index, of the images that have a label.

    `images` and `numbers` say how many rows of how many numbers there will be at most.
    """

    grouped: ClassVar[bool] = False
    joins: ClassVar[bool] = True

    tap: Tap
    images: int
    numbers: int

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (self.tap, INDEX, LABEL)

    @property
    def bytes(self) -> int:
        return 4 * self.images * self.numbers

    def lift(self, *seen: Tensor) -> State:
        rows, index, label = (x.cpu() for x in seen)
        known = label >= 0
        return by_index({"index": index[known], "label": label[known], "rows": rows[known]})
