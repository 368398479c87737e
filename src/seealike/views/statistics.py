"""Low-level statistics of the images that a network sees."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seealike.errors import RunError, StudyError, closest
from seealike.kernel import View
from seealike.maths.colours import restored
from seealike.maths.image_statistics import STATISTICS
from seealike.models.run import Operation

Colours = tuple[float, ...]
BEYOND = 0.05  # how far resizing may shoot over black and white


@dataclass(frozen=True)
class ImageStatistics(View):
    """images x statistics, of the tensor `input` brought back to colours in [0, 1] by the model's own mean and std.

    `Models.colours` gives both, and refuses where they are unknown.
    """

    mean: Colours
    std: Colours
    statistics: tuple[str, ...] = tuple(STATISTICS)

    def __post_init__(self):
        for name in self.statistics:
            if name not in STATISTICS:
                raise StudyError(f'statistics: there is no "{name}". {closest(name, STATISTICS)}')

    def see(self, operation: Operation) -> Tensor:
        rows = operation.rows.detach().float()
        if rows.ndim != 4 or rows.shape[1] != len(self.mean):
            raise RunError(f"{operation.layer.name} holds no images: statistics are of the tensor input.")
        colours = restored(rows, (self.mean, self.std))
        if not (colours > -BEYOND).logical_and(colours < 1 + BEYOND).all():
            low, high = colours.min().item(), colours.max().item()
            raise RunError(
                f"the images span {low:.2f} to {high:.2f} when the model's mean and std are taken back, not 0 to 1: "
                "they were prepared in another way."
            )
        return torch.stack([STATISTICS[name](colours.clamp(0, 1)) for name in self.statistics], 1)
