"""Images decoded once and kept in memory, as they lie: uint8, images x height x width x colours."""

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from seealike.errors import RunError, StudyError
from seealike.images.batch import TOLERANCE, within
from seealike.images.crops import Unresized
from seealike.images.indexed import CorruptImage, Images
from seealike.images.loading import loaded
from seealike.images.order import batches
from seealike.images.preprocessing import Preprocessing

Resize = Callable[[Image.Image], Image.Image]
LIMIT = 2 << 30  # bytes of pixels that are kept
UNCHANGED = {"network": Preprocessing(Unresized(), "pixels")}  # type: ignore[arg-type]  # tensors come as they are
READ, PEEKED = 500, 32  # images at a time; images whose size is looked at first


class OtherSize(RunError):
    """An image of another size than those before it: they cannot be kept together."""


@dataclass(frozen=True)
class Pixels:
    """The picture as uint8 colours, as worker processes make it."""

    resize: Resize

    def __call__(self, image: Image.Image) -> Tensor:
        return torch.from_numpy(np.array(self.resize(image))).permute(2, 0, 1)


@dataclass(frozen=True)
class OneSize:
    """Images that must all come out of one size."""

    images: Images
    resize: Resize
    size: tuple[int, int]

    def id(self, index: int) -> str:
        return self.images.id(index)

    def item(self, index: int) -> tuple[Tensor, int | None]:
        image, label = self.images.item(index)
        picture = Pixels(self.resize)(pictured(image, self.images))
        if tuple(picture.shape[1:]) != self.size:
            raise OtherSize(f"image {self.images.id(index)!r} is of another size")
        return picture, label


def pictured(image: Any, images: Images) -> Image.Image:
    """Training takes pictures: what is normalised already has no colours from 0 to 255."""
    if isinstance(image, Image.Image):
        return image
    raise StudyError(f"{images.text}: training takes pictures or uint8 tensors, not tensors of {image.dtype}.")


@dataclass(eq=False)
class Kept:
    """Images of one source in memory; `row` says where each number is, and what could not be read is not there."""

    pixels: Tensor
    row: dict[int, int]
    failed: set[int]

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[2]


_KEPT: dict[tuple[str, str], Kept] = {}


def kept(images: Images, indices: Sequence[int], resize: Resize, workers: int = 0) -> Kept | None:
    """These images in memory, read once in a process; None if they are of several sizes or too many."""
    key = (images.fingerprint, repr(resize))
    found = _KEPT.get(key)
    missing = [i for i in indices if found is None or (i not in found.row and i not in found.failed)]
    if not missing and found is not None:
        return found
    size = found.size if found else _size(images, indices, resize)
    if size is None or _bytes(len(indices), size) > LIMIT:
        return None
    try:
        read = _read(OneSize(images, resize, size), missing, workers)
    except OtherSize:
        return None
    _KEPT[key] = _joined(found, *read)
    for other in [other for other in _KEPT if other != key]:
        if sum(each.pixels.numel() for each in _KEPT.values()) > LIMIT:
            del _KEPT[other]
    return _KEPT[key]


def _size(images: Images, indices: Sequence[int], resize: Resize) -> tuple[int, int] | None:
    step = max(1, len(indices) // PEEKED)
    sizes = set()
    for index in indices[::step][:PEEKED]:
        with suppress(CorruptImage):  # which the reading tells of
            sizes.add(resize(pictured(images.read(index), images)).size)
    if len(sizes) != 1:
        return None
    width, height = sizes.pop()
    return height, width


def _bytes(count: int, size: tuple[int, int]) -> int:
    return count * size[0] * size[1] * 3


def _read(reader: OneSize, missing: Sequence[int], workers: int) -> tuple[Tensor, list[int], set[int]]:
    plan = batches(missing, READ)
    arriving = within(loaded(reader, range(len(plan)), plan, UNCHANGED, workers), len(missing), TOLERANCE)
    parts, seen = [], []
    with closing(arriving):
        for batch in tqdm(arriving, f"reading {reader.images.text}", len(plan), leave=False, delay=1):
            failed = {failure.id for failure in batch.failed}
            seen += [i for i in plan[batch.index] if not failed or reader.id(i) not in failed]
            if batch:
                parts.append(batch.inputs["network"].permute(0, 2, 3, 1).contiguous())
    return torch.cat(parts), seen, set(missing) - set(seen)


def _joined(found: Kept | None, pixels: Tensor, seen: Sequence[int], failed: set[int]) -> Kept:
    if found is None:
        return Kept(pixels, {index: k for k, index in enumerate(seen)}, failed)
    rows = {index: len(found.pixels) + k for k, index in enumerate(seen)}
    return Kept(torch.cat([found.pixels, pixels]), {**found.row, **rows}, found.failed | failed)
