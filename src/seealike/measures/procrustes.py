"""Procrustes: the angle that is left between two layers after the best rotation of one onto the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from seealike.errors import StudyError
from seealike.kernel import State
from seealike.maths.procrustes import angles, shape
from seealike.measures.pairs import Pairs


@dataclass(frozen=True)
class Procrustes(Pairs):
    """How far two layers are apart as shapes: 0 the same up to rotation and scale, pi / 2 (1.57) at right angles.

    arccos(|X'Y|_* / (|X| |Y|)), with |.|_* the sum of the singular values and the columns centred: Williams et al.
    2021, the angular distance of rotations, netrep's LinearMetric(alpha=1). An angle in radians that keeps the triangle
    inequality. It shrinks as layers grow wide, for unrelated ones to arccos(0.85 sqrt(p / N)), for p numbers alike in
    spread and N images: so each layer is first reduced to its `width` principal components, p much smaller than N.

    >>> Procrustes(layers=("vit:@block",)).width
    64
    """

    name: ClassVar[str] = "procrustes"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Williams, Kunz, Kornblith & Linderman 2021"

    width: int = 64

    def __post_init__(self):
        Pairs.__post_init__(self)
        if not 1 <= self.width < self.subset:
            raise StudyError(f"width = {self.width}: write 1 to {self.subset - 1}, less than subset = {self.subset}.")

    @property
    def told(self) -> Mapping[str, str]:
        return {"procrustes": "Procrustes angle"}

    @property
    def units(self) -> str:
        return "radian"

    def point(self, rows: Tensor) -> Tensor:
        return shape(rows, self.width)

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> dict[str, Tensor]:
        return {"procrustes": angles(a, b)}

    def _notes(self, totals: Sequence[State]) -> list[str]:
        narrow = [f"{s} ({n})" for s, n in zip(self.both, self.numbers, strict=True) if n < self.width]
        less = f"fewer numbers than width = {self.width}, so all of them: {', '.join(narrow)}"
        return Pairs._notes(self, totals) + ([less] if narrow else [])
