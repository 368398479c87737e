"""How often a prediction is an image's label."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seealike.kernel import State, Sum, Tap
from seealike.statistics.labelled import LABEL


@dataclass(frozen=True)
class Hits(Sum):
    """Number of images that have a label, and how many of them the tap, images x ..., gives that label.

    {"count", "sum"} in float64: their quotient is `average.mean`, an accuracy.
    """

    tap: Tap

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (self.tap, LABEL)

    def lift(self, *seen: Tensor) -> State | None:
        said, label = (x.cpu() for x in seen)
        known = label >= 0
        if not known.any():
            return None
        right = (said[known].movedim(0, -1) == label[known]).sum(-1)
        return {"count": known.sum().double(), "sum": right.to(torch.float64)}
