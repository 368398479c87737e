"""Images of Gaussian noise with random labels: all that can be learned of them is each by heart."""

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from seealike.errors import StudyError
from seealike.images.generated import how_many
from seealike.images.indexed import Images
from seealike.images.relabel import random_label
from seealike.images.tensors import numbered

VERSION = 1  # raised when the same number would give another image or label
MEAN, SPREAD = 0.5, 0.25
LOTS = 2**16
CHANNELS = 3


@dataclass(frozen=True)
class Noise(Images):
    """`noise:` is 10,000 of them, `noise:50000` that many, `size` x `size` pixels; labels mean nothing.

    Each channel of each pixel is 0.5 + 0.25 n, n standard normal, clipped to [0, 1] and rounded to one of 256 levels
    (Badger 2022 trains on `randn / 4 + 0.5`): 2.3 % lie beyond either end. A level comes from 16 random bits by a table
    of the normal distribution's inverse, so its chance is right to 1 in 65,536, and the table is made by additions,
    products, quotients and a root, which every machine does alike: an image depends on its split's name, its number and
    its size alone, to the bit. A label is drawn uniformly from `classes` by split and number.

    >>> noise = Noise("100", split="test", classes=5)
    >>> len(noise), noise.classes, noise.read(0).size
    (100, ('0', '1', '2', '3', '4'), (32, 32))
    """

    number: str = ""
    split: str = "train"
    size: int = 32
    classes: Any = 10  # how many; held as their names

    def __post_init__(self):
        how_many("noise", self.number)
        if self.size < 1:
            raise StudyError(f"{self.text}: size = {self.size}: an image has at least 1 x 1 pixels.")
        if isinstance(self.classes, int):
            if self.classes < 1:
                raise StudyError(f"{self.text}: classes = {self.classes}: labels need at least 1 class.")
            object.__setattr__(self, "classes", numbered(self.classes - 1))

    def __len__(self) -> int:
        return how_many("noise", self.number)

    def id(self, index: int) -> str:
        return f"{self.split}-{index}"

    def item(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(_pixels(self.split, index, self.size)), self.label(index)

    def label(self, index: int) -> int:
        # not of the id alone, or random labels put in the place of these might be these again
        return random_label(f"noise {self.id(index)}", len(self.classes), VERSION)

    @cached_property
    def fingerprint(self) -> str:
        told = f"noise {VERSION} {self.split} {len(self)} {self.size} {len(self.classes)}"
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def text(self) -> str:
        return f"noise:{self.number}"


def _pixels(split: str, index: int, size: int) -> np.ndarray:
    """The image, size x size x 3 of uint8."""
    source = np.random.PCG64([*b"noise", VERSION, index, *split.encode()])
    count = size * size * CHANNELS
    lots = source.random_raw(-(-count // 4)).astype("<u8").view("<u2")  # four of 16 bits in each of 64
    return LEVELS[lots[:count]].reshape(size, size, CHANNELS)


def _levels() -> np.ndarray:
    """The level of each of the 65,536 lots."""
    edges = [((level + 0.5) / 255 - MEAN) / SPREAD for level in range(255)]
    ends = [0, *(int(LOTS * _normal(edge) + 0.5) for edge in edges), LOTS]
    return np.repeat(np.arange(256, dtype=np.uint8), np.diff(ends))


def _normal(z: float) -> float:
    """The share of the standard normal distribution below z, for |z| < 2: its series, not the machine's own erf."""
    term, total, k = z, 0.0, 0
    while abs(term) > 1e-18:
        total += term / (2 * k + 1)
        k += 1
        term *= -z * z / (2 * k)
    return 0.5 + total / math.sqrt(2 * math.pi)


LEVELS = _levels()
