"""One row an image: what a tap shows, kept, in the order of the images' own index."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seealike.kernel import IMAGES, State, Sum, Tap

INDEX = Tap(IMAGES, "index")


@dataclass(frozen=True)
class Rows(Sum):
    """{"index", "rows"}, sorted by index: merging is joining, so any cut and any order give the same."""

    tap: Tap

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (self.tap, INDEX)

    def lift(self, *seen: Tensor) -> State:
        rows, index = seen
        return _sorted(index.cpu(), rows.cpu())

    def merge(self, a: State, b: State) -> State:
        return _sorted(torch.cat([a["index"], b["index"]]), torch.cat([a["rows"], b["rows"]]))


def _sorted(index: Tensor, rows: Tensor) -> State:
    order = index.argsort(stable=True)
    return {"index": index[order], "rows": rows[order]}
