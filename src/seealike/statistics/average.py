"""The mean over images of whatever a tap shows."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seealike.kernel import State, Sum, Tap


@dataclass(frozen=True)
class Average(Sum):
    """Number of images and sum over them: {"count", "sum"}, in float64."""

    tap: Tap

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (self.tap,)

    def lift(self, *seen: Tensor) -> State:
        (rows,) = seen
        count = torch.tensor(float(rows.shape[0]), dtype=torch.float64)
        return {"count": count, "sum": rows.sum(0, dtype=torch.float64).cpu()}


def mean(total: State) -> Tensor:
    """The average that a total stands for."""
    return total["sum"] / total["count"]
