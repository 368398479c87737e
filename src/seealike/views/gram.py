"""A layer as the Gram matrix of its batch."""

from dataclasses import dataclass, field

from torch import Tensor

from seealike.kernel import View
from seealike.maths.gram import gram
from seealike.models.run import Operation
from seealike.views.pooling import Pool


@dataclass(frozen=True)
class Gram(View):
    """The n x n inner products of the images' centred features, taken at the moment the tensor exists."""

    pool: Pool = field(default_factory=Pool)

    def see(self, operation: Operation) -> Tensor:
        return gram(self.pool.see(operation))
