"""What of a layer stands for an image: all of it, a mean over places, the CLS token, patch tokens, a coarse grid."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from seealike.errors import StudyError, closest
from seealike.kernel import View
from seealike.models.graph import Layer
from seealike.models.places import Places
from seealike.models.run import Operation

NAMES = ("flatten", "mean", "cls", "tokens")
GRID = re.compile(r"(\d+)x(\d+)")


@dataclass(frozen=True)
class Pool(View):
    """The features of each image: rows, images first.

    `flatten`: every number of the layer. `mean`: the mean over the places that stand for a part of the image (pixels,
    patch tokens). `cls`: the first token that stands for none. `tokens`: all that stand for one, CLS and registers left
    out. `4x4` (any h x w): the mean over the places in each cell of a grid laid over the image.
    """

    how: str = "flatten"

    def __post_init__(self):
        if self.how not in NAMES and not GRID.fullmatch(self.how):
            raise StudyError(f'view = "{self.how}" is no view. {closest(self.how, (*NAMES, "4x4"))}')

    def see(self, operation: Operation) -> Tensor:
        return pool(self.how, operation.rows, operation.layer)

    def refuses(self, layer: Layer) -> str | None:
        """Why this layer has no such view; None where it has."""
        if self.how == "flatten":
            return None
        if layer.places is None:
            return "its places in the image could not be found"
        if self.how == "cls" and not layer.places.nowhere.any():
            return "it has no token beside those of the image (no CLS)"
        if self.how != "cls" and not layer.places.somewhere.any():
            return "none of its positions stands for a part of the image"
        return None


def pool(how: str, rows: Tensor, layer: Layer) -> Tensor:
    """The view `how` of a layer whose images are the rows of `rows`."""
    places = layer.places
    if how == "flatten" or places is None:
        return rows
    positions = _positions_first(rows, places)
    if how == "cls":
        return positions[:, int(places.nowhere.flatten().nonzero()[0])]
    somewhere = places.somewhere.flatten().to(rows.device)
    if how == "tokens":
        return positions[:, somewhere]
    if how == "mean":
        return positions[:, somewhere].mean(1)
    height, width = map(int, how.split("x"))
    return _grid(positions[:, somewhere], _cells(places, layer.image_size, height, width), height * width)


def _positions_first(rows: Tensor, places: Places) -> Tensor:
    """images x positions x (all else)."""
    dims = [d + 1 for d in places.dims]
    others = [d for d in range(1, rows.ndim) if d not in dims]
    return rows.permute(0, *dims, *others).reshape(rows.shape[0], places.somewhere.numel(), -1)


def _grid(positions: Tensor, cell: Tensor, cells: int) -> Tensor:
    """The mean of the positions in each cell; a cell in which there is none is zero."""
    one_hot = torch.nn.functional.one_hot(cell, cells).to(positions)
    means = torch.einsum("npc,pk->nkc", positions, one_hot)
    return means / one_hot.sum(0).clamp_min(1)[:, None]


def _cells(places: Places, image_size: tuple[int, ...], height: int, width: int) -> Tensor:
    """The cell of a height x width grid over the image that each place lies in, row by row."""
    y, x = places.yx.flatten(1)[:, places.somewhere.flatten()]
    row = (y * height / image_size[0]).floor().clamp(0, height - 1)
    column = (x * width / image_size[1]).floor().clamp(0, width - 1)
    return (row * width + column).long()
