"""Centred sums of a tap and the labels of images, apart for those held out: what probes are solved from."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from seealike.errors import not_finite
from seealike.kernel import State, Sum, Tap
from seealike.maths.holdout import held_out
from seealike.maths.scatter import Scatter
from seealike.statistics.labelled import LABEL
from seealike.statistics.rows import INDEX

PARTS = ("count", "classes", "mean", "xx", "xy")


@dataclass(frozen=True)
class Scattered(Sum):
    """The parts of a `Scatter`, each with a first dimension of two: images that are fitted, images held out.

    The tap shows images x `tokens` x `features`. Images without a label are left out. Totals are in float64.
    """

    grouped: ClassVar[bool] = False

    tap: Tap
    tokens: int
    features: int
    classes: int
    holdout: float
    seed: int = 0

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (self.tap, INDEX, LABEL)

    @property
    def bytes(self) -> int:
        return 2 * 8 * self.tokens * self.features * (self.features + self.classes + 1)

    def lift(self, *seen: Tensor) -> State:
        rows, index, labels = seen
        held, known = held_out(index, self.seed, self.holdout), labels.cpu() >= 0
        state = self._room(rows)
        for side, chosen in zip(sides(state), (known & ~held, known & held), strict=True):
            some = chosen.nonzero()[:, 0].to(rows.device)
            side.fill(rows[some], labels.to(rows.device)[some])
        if not state["mean"].isfinite().all():
            raise not_finite(f"{self.tap} holds")
        return state

    def _room(self, rows: Tensor) -> State:
        """What one batch fills: sums in float64, products in the rows' own precision, at least float32."""
        work = torch.promote_types(rows.dtype, torch.float32)
        each = self.tokens, self.features
        sizes = {
            "count": ((2,), torch.float64),
            "classes": ((2, self.classes), torch.float64),
            "mean": ((2, *each), torch.float64),
            "xx": ((2, *each, self.features), work),
            "xy": ((2, self.classes, *each), work),
        }
        return {part: torch.empty(size, dtype=dtype, device=rows.device) for part, (size, dtype) in sizes.items()}

    def merge(self, a: State, b: State) -> State:
        return _absorbed({part: value.to(torch.float64, copy=True) for part, value in a.items()}, b)

    def add(self, total: State, part: State) -> State:
        exact = {name: total.pop(name).double() for name in PARTS}  # one by one, so that both never exist in whole
        return _absorbed(exact, part)


def sides(state: State) -> tuple[Scatter, Scatter]:
    """The sums of the images that are fitted, and of those held out; they share the state's memory."""
    fit, held = (Scatter(*(state[part][side] for part in PARTS)) for side in (0, 1))
    return fit, held


def _absorbed(total: State, part: State) -> State:
    for mine, theirs in zip(sides(total), sides(part), strict=True):
        mine.absorb(theirs)
    return total
