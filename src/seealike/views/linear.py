"""What a linear probe sees of a layer, and what it says of it."""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from seealike.errors import RunError
from seealike.kernel import View
from seealike.models.graph import Layer
from seealike.models.run import Operation
from seealike.views.pooling import EVERY, GRID, PATCHES, Pool, standing

BLOCK = 1 << 24  # scores that are held at a time


@dataclass(frozen=True)
class Vectors(View):
    """images x tokens x features: a vector for each token (`every`), or one for the image (other ways of `Pool`)."""

    how: str

    def see(self, operation: Operation) -> Tensor:
        rows = Pool(self.how).see(operation)
        return rows if self.how == EVERY else rows.flatten(1)[:, None]

    def sizes(self, layer: Layer) -> tuple[int, int]:
        """How many tokens of how many features."""
        whole = prod(layer.shape)
        if self.how == "flatten" or layer.places is None:
            return 1, whole
        each = whole // layer.places.somewhere.numel()
        if self.how == EVERY:
            return int(standing(layer.places).sum()), each
        grid, patches = GRID.fullmatch(self.how), PATCHES.fullmatch(self.how)
        return 1, each * (int(grid[1]) * int(grid[2]) if grid else int(patches[1]) ** 2 if patches else 1)


@dataclass(frozen=True, eq=False)
class Probed:
    """A probe of each token: tokens x features x classes, tokens x classes, tokens x features."""

    weights: Tensor
    intercept: Tensor
    centre: Tensor


@dataclass(frozen=True, eq=False)
class Predicted(View):
    """images x tokens: the class to which a probe gives the highest score, intercept + (x - centre) weights.

    Before the probe is known (None), as a plan is made: class 0.
    """

    how: str
    probe: Probed | None = None

    def see(self, operation: Operation) -> Tensor:
        rows = Vectors(self.how).see(operation)
        if self.probe is None:
            return torch.zeros(rows.shape[:2], dtype=torch.int64)
        self._refuse_another(rows, operation.layer)
        tokens, _, classes = self.probe.weights.shape
        step = max(1, BLOCK // (len(rows) * classes))
        with torch.autocast(rows.device.type, enabled=False):
            said = [self._of(rows, slice(first, first + step)) for first in range(0, tokens, step)]
        return torch.cat(said).T

    def _of(self, rows: Tensor, tokens: slice) -> Tensor:
        """tokens x images."""
        weights, intercept, centre = (
            x[tokens].to(rows.device)
            for x in (self.probe.weights, self.probe.intercept, self.probe.centre)  # type: ignore[union-attr]
        )
        x = (rows[:, tokens].float() - centre).transpose(0, 1)
        return torch.baddbmm(intercept[:, None], x, weights).argmax(-1)

    def _refuse_another(self, rows: Tensor, layer: Layer) -> None:
        assert self.probe is not None
        trained, shown = tuple(self.probe.weights.shape[:2]), tuple(rows.shape[1:])
        if trained != shown:
            raise RunError(f"{layer.name}: the probe was trained on {trained} tokens and features, and sees {shown}.")
