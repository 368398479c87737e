"""Centred sums of labelled features, token by token: all that a linear probe can be solved from."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 1 << 20  # numbers that are centred at a time


@dataclass(frozen=True, eq=False)
class Scatter:
    """Of n images: `count` n; `classes` how many of each class; `mean` of their features, tokens x features.

    `xx` is tokens x features x features, the sum over images of (x - mean)(x - mean)'. `xy` is classes x tokens x
    features, the sum of x - mean over the images of a class: the centred product of x with the class's indicator.
    """

    count: Tensor
    classes: Tensor
    mean: Tensor
    xx: Tensor
    xy: Tensor

    def absorb(self, other: "Scatter") -> None:
        """Become the sums of both sets of images, in place: Chan, Golub & LeVeque 1979, eq. 2.1."""
        n, m = self.count.clone(), other.count.to(self.count)
        both = (n + m).clamp_min(1)
        apart = other.mean.to(self.mean) - self.mean
        self.xx.add_(other.xx)
        self.xx.baddbmm_(apart[:, :, None], apart[:, None, :], alpha=float(n * m / both))
        theirs = other.classes.to(self.classes)
        self.xy.add_(other.xy)
        share = (theirs * n - self.classes * m) / both
        self.xy.view(len(self.xy), -1).addmm_(share[:, None], apart.reshape(1, -1))
        self.classes.add_(theirs)
        self.mean.add_(apart, alpha=float(m / both))
        self.count.add_(m)

    def fill(self, rows: Float[Tensor, "images tokens features"], labels: Int[Tensor, " images"]) -> None:
        """Become the sums of these images: of features centred exactly, products in the precision of `xx`."""
        self.count.fill_(len(rows))
        self.classes.copy_(torch.bincount(labels, minlength=len(self.classes)))
        for part in (self.mean, self.xx, self.xy):
            part.zero_()
        step = max(1, BLOCK // max(rows[:, 0].numel(), 1))
        for first in range(0, len(self.mean) if len(rows) else 0, step):
            tokens = slice(first, first + step)
            centred, self.mean[tokens] = _centred(rows[:, tokens].to(self.xx.dtype))
            torch.bmm(centred.permute(1, 2, 0), centred.transpose(0, 1), out=self.xx[tokens])
            self.xy[:, tokens].index_add_(0, labels, centred)

    def of(self, tokens: slice) -> "Scatter":
        """A copy of some tokens' sums, in float64."""
        parts = self.mean[tokens], self.xx[tokens], self.xy[:, tokens]
        return Scatter(self.count.double(), self.classes.double(), *(p.to(torch.float64, copy=True) for p in parts))


def _centred(rows: Float[Tensor, "images tokens features"]) -> tuple[Tensor, Tensor]:
    """The features less their mean, and that mean in float64.

    From the first image on, so that nothing is lost where a mean is far larger than the spread, and what is the same
    for all images is zero.
    """
    first = rows[0]
    rows = rows - first
    rest = rows.mean(0)
    return rows.sub_(rest), first.double() + rest
