"""One row an image, in disjoint subsets: for what depends on how many images are looked at together."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from seealike.errors import not_finite
from seealike.kernel import State, Sum, Tap, by_index
from seealike.statistics.rows import INDEX


@dataclass(frozen=True)
class Subsets(Sum):
    """{"index", "subset", "rows"}, sorted by index: which of `count` subsets each image is in, and what a tap shows.

    Every batch is cut into as many parts, one for each subset, so that leaving a batch out takes as much from all.
    `images` and `numbers` say how many rows of how many numbers there will be at most.
    """

    joins: ClassVar[bool] = True

    tap: Tap
    count: int = 1
    images: int = 0
    numbers: int = 0

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (self.tap, INDEX)

    @property
    def bytes(self) -> int:
        return 4 * self.images * self.numbers

    def lift(self, *seen: Tensor) -> State:
        rows, index = (x.cpu() for x in seen)
        if not rows.isfinite().all():
            raise not_finite(f"{self.tap} holds")
        subset = torch.arange(len(rows)) * self.count // len(rows)
        return by_index({"index": index, "subset": subset, "rows": rows.flatten(1)})


def parted(total: State) -> list[Tensor]:
    """The rows of each subset, in the order of the images' own index."""
    subsets = total["subset"].unique().tolist()
    if len(subsets) == 1:
        return [total["rows"]]  # as they are: chosen rows are copied
    return [total["rows"][total["subset"] == subset] for subset in subsets]
