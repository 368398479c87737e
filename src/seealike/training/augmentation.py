"""Images cropped, moved, mirrored and coloured, all of a batch at once; what torchvision's functions do one by one.

Every image has its own draw, from `chance`. Batches are images x height x width x colours, as they lie in memory.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seealike.training.chance import uniform
from seealike.training.colour import factors, jittered

SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)  # of torchvision's RandomResizedCrop
TRIES = 10
NAMES = ("crop", "shift", "mirror", "colour")  # in the order in which they are done


@dataclass(frozen=True)
class Draw:
    """Whose randomness: hashed ids, the epoch of each, the seed of the recipe, and which view of the image it is."""

    ids: np.ndarray
    epochs: np.ndarray
    seed: int
    view: int = 0

    def uniform(self, purpose: str, count: int) -> np.ndarray:
        purpose = f"{purpose} of view {self.view}" if self.view else purpose
        return uniform(self.ids, self.epochs, self.seed, purpose, count)


@dataclass(frozen=True)
class Augmentation:
    """What is done to images of training: `names` of it; `shift` is in pixels, `colour` the strength of its change."""

    names: tuple[str, ...] = ()
    shift: int = 4
    colour: float = 0.4

    def __call__(self, pixels: Tensor, rows: Tensor, draw: Draw, size: tuple[int, int]) -> Tensor:
        """The images in these rows of `pixels`, each with its draw, of `size`: uint8, or float32 if cut or coloured."""
        if "crop" in self.names:
            pixels = cropped(pixels[rows], boxes(draw, (pixels.shape[1], pixels.shape[2])), size)
            rows = torch.arange(len(pixels), device=pixels.device)
        return self.uncut(pixels, rows, draw)

    def uncut(self, pixels: Tensor, rows: Tensor, draw: Draw) -> Tensor:
        """The images in these rows with all that is done but the crop."""
        moved = self.moved(pixels, rows, draw)
        return jittered(moved, factors(draw.uniform("colour", 3), self.colour)) if "colour" in self.names else moved

    def moved(self, pixels: Tensor, rows: Tensor, draw: Draw) -> Tensor:
        """The images in these rows, each shifted and mirrored by its draw."""
        if "shift" not in self.names and "mirror" not in self.names:
            return pixels[rows]
        shifts = shifted(draw, self.shift) if "shift" in self.names else np.zeros((len(draw.ids), 2), dtype=np.int64)
        flips = mirrored(draw) if "mirror" in self.names else np.zeros(len(draw.ids), dtype=bool)
        return gathered(pixels, rows, shifts, flips)


def shifted(draw: Draw, most: int) -> np.ndarray:
    """By how many pixels an image moves down and right: images x 2, from -most to most."""
    return (draw.uniform("shift", 2) * (2 * most + 1)).astype(np.int64) - most


def mirrored(draw: Draw) -> np.ndarray:
    """Which images are mirrored: half of them."""
    return draw.uniform("mirror", 1)[:, 0] < 0.5


def boxes(draw: Draw, size: tuple[int, int]) -> np.ndarray:
    """Top, left, height and width of a crop of each image, as torchvision's RandomResizedCrop chooses them."""
    height, width = size
    u = draw.uniform("crop", 2 * TRIES + 2)
    area = height * width * (SCALE[0] + (SCALE[1] - SCALE[0]) * u[:, :TRIES])
    low, high = map(math.log, RATIO)
    ratio = np.exp(low + (high - low) * u[:, TRIES : 2 * TRIES])
    w, h = np.rint(np.sqrt(area * ratio)).astype(np.int64), np.rint(np.sqrt(area / ratio)).astype(np.int64)
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first, each = fits.argmax(1), np.arange(len(u))
    whole = _whole(height, width)
    h, w = (np.where(fits.any(1), x[each, first], whole[k]) for k, x in ((0, h), (1, w)))
    top, left = (
        (u[:, 2 * TRIES + k] * (side - x + 1)).astype(np.int64) for k, side, x in ((0, height, h), (1, width, w))
    )
    top, left = (np.where(fits.any(1), x, (side - y) // 2) for x, side, y in ((top, height, h), (left, width, w)))
    return np.stack([top, left, h, w], 1)


def _whole(height: int, width: int) -> tuple[int, int]:
    """As much of the image as the ratios allow, where no try fitted."""
    if width / height < RATIO[0]:
        return round(width / RATIO[0]), width
    return (height, round(height * RATIO[1])) if width / height > RATIO[1] else (height, width)


def gathered(pixels: Tensor, rows: Tensor, shifts: np.ndarray, flips: np.ndarray) -> Tensor:
    """The images in these rows, moved by their shifts (edges reflected) and then mirrored."""
    height, width = pixels.shape[1:3]
    y = _reflected(np.arange(height) - shifts[:, :1], height)
    x = _reflected(np.arange(width) - shifts[:, 1:], width)
    x = np.where(flips[:, None], x[:, ::-1], x)
    down, across = (torch.from_numpy(np.ascontiguousarray(each)).to(pixels.device) for each in (y, x))
    return pixels[rows[:, None, None], down[:, :, None], across[:, None, :]]


def _reflected(places: np.ndarray, side: int) -> np.ndarray:
    return (side - 1) - np.abs((side - 1) - np.abs(places))


def cropped(images: Tensor, boxes: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Each image's own box resized to `size`, bilinear with antialias, as torchvision's `resized_crop` does it.

    Resizing is linear and acts on rows and columns apart: two matrices an image.
    """
    (height, width), where = size, images.device
    down = _weights(boxes[:, 0], boxes[:, 2], images.shape[1], height, where)
    across = _weights(boxes[:, 1], boxes[:, 3], images.shape[2], width, where)
    n, h, w, c = images.shape
    rows = torch.bmm(down, images.float().reshape(n, h, w * c)).reshape(n, height, w, c)
    return torch.matmul(across[:, None], rows)


def _weights(start: np.ndarray, length: np.ndarray, side: int, wanted: int, where: torch.device) -> Tensor:
    """What each of `side` pixels counts in each of the `wanted`, for every image: triangles, over the box alone."""
    scale = length[:, None, None] / wanted
    centre = scale * (np.arange(wanted)[:, None] + 0.5)
    place = np.arange(side)[None, None] - start[:, None, None]
    weight = np.maximum(0, 1 - np.abs(place + 0.5 - centre) / np.maximum(scale, 1))
    weight = weight * ((place >= 0) & (place < length[:, None, None]))
    return torch.from_numpy((weight / weight.sum(2, keepdims=True)).astype(np.float32)).to(where)
