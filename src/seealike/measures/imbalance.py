"""Information imbalance: what one layer knows of another, by the ranks of its nearest neighbours there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from seealike.errors import RunError, StudyError
from seealike.maths.ranks import Metric, Neighbours, mean_ranks, neighbours, rescaled
from seealike.measures.pairs import Pairs


@dataclass(frozen=True)
class Imbalance(Pairs):
    """How little a layer knows of another: 0 where its nearest images are the nearest there too, 1 where they are any.

    imbalance = 2/N * mean rank in b of the k nearest images in a, of N images: Glielmo et al. 2022, eq. 1, DADApy for
    k > 1. Identical layers give (k + 1)/N; `imbalance_rescaled` = (2 mean rank - (k + 1)) / (N - 1 - k) gives them 0,
    and what is unrelated 1, at any k. It is not symmetric: `_reverse` is from b to a. It depends on N: compare only
    values of one `subset`. Equal distances have no order: the mean over all ways to order them.

    >>> Imbalance(layers=("vit:@block",)).k
    1
    """

    name: ClassVar[str] = "imbalance"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Glielmo et al. 2022, eq. 1; Mahaut & Baroni 2026"

    k: int = 1
    metric: Metric = "euclidean"

    def __post_init__(self):
        Pairs.__post_init__(self)
        refuse_too_many(self.k, self.subset)

    @property
    def told(self) -> Mapping[str, str]:
        return {
            "imbalance": "information imbalance, a to b",
            "imbalance_rescaled": "information imbalance, a to b, 0 identical, 1 unrelated",
            "imbalance_reverse": "information imbalance, b to a",
            "imbalance_rescaled_reverse": "information imbalance, b to a, 0 identical, 1 unrelated",
        }

    def point(self, rows: Tensor) -> Neighbours:
        return nearest(self.name, rows, self.k, self.metric)

    def between(self, a: Sequence[Neighbours], b: Sequence[Neighbours]) -> dict[str, Tensor]:
        there = _mean_ranks(a, b)
        same = len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
        back = there.T if same else _mean_ranks(b, a).T
        n = len(a[0].rows)
        return self._both("", there, n) | self._both("_reverse", back, n)

    def _both(self, way: str, rank: Tensor, n: int) -> dict[str, Tensor]:
        return {f"imbalance{way}": 2 * rank / n, f"imbalance_rescaled{way}": rescaled(rank, self.k, n)}


def refuse_too_many(k: int, subset: int) -> None:
    """Neighbours must be few among the images that are looked at together."""
    if not 1 <= k <= subset // 2:
        raise StudyError(f"k = {k}: write 1 to {subset // 2}, half of subset = {subset}.")


def nearest(name: str, rows: Tensor, k: int, metric: Metric) -> Neighbours:
    if len(rows) < k + 2:
        raise RunError(
            f"{name}: k = {k} nearest images are asked for among {len(rows)}. Give more images, or a smaller k."
        )
    return neighbours(rows, k, metric)


def _mean_ranks(a: Sequence[Neighbours], b: Sequence[Neighbours]) -> Tensor:
    return torch.stack([mean_ranks(a, other) for other in b], 1)
