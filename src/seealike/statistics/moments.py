"""First and second moments of two taps together: exact covariances, spectra, ridge regressions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seealike.kernel import State, Sum, Tap


@dataclass(frozen=True)
class Moments(Sum):
    """Number of images, sums of x and of y, and the sum of x y': {"count", "x", "y", "xy"}, in float64."""

    x: Tap
    y: Tap

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (self.x, self.y)

    def lift(self, *seen: Tensor) -> State:
        x, y = (rows.flatten(1).double() for rows in seen)
        count = torch.tensor(float(len(x)), dtype=torch.float64, device=x.device)
        return {"count": count, "x": x.sum(0), "y": y.sum(0), "xy": x.T @ y}


def covariance(total: State) -> Tensor:
    """The covariance of x with y over all images, divided by their number."""
    n = total["count"]
    return total["xy"] / n - torch.outer(total["x"] / n, total["y"] / n)
