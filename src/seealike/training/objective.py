"""What a network is trained for: to name classes, or to know two views of an image among those of other images."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seealike.training.recipe import Settings


@dataclass(frozen=True)
class Classes:
    """To name the class of an image: cross-entropy with its label, which `smoothing` of the weight is taken from."""

    views: ClassVar[int] = 1
    score: ClassVar[str] = "accuracy"

    smoothing: float = 0.0

    def loss(self, answer: Float[Tensor, "images classes"], labels: Int[Tensor, " images"]) -> Float[Tensor, ""]:
        return F.cross_entropy(answer, labels, label_smoothing=self.smoothing)

    def right(self, answer: Float[Tensor, "images classes"], labels: Int[Tensor, " images"]) -> Bool[Tensor, " images"]:
        return answer.argmax(1) == labels


@dataclass(frozen=True)
class Contrastive:
    """To know the other view of an image among all views of a batch: SimCLR (Chen et al. 2020). No label is read."""

    views: ClassVar[int] = 2
    score: ClassVar[str] = "agreement"

    temperature: float = 0.2

    def loss(self, answer: Float[Tensor, "views numbers"], _: Int[Tensor, " images"]) -> Float[Tensor, ""]:
        return nt_xent(answer, self.temperature)

    def right(self, answer: Float[Tensor, "views numbers"], _: Int[Tensor, " images"]) -> Bool[Tensor, " views"]:
        return recognised(answer)


Objective = Classes | Contrastive


def objective(settings: Settings) -> Objective:
    """What the `[training]` table says a network is trained for."""
    return Contrastive(settings.temperature) if settings.contrastive else Classes(settings.label_smoothing)


def nt_xent(answer: Float[Tensor, "views numbers"], temperature: float) -> Float[Tensor, ""]:
    """How far a batch's views are from having their image's other view nearest: NT-Xent, in nats.

    Of 2n views, the first n of the images in order, then the others in the same order, with cosines s and p(i) the
    other view of i: the mean over i of  -log(exp(s(i, p(i)) / t) / sum over k != i of exp(s(i, k) / t)).  Chen et al.
    2020, equation 1 and algorithm 1. It is log(2n - 1) where all views are alike.

    >>> round(float(nt_xent(torch.ones(4, 3), 0.2)), 4)
    1.0986
    """
    return F.cross_entropy(_cosines(answer) / temperature, _others(answer))


def recognised(answer: Float[Tensor, "views numbers"]) -> Bool[Tensor, " views"]:
    """Which views are nearest, of all others of the batch, to the other view of their image."""
    return _cosines(answer).argmax(1) == _others(answer)


def _cosines(answer: Tensor) -> Tensor:
    """Of every view with every other; -infinity with itself. In float32, whatever the network runs in."""
    with torch.autocast(answer.device.type, enabled=False):
        unit = F.normalize(answer.float(), dim=1)
        itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
        return (unit @ unit.T).masked_fill(itself, -torch.inf)


def _others(answer: Tensor) -> Tensor:
    """The number of the other view of each."""
    return torch.arange(len(answer), device=answer.device).roll(len(answer) // 2)
