"""Seeded scenes: shapes before natural-statistics backgrounds, with every factor recorded. No file, no licence."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from seealike.errors import StudyError
from seealike.images.indexed import Images
from seealike.images.scenes.painting import FACTORS, VERSION, drawn, paint
from seealike.images.scenes.shapes import SHAPES

COUNT, SMALLEST = 10_000, 8


@dataclass(frozen=True)
class Scenes(Images):
    """`scenes:` is 10,000 of them, `scenes:50000` that many, `size` x `size` pixels; a label is a shape.

    A scene depends on its split's name, its number and its size alone, through arithmetic that every machine does
    alike, so it is the same to the bit everywhere; a longer set begins with the shorter one.

    >>> scenes = Scenes("100", split="test")
    >>> len(scenes), scenes.classes[scenes.label(0)], scenes.factors[:3]
    (100, 'diamond', ('x', 'y', 'size'))
    """

    number: str = ""
    split: str = "train"
    size: int = 32

    def __post_init__(self):
        if self.number and not (self.number.isdecimal() and int(self.number)):
            raise StudyError(f'"{self.text}": write how many, as in "scenes:5000", or "scenes:" for {COUNT:,}.')
        if self.size < SMALLEST:
            raise StudyError(f"{self.text}: size = {self.size}: a scene has at least {SMALLEST} x {SMALLEST} pixels.")

    def __len__(self) -> int:
        return int(self.number or COUNT)

    def id(self, index: int) -> str:
        return f"{self.split}-{index}"

    def item(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(paint(self.split, index, self.size)), self.label(index)

    def label(self, index: int) -> int:
        return drawn(self.split, index).shape

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(SHAPES)

    @property
    def factors(self) -> tuple[str, ...]:
        """What is recorded of every scene: all drawn independently of each other and of the shape."""
        return FACTORS

    def factor(self, index: int, name: str) -> float:
        """x, y, size: as shares of the image's side; hue, texture, luminance, contrast: 0 to 1; clutter: a number."""
        return float(getattr(drawn(self.split, index), name))

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"scenes {VERSION} {self.split} {len(self)} {self.size}".encode()).hexdigest()

    @property
    def text(self) -> str:
        return f"scenes:{self.number}"
