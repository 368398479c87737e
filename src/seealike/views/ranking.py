"""The classes of an image in the order of a network's scores."""

from dataclasses import dataclass

from torch import Tensor

from seealike.errors import not_finite
from seealike.kernel import View
from seealike.models.run import Operation


@dataclass(frozen=True)
class Ranked(View):
    """images x most: the classes of the highest scores, the highest first; of equal scores the first class first."""

    most: int

    def see(self, operation: Operation) -> Tensor:
        scores = operation.rows.flatten(1)
        if not scores.isfinite().all():
            raise not_finite(f"{operation.layer.name} holds")
        return scores.argsort(dim=1, descending=True, stable=True)[:, : self.most]
