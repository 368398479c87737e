"""The operands of an attention: which of their numbers belong to a query or a key, and where in the image those are.

Of a fused attention they are its queries and its keys. Of one written out they are its weights, whose rows are
queries, and its values, whose rows are keys.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.fx import Node

from seealike.models.operations import shape
from seealike.models.places import ImageAxis, Places


@dataclass(frozen=True, eq=False)
class Operand:
    """A tensor with its queries or keys along `dim` and their numbers along `other`, counted in one image's part."""

    node: Node
    axis: ImageAxis
    places: Places = field(repr=False)
    dim: int
    other: int
    rank: int

    @staticmethod
    def of(node: Node, dim: int, other: int | None, axis: ImageAxis | None, places: Places | None) -> "Operand | None":
        """The operand with `dim` and `other` counted in the whole tensor; None where its places are not known."""
        if other is None or axis is None or places is None:
            return None
        count = len(shape(node))
        if axis.dim in (dim % count, other % count):
            return None
        dim, other = axis.of_one(dim % count), axis.of_one(other % count)
        rank = count - 1 + (axis.outer > 1) + (axis.inner > 1)
        return None if other in places.dims else Operand(node, axis, places, dim, other, rank)

    def rows(self, x: Tensor) -> Tensor:
        """images x groups (windows, heads) x queries or keys x their numbers; nothing is copied."""
        return self.axis.rows(x).movedim((self.dim + 1, self.other + 1), (-2, -1))

    @property
    def yx(self) -> Tensor:
        """2 x groups x queries or keys: the pixel of each; size 1 along groups that lie at the same places (heads)."""
        sizes = dict(zip(self.places.dims, self.places.yx.shape[1:], strict=True))
        whole = self.places.yx.reshape(2, *(sizes.get(d, 1) for d in range(self.rank)))
        return whole.movedim((self.dim + 1, self.other + 1), (-2, -1))[..., 0]


def alike(queries: Operand, keys: Operand) -> bool:
    """Do images and groups lie alike in both? Queries that windows share have no place in them (GCViT)."""
    if queries.axis != keys.axis or queries.rank != keys.rank:
        return False
    sizes = zip(queries.yx.shape[1:-1], keys.yx.shape[1:-1], strict=True)
    return all(asking > 1 or asked == 1 for asking, asked in sizes)


def distances(queries: Operand, keys: Operand) -> Tensor:
    """groups x queries x keys, in pixels; 0 where one of the two stands for no part of the image."""
    apart = torch.hypot(*(queries.yx[..., :, None] - keys.yx[..., None, :]))
    return torch.where(apart.isfinite(), apart, 0)
