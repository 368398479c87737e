"""How often a value falls into each of fixed bins: medians over any number of images, in the same memory."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seealike.kernel import State, Sum, Tap


@dataclass(frozen=True)
class Bins:
    """`count` equal bins from `low` to `high`, then one bin for what is below them and one for what is above.

    >>> Bins(0.0, 1.0, 4).of(torch.tensor([-1.0, 0.0, 0.3, 0.99, 1.0])).tolist()
    [0, 1, 2, 4, 5]
    """

    low: float
    high: float
    count: int

    @property
    def width(self) -> float:
        return (self.high - self.low) / self.count

    def of(self, values: Tensor) -> Tensor:
        """The bin of each value: 1 to `count`, 0 below, `count` + 1 above."""
        return torch.searchsorted(self.edges.to(values), values.contiguous(), right=True)

    @property
    def edges(self) -> Tensor:
        return torch.linspace(self.low, self.high, self.count + 1, dtype=torch.float64)


@dataclass(frozen=True)
class Histogram(Sum):
    """{"counts"}: features x (bins + 2), int32, of the row `value` of what a tap shows where its row `known` is not 0.

    The tap shows images x rows x features. A state is as large for one image as for a million.
    """

    tap: Tap
    bins: Bins
    value: int
    known: int
    features: int

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (self.tap,)

    @property
    def bytes(self) -> int:
        return 4 * self.features * (self.bins.count + 2)

    def lift(self, *seen: Tensor) -> State:
        (rows,) = seen
        size = self.bins.count + 2
        feature = torch.arange(self.features, device=rows.device)
        cells = (feature * size + self.bins.of(rows[:, self.value]))[rows[:, self.known] != 0]
        counts = torch.bincount(cells, minlength=self.features * size)
        return {"counts": counts.reshape(self.features, size).to(torch.int32).cpu()}

    def add(self, total: State, part: State) -> State:
        total["counts"] += part["counts"]
        return total


def middle(total: State, bins: Bins) -> Tensor:
    """2 x features: the lower and the upper median (the same of an odd number of values), each within its bin.

    Where the rank falls inside a bin its values are taken to be spread evenly, so that either median is wrong by less
    than the width of a bin. NaN without values, and where it lies beyond the bins.

    >>> values = torch.tensor([0.1, 0.2, 0.6, 0.9])[:, None, None].expand(-1, 2, 1)
    >>> bins = Bins(0.0, 1.0, 4)
    >>> middle(Histogram(Tap("vit", "head"), bins, value=0, known=1, features=1).lift(values), bins).tolist()
    [[0.1875], [0.625]]
    """
    counts = total["counts"].long()
    upto = counts.cumsum(1)
    number = upto[:, -1:]
    rank = torch.cat([(number - 1) // 2, number // 2], 1).clamp_min(0)  # features x 2, from 0
    at = torch.searchsorted(upto, rank, right=True).clamp_max(bins.count + 1)
    held = counts.gather(1, at)
    within = (rank - (upto.gather(1, at) - held) + 0.5) / held
    value = bins.low + (at - 1 + within) * bins.width
    return torch.where((at > 0) & (at <= bins.count) & (number > 0), value, torch.nan).T
