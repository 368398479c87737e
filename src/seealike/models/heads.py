"""Where the heads of an attention lie in its product: what its weights make of its values."""

from collections.abc import Callable
from dataclasses import dataclass

from torch.fx import Node

from seealike.models.attentions import Attention
from seealike.models.operands import Operand
from seealike.models.operations import arguments, operation, shape


@dataclass(frozen=True)
class Groups:
    """What lies along which dimensions of one image's part of a product; channels lie along the others."""

    heads: tuple[int, ...]
    windows: tuple[int, ...]
    query: int

    @staticmethod
    def of(attention: Attention, asking: Operand, of_one: Callable[[int], int]) -> "Groups":
        """Groups that ask from other places are windows, the others heads; what shares its weights is one head."""
        axis, sizes = asking.axis, shape(asking.node)
        folds = [n for n in (axis.outer, axis.inner) if n > 1]
        groups, query = _dimensions(attention.product, asking)
        own = [*folds, *(sizes[d] for d in groups)]
        dims = [*range(len(folds)), *(of_one(d) for d in groups.values())]
        places = asking.yx.shape[1:-1]
        heads = tuple(d for d, n, places_of in zip(dims, own, places, strict=True) if places_of == 1 < n)
        windows = tuple(d for d, places_of in zip(dims, places, strict=True) if places_of > 1)
        return Groups(heads, windows, of_one(query))

    def order(self, rank: int) -> list[int]:
        """All dimensions: heads, windows, queries, channels."""
        known = [*self.heads, *self.windows, self.query]
        return [*known, *(d for d in range(rank) if d not in known)]


def _dimensions(product: Node, asking: Operand) -> tuple[dict[int, int], int]:
    """Of a product: the dimension of each group of the operand with the queries in it, images apart; of the queries."""
    rank = len(shape(product))
    if operation(product) != "einsum":
        groups = {d: d for d in range(rank - 2) if d != asking.axis.dim}
        return groups, rank - 2 if arguments(product)[0] is asking.node else rank - 1
    terms, result = arguments(product)[0].replace(" ", "").split("->")
    asked = list(arguments(product)[1]).index(asking.node)
    mine, other = terms.split(",")[asked], terms.split(",")[1 - asked]
    (query,) = (c for c in mine if c in result and c not in other)
    groups = {d: result.index(c) for d, c in enumerate(mine) if c in result and c != query and d != asking.axis.dim}
    return groups, result.index(query)
