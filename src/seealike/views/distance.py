"""How far an attention looks: its weights times the distances between the places of queries and keys."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from seealike.errors import not_finite
from seealike.kernel import View
from seealike.models.attentions import Attention
from seealike.models.operands import distances
from seealike.models.run import Operation
from seealike.views.weights import weights


@dataclass(frozen=True)
class Distance(View):
    """images x 3 x heads, means over the queries that stand for a part of the image.

    1. sum_k a(q, k) |place(q) - place(k)|, in pixels, over the keys that stand for a part of the image.
    2. The same, divided by the weight on those keys; 0 where there is none.
    3. 1 where there is such weight, else 0: the mean of 2 over the mean of 3 is the mean over those queries.
    """

    when: ClassVar[str] = "before"

    def see(self, operation: Operation) -> Tensor:
        attention, seen = operation.layer.attention, weights(operation)
        assert attention is not None
        ruler = Ruler.of(attention, seen.device)
        sums: dict[int, Tensor] = {}
        with torch.autocast(seen.device.type, enabled=False):
            for images, queries in seen.blocks():
                part = ruler.measured(seen.block(images, queries), queries)
                sums[images.start] = sums[images.start] + part if images.start in sums else part
        return self._finite(torch.cat(list(sums.values())) / ruler.count, attention)

    def _finite(self, rows: Tensor, attention: Attention) -> Tensor:
        if not rows.isfinite().all():
            raise not_finite(f"the weights of the attention {attention.name} hold")
        return rows


@dataclass(frozen=True, eq=False)
class Ruler:
    """groups x queries x keys: how far apart they are; which queries (groups x queries) and keys have a place."""

    apart: Tensor
    asking: Tensor
    asked: Tensor

    @staticmethod
    def of(attention: Attention, device: torch.device) -> "Ruler":
        assert attention.asking is not None and attention.asked is not None
        asking, asked = (o.yx.isfinite().all(0) for o in (attention.asking, attention.asked))
        apart = distances(attention.asking, attention.asked)
        return Ruler(apart.to(device), asking.expand(apart.shape[:-1]).to(device), asked.float().to(device))

    @property
    def count(self) -> int:
        """How many queries of an image stand for a part of it: all windows together."""
        return int(self.asking.sum())

    def measured(self, block: Tensor, queries: slice) -> Tensor:
        """images x 3 x heads: sums over windows and over these queries."""
        asking = self.asking[..., queries]
        far = torch.where(asking, (block * self.apart[..., queries, :]).sum(-1), 0)
        placed = (block @ self.asked[..., None].to(block))[..., 0]
        known = asking & (placed > 0)
        each = torch.stack([far, torch.where(known, far / placed, 0), known.to(far)], 1)
        windows = [2 + i for i, size in enumerate(self.apart.shape[:-2]) if size > 1]
        return each.sum((*windows, -1)).flatten(2)
