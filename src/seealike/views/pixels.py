"""The pictures that a network sees."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from seealike.kernel import View
from seealike.maths.colours import Colours, restored
from seealike.models.run import Operation


@dataclass(frozen=True)
class Pixels(View):
    """Of the tensor `input`, brought back to colours in [0, 1] by the model's mean and std; with None as it is.

    `side`: at most so many pixels a side, each the mean of those that it stands for; None: all.
    """

    colours: Colours | None = None
    side: int | None = None

    def see(self, operation: Operation) -> Tensor:
        pictures = restored(operation.rows.detach(), self.colours)
        return pictures if self.side is None else coarse(pictures, self.side)


def coarse(pictures: Tensor, side: int) -> Tensor:
    """Pictures of at most `side` pixels a side, means of the given."""
    high, wide = (min(side, size) for size in pictures.shape[-2:])
    return F.adaptive_avg_pool2d(pictures, (high, wide))
