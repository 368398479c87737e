"""Mutual nearest neighbours: how many of an image's neighbours two layers share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from seealike.maths.ranks import Metric, Neighbours, overlaps
from seealike.measures.imbalance import nearest, refuse_too_many
from seealike.measures.pairs import Pairs


@dataclass(frozen=True)
class MutualKNN(Pairs):
    """How many neighbours two layers share: 1 where each image has the same k nearest in both, k/(N - 1) by chance.

    mutual_knn = mean over the N images of |N_a(i) and N_b(i)| / k, with N_a(i) the k nearest images of i in a:
    Huh et al. 2024. One less it is a distance that keeps the triangle inequality. Equal distances have no order: the
    mean over all ways to order them, in each layer apart.

    >>> MutualKNN(layers=("vit:@block",)).k
    10
    """

    name: ClassVar[str] = "mutual_knn"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Huh, Cheung, Wang & Isola 2024"

    k: int = 10
    metric: Metric = "euclidean"

    def __post_init__(self):
        Pairs.__post_init__(self)
        refuse_too_many(self.k, self.subset)

    @property
    def told(self) -> Mapping[str, str]:
        return {"mutual_knn": f"share of the {self.k} nearest images in common"}

    def point(self, rows: Tensor) -> Neighbours:
        return nearest(self.name, rows, self.k, self.metric)

    def between(self, a: Sequence[Neighbours], b: Sequence[Neighbours]) -> dict[str, Tensor]:
        return {"mutual_knn": overlaps(a, b)}
