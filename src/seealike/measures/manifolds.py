"""What reconstructions have become: their spectrum, the training image nearest to them, what a network calls them.

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
STARTS = ("image", "start")


def slopes(pictures: np.ndarray, originals: Tensor) -> dict[str, tuple]:
    """The slope of the log amplitude spectrum: about -1 of natural images, 0 of noise."""
    if originals.shape[1] != 3:  # red, green, blue
        return {}
    of = slope(torch.from_numpy(pictures).flatten(0, 2)).unflatten(0, pictures.shape[:3])
    return {**_each("slope", of.numpy()), **_original("slope", slope(originals).numpy())}


def nearest(pictures: np.ndarray, originals: Tensor, training: xr.Dataset) -> dict[str, tuple]:
    """Distances to the nearest training picture, root mean square a number, of at most 32 x 32 pixels."""
    among = torch.from_numpy(training["picture"].values / training.attrs["scale"]).float().flatten(1)

    def least(some: Tensor) -> np.ndarray:
        return (torch.cdist(coarse(some, SIDE).flatten(1), among).min(1).values / among.shape[1] ** 0.5).numpy()

    of = least(torch.from_numpy(pictures).flatten(0, 2)).reshape(pictures.shape[:3])
    return {**_each("nearest", of), **_original("nearest", least(originals))}


def judged(totals: list[State]) -> dict[str, tuple]:
    """The class of each reconstruction by another network, of the image, and how often they agree."""
    named = torch.stack([total["class"] for total in totals], 1).numpy()
    original = totals[0]["original"].numpy()
    agree = (named == original[:, None, None]).mean((0, 2))
    return {"class": (PICTURE, named), "class_original": ("image", original), "agreement": ("layer", agree)}


def unseen(totals: list[State]) -> dict[str, tuple]:
    """The share of the squared error of a reconstruction to which the layer is blind at the image."""
    return _each("null_share", torch.stack([total["unseen"] for total in totals], 1).numpy())


def _each(name: str, values: np.ndarray) -> dict[str, tuple]:
    return {name: (PICTURE, values), f"mean_{name}": ("layer", values.mean((0, 2)))}


def _original(name: str, values: np.ndarray) -> dict[str, tuple]:
    return {f"{name}_original": ("image", values), f"mean_{name}_original": ((), values.mean())}


def pictures_of(known: xr.Dataset) -> dict[int, Tensor]:
    """The reconstructions (start, channel, y, x) of each image of one layer."""
    return {int(i): torch.from_numpy(one) for i, one in zip(known["image"].values, known["best"].values, strict=True)}
