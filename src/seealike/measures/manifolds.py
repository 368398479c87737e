"""What pictures have become: their spectrum, the training image nearest to them, what a network calls them.

Badger 2022: deep layers map any input to what the network was trained on. METHODS C3.
"""

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from seealike.kernel import State
from seealike.maths.image_statistics import slope
from seealike.views.pixels import coarse

SIDE = 32  # pixels a side of the pictures among which the nearest is looked for
PICTURE = ("image", "layer", "start")


def become(pictures: np.ndarray, training: xr.Dataset | None) -> dict[str, np.ndarray]:
    """Of pictures (... x channel x y x x) "slope", where they have colours, and "nearest", where it is known of which.

    The slope of the log amplitude spectrum is about -1 of natural images, 0 of noise.
    """
    flat = torch.from_numpy(pictures).flatten(0, -4)
    found = {"slope": slope(flat)} if flat.shape[1] == 3 else {}  # red, green, blue
    if training is not None:
        found["nearest"] = _nearest(flat, training)
    return {name: one.numpy().reshape(pictures.shape[:-3]) for name, one in found.items()}


def _nearest(pictures: Tensor, training: xr.Dataset) -> Tensor:
    """Distances to the nearest training picture, root mean square a number, of at most 32 x 32 pixels."""
    among = torch.from_numpy(training["picture"].values / training.attrs["scale"]).float().flatten(1)
    return torch.cdist(coarse(pictures, SIDE).flatten(1), among).min(1).values / among.shape[1] ** 0.5


def judged(total: State) -> dict[str, tuple]:
    """The class of each reconstruction by another network, of the image, and how often they agree."""
    named, original = total["class"].numpy(), total["original"].numpy()
    agree = (named == original[:, None, None]).mean((0, 2))
    return {"class": (PICTURE, named), "class_original": ("image", original), "agreement": ("layer", agree)}


def unseen(totals: list[State]) -> dict[str, tuple]:
    """The share of the squared error of a reconstruction to which the layer is blind at the image."""
    shares = torch.stack([total["unseen"] for total in totals], 1).numpy()
    return {"null_share": (PICTURE, shares), "mean_null_share": ("layer", shares.mean((0, 2)))}


def pictures_of(known: xr.Dataset) -> dict[int, Tensor]:
    """The reconstructions (start, channel, y, x) of each image of one layer."""
    return {int(i): torch.from_numpy(one) for i, one in zip(known["image"].values, known["best"].values, strict=True)}
