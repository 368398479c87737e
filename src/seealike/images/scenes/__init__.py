"""Seeded scenes: shapes before natural-statistics backgrounds, with every factor recorded. No file, no licence."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL import Image

from seealike.errors import StudyError
from seealike.images.generated import how_many
from seealike.images.indexed import Images
from seealike.images.scenes.factors import FACTORS
from seealike.images.scenes.painting import VERSION, drawn, paint
from seealike.images.scenes.shapes import SHAPES
from seealike.images.scenes.within import in_words, limits

SMALLEST = 8


@dataclass(frozen=True)
class Scenes(Images):
    """`scenes:` is 10,000 of them, `scenes:50000` that many, `size` x `size` pixels; a label is a shape.

    A scene depends on its split's name, its number and its size alone, through arithmetic that every machine does
    alike, so it is the same to the bit everywhere; a longer set begins with the shorter one.

    `within` limits factors to a range, {"hue": [0.0, 0.5]}, in the units in which they are recorded and ends included.
    What is limited stays uniform and independent; all else of the scene stays as it is without the limit.

    >>> scenes = Scenes("100", split="test")
    >>> len(scenes), scenes.classes[scenes.label(0)], scenes.factors[:3]
    (100, 'diamond', ('x', 'y', 'size'))
    >>> Scenes("100", within={"hue": [0.0, 0.5], "background": [0]}).text
    'scenes:100 within background 0, hue 0 to 0.5'
    """

    number: str = ""
    split: str = "train"
    size: int = 32
    within: Any = ()  # a table of ranges, held as `factors.Within`

    def __post_init__(self):
        how_many("scenes", self.number)
        object.__setattr__(self, "within", limits(self.within))
        if self.size < SMALLEST:
            raise StudyError(f"{self.text}: size = {self.size}: a scene has at least {SMALLEST} x {SMALLEST} pixels.")

    def __len__(self) -> int:
        return how_many("scenes", self.number)

    def id(self, index: int) -> str:
        return f"{self.split}-{index}"

    def item(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(paint(self.split, index, self.size, self.within)), self.label(index)

    def label(self, index: int) -> int:
        return drawn(self.split, index, self.within).shape

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(SHAPES)

    @property
    def factors(self) -> tuple[str, ...]:
        """What is recorded of every scene: all drawn independently of each other and of the shape."""
        return FACTORS

    def factor(self, index: int, name: str) -> float:
        """x, y, size: as shares of the image's side; hue, texture, luminance, contrast: between 0 and 1.

        Clutter: how many distractors. Background: 0 dead leaves, 1 noise.
        """
        return float(getattr(drawn(self.split, index, self.within), name))

    @cached_property
    def fingerprint(self) -> str:
        limited = f" {self.within}" if self.within else ""
        told = f"scenes {VERSION} {self.split} {len(self)} {self.size}{limited}"
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def text(self) -> str:
        return f"scenes:{self.number}{in_words(self.within)}"
