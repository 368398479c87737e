"""Images that are already in memory as one tensor."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from PIL import Image
from torch import Tensor

from seealike.errors import StudyError
from seealike.images.decode import rgb
from seealike.images.indexed import Images

MOST = 1_000_000  # classes: a number of a person or a file is none
BEYOND = 1 << 63  # what a label cannot be


@dataclass(frozen=True, eq=False)
class Tensors(Images):
    """An (N, C, H, W) tensor. Floating point: every model takes it as it is. uint8: images, preprocessed like files."""

    tensor: Tensor
    labels: Tensor | Sequence[int] | None = None

    def __post_init__(self):
        shape = tuple(self.tensor.shape)
        if self.tensor.ndim != 4:
            raise StudyError(f"images of shape {shape}: a tensor of images is (N, C, H, W).{_unsqueeze(self.tensor)}")
        if not self.tensor.is_floating_point() and self.tensor.dtype != torch.uint8:
            raise StudyError(f"images of {self.tensor.dtype}: use floating point (taken as it is) or uint8 (0 to 255).")
        if self.tensor.dtype == torch.uint8 and shape[1] not in (1, 3):
            raise StudyError(
                f"uint8 images of shape {shape}: they are (N, 3, H, W), or (N, 1, H, W) for grey.{_turn(shape)}"
            )
        if self.labels is not None and len(self.labels) != len(self.tensor):
            raise StudyError(f"{len(self.labels)} labels for {len(self.tensor)} images: give each image one label.")

    def __len__(self) -> int:
        return len(self.tensor)

    def id(self, index: int) -> str:
        return str(index)

    def item(self, index: int) -> tuple[Image.Image | Tensor, int | None]:
        return image_or_tensor(self.tensor[index]), self.label(index)

    def label(self, index: int) -> int | None:
        return None if self.labels is None else number(self.labels[index])

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return () if self.labels is None else numbered(max(map(int, self.labels), default=-1))

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.text.encode())
        digest.update(content(self.tensor))
        if self.labels is not None:
            digest.update(str([int(label) for label in self.labels]).encode())
        return digest.hexdigest()

    @property
    def text(self) -> str:
        return f"tensor {tuple(self.tensor.shape)} of {str(self.tensor.dtype).removeprefix('torch.')}"


def image_or_tensor(tensor: Tensor) -> Image.Image | Tensor:
    """A uint8 (C, H, W) tensor is an image; any other is what a model takes."""
    tensor = tensor.detach().cpu()
    if tensor.dtype != torch.uint8:
        return tensor
    pixels = tensor[0] if len(tensor) == 1 else tensor.movedim(0, -1)
    return rgb(Image.fromarray(pixels.contiguous().numpy()))


def content(tensor: Tensor) -> memoryview:
    """The tensor's bytes in row-major order, for a digest."""
    return memoryview(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def number(label) -> int | None:
    """A class number, or None for what is not one (-1 is how data sets write that a label is withheld)."""
    if isinstance(label, Tensor) and label.numel() == 1:
        label = label.item()
    return int(label) if hasattr(label, "__index__") and 0 <= label < BEYOND else None


def numbered(largest: int) -> tuple[str, ...]:
    """Names for classes that have only numbers."""
    if largest >= MOST:
        raise StudyError(
            f"a label is {largest}: labels are the numbers of classes, from 0 on, and there can be {MOST:,} classes. "
            "label_column names another column, or none."
        )
    return tuple(map(str, range(largest + 1)))


def _unsqueeze(tensor: Tensor) -> str:
    return " For one image write tensor[None]." if tensor.ndim == 3 else ""


def _turn(shape: tuple[int, ...]) -> str:
    return " Yours look like (N, H, W, C): use tensor.permute(0, 3, 1, 2)." if shape[3] in (1, 3) else ""
