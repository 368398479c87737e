"""What of a layer stands for an image: all of it, a mean over places, the CLS token, patch tokens, a coarse grid."""

import re
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from seealike.errors import StudyError, closest
from seealike.kernel import View
from seealike.models.graph import Layer
from seealike.models.places import PADDING, Places
from seealike.models.run import Operation

EVERY = "every"
OF_TOKENS = ("first", "all", "rest", EVERY)  # ways that tell no token of the image from others
NAMES = ("flatten", "mean", "cls", "tokens", *OF_TOKENS)
GRID = re.compile(r"(\d+)x(\d+)")
PATCHES = re.compile(r"patches([1-9]\d*)")


@dataclass(frozen=True)
class Pool(View):
    """The features of each image: rows, images first.

    `flatten`: every number of the layer. `mean`: the mean over the places that stand for a part of the image (pixels,
    patch tokens). `cls`: the first token that stands for none. `tokens`: all that stand for one, CLS and registers left
    out. `4x4` (any h x w): the mean over the places in each cell of a grid laid over the image.

    Tokens whatever they stand for, CLS and registers included: `every` one by itself, the `first`, the mean of `all`,
    the mean of the `rest` without the first. `patches2` (any k): a map cut into patches of k x k positions, each one
    vector, and the mean of these.
    """

    how: str = "flatten"

    def __post_init__(self):
        if self.how not in NAMES and not GRID.fullmatch(self.how) and not PATCHES.fullmatch(self.how):
            raise StudyError(f'view = "{self.how}" is no view. {closest(self.how, (*NAMES, "4x4", "patches2"))}')

    def see(self, operation: Operation) -> Tensor:
        return pool(self.how, operation.rows, operation.layer)

    def refuses(self, layer: Layer) -> str | None:
        """Why this layer has no such view; None where it has."""
        if self.how == "flatten":
            return None
        if layer.places is None:
            return "its places in the image could not be found"
        if self.how in OF_TOKENS:
            alone = self.how == "rest" and standing(layer.places).sum() < 2
            return "it has no token beside the first" if alone else None
        if cut := PATCHES.fullmatch(self.how):
            return _uncut(layer, int(cut[1]))
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
    if cut := PATCHES.fullmatch(how):
        return _patches(rows, places, int(cut[1]))
    positions = positions_first(rows, places)
    if how == "cls":
        return positions[:, int(places.nowhere.flatten().nonzero()[0])]
    if how in OF_TOKENS:
        return _of_tokens(how, positions[:, standing(places).flatten().to(rows.device)])
    somewhere = places.somewhere.flatten().to(rows.device)
    if how == "tokens":
        return positions[:, somewhere]
    if how == "mean":
        return positions[:, somewhere].mean(1)
    height, width = map(int, how.split("x"))
    return _grid(positions[:, somewhere], _cells(places, layer.image_size, height, width), height * width)


def standing(places: Places) -> Tensor:
    """Positions that do not merely fill up a window."""
    return ~(places.yx == PADDING).any(0)


def side(layer: Layer) -> tuple[int, int] | None:
    """Rows and columns of a map; None for a layer that is none."""
    if layer.places is None or not layer.places.somewhere.all():
        return None
    sizes = tuple(layer.places.yx.shape[1:])
    return (1, 1) if prod(sizes) == 1 else (sizes[0], sizes[1]) if len(sizes) == 2 else None


def _uncut(layer: Layer, k: int) -> str | None:
    """Why a layer cannot be cut into patches of k x k."""
    found = side(layer)
    if found is None:
        return "it is no map of rows and columns, which alone is cut into patches"
    return f"its {found[0]} x {found[1]} positions are not cut evenly by {k}" if any(s % k for s in found) else None


def _patches(rows: Tensor, places: Places, k: int) -> Tensor:
    """images x (k * k * channels): the mean over patches."""
    positions = positions_first(rows, places)
    height, width = places.yx.shape[1:] if places.yx.ndim == 3 else (1, 1)
    cut = positions.reshape(len(rows), height // k, k, width // k, k, -1)
    return cut.mean((1, 3)).flatten(1)


def _of_tokens(how: str, tokens: Tensor) -> Tensor:
    if how == "first":
        return tokens[:, 0]
    return tokens if how == EVERY else tokens[:, int(how == "rest") :].mean(1)


def positions_first(rows: Tensor, places: Places) -> Tensor:
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
