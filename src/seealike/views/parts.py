"""A tensor as the Gram matrices of its parts: heads, tokens, patches of the image. Together they are its own Gram."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seealike.kernel import View
from seealike.maths.gram import gram, grams
from seealike.models.heads import Groups
from seealike.models.operands import Operand
from seealike.models.places import NOWHERE
from seealike.models.raster import Raster
from seealike.models.run import Operation
from seealike.views.pooling import positions_first


@dataclass(frozen=True)
class Heads(View):
    """heads x n x n: a Gram matrix for what each head of an attention hands on, its weights applied to the values.

    Seen where that product is taken, before heads are mixed. Windows are parts of a head; positions that only fill up
    a window are left out, and without `cls` also queries that stand for no part of the image.
    """

    cls: bool = True

    def see(self, operation: Operation) -> Float[Tensor, "heads n n"]:
        attention, rows = operation.layer.attention, operation.rows
        assert attention is not None and attention.asking is not None, "no token attention is applied here"
        parts = Groups.of(attention, attention.asking, operation.layer.axis.of_one)
        x = rows.permute(0, *(1 + d for d in parts.order(rows.ndim - 1)))
        heads = x.flatten(1, len(parts.heads)) if parts.heads else x[:, None]
        kept = self._kept(attention.asking).to(x.device)
        last = 1 + len(parts.windows)  # windows, then queries
        return torch.stack([gram(h if kept.all() else h.flatten(1, last)[:, kept]) for h in heads.unbind(1)])

    def _kept(self, asking: Operand) -> Tensor:
        """Of windows and queries, row by row."""
        placed = asking.yx.isfinite().all(0)
        return (placed | (asking.yx == NOWHERE).any(0) if self.cls else placed).flatten()


@dataclass(frozen=True)
class Tokens(View):
    """tokens x n x n: a Gram matrix for each position that stands for a part of the image, row by row.

    All channels at a position, in a map of a CNN as in the tokens of a transformer; windows are put in their place.
    """

    def see(self, operation: Operation) -> Float[Tensor, "tokens n n"]:
        places, rows = operation.layer.places, operation.rows
        raster = Raster.of(places)
        assert places is not None and raster is not None, "its positions form no grid"
        return grams(positions_first(rows, places)[:, raster.positions(rows.device)])


@dataclass(frozen=True)
class Patches(View):
    """patches x n x n: a Gram matrix for the pixels of each of rows x columns blocks, row by row, all colours.

    Blocks are as large as fit; `corner` is the first pixel of the first one.
    """

    grid: tuple[int, int]
    size: tuple[int, int]
    corner: tuple[int, int] = (0, 0)

    def see(self, operation: Operation) -> Float[Tensor, "patches n n"]:
        (rows, columns), (height, width), (top, left) = self.grid, self.size, self.corner
        seen = operation.rows[..., top : top + rows * height, left : left + columns * width]
        blocks = seen.unflatten(-1, (columns, width)).unflatten(-3, (rows, height)).movedim((-4, -2), (1, 2))
        return torch.cat([grams(row) for row in blocks.unbind(1)])
