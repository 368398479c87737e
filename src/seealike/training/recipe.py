"""What is trained on which images, and how: a value, from a TOML file or from Python."""

import math
from dataclasses import dataclass, field
from typing import Literal

from seealike.errors import StudyError, closest
from seealike.models.sources import ModelSource
from seealike.study import ImagesSource
from seealike.training.augmentation import NAMES


@dataclass(frozen=True)
class Examples:
    """Images to learn or to be tested on: those of a study, less of them, or with labels that mean nothing.

    A `fraction` takes as many of every class, and holds every smaller one. `labels = "random"` gives each image a
    class by lot, a function of the seed and the image's id.
    """

    images: ImagesSource
    fraction: float = 1.0
    labels: Literal["own", "random"] = "own"

    def __post_init__(self):
        if not 0 < self.fraction <= 1:
            raise StudyError(f"fraction = {self.fraction}: write a share of the images, above 0 and at most 1.")


@dataclass(frozen=True)
class Settings:
    """The `[training]` table.

    `optimizer = "muon"` trains the matrices inside the network's blocks by Muon (Jordan et al. 2024) at `muon_rate`,
    all else by AdamW at `rate`; both rates rise over a share `warmup` of the steps and fall to zero. `half` writes the
    weights in half precision.
    """

    epochs: int | float = 10
    batch: int = 128
    optimizer: Literal["adamw", "muon"] = "adamw"
    rate: float = 1e-3
    muon_rate: float = 0.02
    weight_decay: float = 0.05
    warmup: float = 0.1
    schedule: Literal["cosine", "linear"] = "cosine"
    label_smoothing: float = 0.0
    augment: tuple[str, ...] = ()
    shift: int = 4
    precision: Literal["32", "bf16", "16"] = "32"
    half: bool = False

    def __post_init__(self):
        for name in self.augment:
            if name not in NAMES:
                raise StudyError(f'training.augment: there is no "{name}". {closest(name, NAMES)}')
        for key, least in {"epochs": 0, "rate": 0, "muon_rate": 0, "weight_decay": 0}.items():
            if not (math.isfinite(value := getattr(self, key)) and value >= least):
                raise StudyError(f"training.{key} = {value}: write a number, {least} or more.")
        for key in ("batch", "shift"):
            if (value := getattr(self, key)) < 1:
                raise StudyError(f"training.{key} = {value}: write a whole number, 1 or more.")
        for key in ("warmup", "label_smoothing"):
            if not 0 <= (value := getattr(self, key)) < 1:
                raise StudyError(f"training.{key} = {value}: write a share, from 0 to below 1.")


@dataclass(frozen=True)
class Recipe:
    """A network, what it learns from, what it is tested on, and how it is trained; all randomness is from the seed."""

    model: ModelSource
    train: Examples
    test: Examples
    training: Settings = Settings()
    seed: int = 0
    folder: str = field(default=".", compare=False)  # relative paths are relative to the recipe's file

    def __post_init__(self):
        for name in ("train", "test"):
            if not isinstance(source := getattr(self, name).images.source, str):
                raise StudyError(
                    f"images.{name}: a recipe names its images by a text, not by a {type(source).__name__}: write "
                    '"file.py:function" for what a function of your own returns.'
                )
        if self.seed < 0:
            raise StudyError(f"seed = {self.seed}: a seed is 0 or a positive whole number.")
