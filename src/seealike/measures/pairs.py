"""Measures of all pairs of layers that must see their images all together: what CKA is not, and ranks are."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from seealike.errors import StudyError
from seealike.kernel import FOUND, Measure, Selected, Sources, State, Tap
from seealike.measures.layers import layer_coordinates
from seealike.statistics.subsets import Subsets, parted
from seealike.views.linear import Vectors
from seealike.views.pooling import Pool

Pattern = str | tuple[str, ...]


def both_sides(measure: Measure, sources: Sources) -> dict[str, Any]:
    """The fields of a bound question of pairs of layers: those of its `a` (and `b`), or all pairs of its `layers`."""
    a, b, layers, view = (getattr(measure, key) for key in ("a", "b", "layers", "view"))
    if bool(layers) == bool(a):
        raise StudyError(
            f'{measure.name} needs a (and b), or layers: layers = ["vit:@block", "resnet:@block"] asks all pairs.'
        )
    bound = _select(sources, layers or a, Pool(view))
    others = _select(sources, b, Pool(view)) if b else bound
    return {"a": (), "b": (), "layers": (), "bound_a": bound, "bound_b": others}


def _select(sources: Sources, patterns: Pattern, pool: Pool) -> tuple[Selected, ...]:
    patterns = (patterns,) if isinstance(patterns, str) else patterns
    found = [s for pattern in patterns for s in sources.select(pattern, pool.refuses)]
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Pairs(Measure):
    """How alike layers are as places of the same images: read from each layer's vectors of `subset` images together.

    Each kind says what it makes of the vectors of one layer, once (`point`), and what it tells of two of these
    (`between`): then any number of pairs costs as many layers. `subsets` of `subset` images each, all different, are
    averaged. `a` and `b`, or `layers` for all pairs, are patterns such as `vit:**` or `resnet:@block`; `view` is what
    stands for an image. What stands for all of them alike has no neighbours and no angles: its values are NaN.
    """

    a: Pattern = ()
    b: Pattern = ()
    layers: Pattern = ()
    view: str = "mean"
    subset: int = 2000
    subsets: int = 1
    bound_a: tuple[Selected, ...] = field(default=(), metadata={FOUND: True}, kw_only=True)
    bound_b: tuple[Selected, ...] = field(default=(), metadata={FOUND: True}, kw_only=True)
    numbers: tuple[int, ...] = field(default=(), metadata={FOUND: True}, kw_only=True)  # of each layer's vectors

    def __post_init__(self):
        Pool(self.view)  # refuses what is no view
        if self.subset < 16:
            raise StudyError(f"subset = {self.subset}: at least 16 images must be looked at together.")
        if self.subsets < 1:
            raise StudyError(f"subsets = {self.subsets}: write 1 or more.")

    @property
    def few(self) -> int:
        return self.subset * self.subsets

    def bind(self, sources: Sources) -> "Pairs":
        there = sources.count()
        if self.subsets > 1 and there is not None and there < self.few:
            raise StudyError(
                f"subsets = {self.subsets} of subset = {self.subset} are {self.few} images, and there are {there}. "
                "Make one of them smaller."
            )
        bound = replace(self, **both_sides(self, sources))
        facts = (sources.layer(s.source, s.tensor) for s in bound.both)
        return replace(bound, numbers=tuple(Vectors(self.view).sizes(layer)[1] for layer in facts))

    @property
    def both(self) -> tuple[Selected, ...]:
        """The layers of both sides, each once."""
        return tuple(dict.fromkeys(self.bound_a + self.bound_b))

    def needs(self, *earlier: xr.Dataset) -> tuple[Subsets, ...]:
        layers = zip(self.both, self.numbers, strict=True)
        return tuple(Subsets(Tap(s.source, s.tensor, Pool(self.view)), self.subsets, self.few, n) for s, n in layers)

    def read(self, *totals: State) -> xr.Dataset:
        each = zip(*map(parted, totals), strict=True)
        found = [self._of_subset(dict(zip(self.both, rows, strict=True))) for rows in each]
        values = {name: torch.stack([one[name] for one in found]).mean(0).cpu().numpy() for name in found[0]}
        kept = {
            name: (("layer_a", "layer_b"), v, {"long_name": self.told[name], "units": self.units})
            for name, v in values.items()
        }
        answer = xr.Dataset(kept).assign_coords(layer_coordinates(a=self.bound_a, b=self.bound_b))
        return answer.assign_attrs(notes=self._notes(totals), images_together=len(totals[0]["rows"]) // len(found))

    def _of_subset(self, rows: Mapping[Selected, Tensor]) -> dict[str, Tensor]:
        points = {layer: self.point(x) for layer, x in rows.items()}
        return self.between([points[s] for s in self.bound_a], [points[s] for s in self.bound_b])

    @property
    @abstractmethod
    def told(self) -> Mapping[str, str]:
        """What each variable is, for axes and legends."""

    @property
    def units(self) -> str:
        return "1"

    @abstractmethod
    def point(self, rows: Tensor) -> Any:
        """What is kept of one layer, from its images x features; what is the same for all images included."""

    @abstractmethod
    def between(self, a: Sequence[Any], b: Sequence[Any]) -> dict[str, Tensor]:
        """Each variable of all pairs, len(a) x len(b); NaN where a layer is the same for all images."""

    def _notes(self, totals: Sequence[State]) -> list[str]:
        same = [s for s, t in zip(self.both, totals, strict=True) if not (t["rows"] != t["rows"][:1]).any()]
        return [f"{s} is the same for all images: what it is like is undefined" for s in same]
