"""Representational similarity: whether two layers tell the same images apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from seealike.kernel import State
from seealike.maths.dissimilarity import Metric, directed, ranked, spearman
from seealike.measures.pairs import Pairs
from seealike.statistics.subsets import parted


@dataclass(frozen=True)
class RSA(Pairs):
    """Whether two layers tell the same images apart: 1 the same pairs most and least, 0 unrelated ones.

    Spearman's rank correlation of the dissimilarities of all pairs of images in the two layers: Kriegeskorte, Mur &
    Bandettini 2008. A dissimilarity is 1 - Pearson's correlation of the two images' numbers, or with `metric` their
    Euclidean or cosine distance; equal ones share their mean rank. An image whose numbers are all equal correlates with
    none: a layer that has one is undefined, but for `metric = "euclidean"`.

    >>> RSA(layers=("vit:@block",)).metric
    'correlation'
    """

    name: ClassVar[str] = "rsa"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Kriegeskorte, Mur & Bandettini 2008"

    subset: int = 1000  # of which there are half a million pairs
    metric: Metric = "correlation"

    @property
    def told(self) -> Mapping[str, str]:
        return {"rsa": "RSA (Spearman)"}

    def point(self, rows: Tensor) -> Tensor:
        return ranked(rows, self.metric)

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> dict[str, Tensor]:
        return {"rsa": spearman(a, b)}

    def _notes(self, totals: Sequence[State]) -> list[str]:
        found = Pairs._notes(self, totals)
        for layer, total in zip(self.both, totals, strict=True):
            without = sum(int((~directed(rows, self.metric)).sum()) for rows in parted(total))
            if without and not any(note.startswith(f"{layer} is") for note in found):
                found.append(f"{layer}: {_without(without, self.metric)}, so its RSA is undefined")
        return found


def _without(images: int, metric: Metric) -> str:
    numbers = "zero" if metric == "cosine" else "equal"
    return (
        f"the numbers of {images} images are all {numbers}"
        if images > 1
        else f"the numbers of one image are all {numbers}"
    )
