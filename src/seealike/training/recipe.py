"""What is trained on which images, and how: a value, from a TOML file or from Python."""

import sys
from dataclasses import dataclass, field
from typing import Literal

from seealike.errors import StudyError, closest
from seealike.models.sources import ModelSource
from seealike.study import ImagesSource
from seealike.training.augmentation import NAMES

LARGEST = sys.float_info.max  # of a number that is no infinity


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
    weights in half precision. `objective = "contrastive"` trains without labels, at `temperature`. `new_head` leaves
    out the last linear layer of the weights that training begins with.
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
    objective: Literal["classes", "contrastive"] = "classes"
    temperature: float = 0.2
    colour: float = 0.4
    new_head: bool = False

    @property
    def contrastive(self) -> bool:
        return self.objective == "contrastive"

    def __post_init__(self):
        for name in self.augment:
            if name not in NAMES:
                raise StudyError(f'training.augment: there is no "{name}". {closest(name, NAMES)}')
        for key, least in {"epochs": 0, "rate": 0, "muon_rate": 0, "weight_decay": 0, "colour": 0}.items():
            if not least <= (value := getattr(self, key)) <= LARGEST:
                raise StudyError(f"training.{key} = {value}: write a number, {least} or more.")
        for key in ("batch", "shift"):
            if (value := getattr(self, key)) < 1:
                raise StudyError(f"training.{key} = {value}: write a whole number, 1 or more.")
        for key in ("warmup", "label_smoothing"):
            if not 0 <= (value := getattr(self, key)) < 1:
                raise StudyError(f"training.{key} = {value}: write a share, from 0 to below 1.")
        if not 0 < self.temperature <= LARGEST:
            raise StudyError(f"training.temperature = {self.temperature}: write a number above 0, for example 0.2.")
        if self.contrastive:
            self._refuse_what_needs_classes()

    def _refuse_what_needs_classes(self):
        contrastive = 'objective = "contrastive"'
        if not self.augment:
            raise StudyError(
                f"training.augment = []: with {contrastive} the two views of an image would be one. "
                'Write augment = ["crop", "mirror", "colour"], for example.'
            )
        if self.label_smoothing:
            raise StudyError(
                f"training.label_smoothing = {self.label_smoothing}: {contrastive} reads no labels. Leave it out."
            )


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
        if self.model.crop:
            raise StudyError(
                f'model.crop = "{self.model.crop}": a study cuts images so, a recipe does not: leave crop out. '
                'augment = ["crop"] of [training] shows another part of an image each time.'
            )
        begun = self.model.checkpoint or (self.model.pretrained and self.model.source.startswith("zoo:"))
        if self.training.new_head and not begun:
            raise StudyError(
                f"training.new_head = true: {self.model.source} begins with no weights of a checkpoint or of the zoo, "
                'of which the head could be left out. Name them, checkpoint = "FILE", or leave new_head out: '
                "options = { num_classes = 10 } gives pretrained networks of timm a head for 10 classes."
            )
        if self.seed < 0:
            raise StudyError(f"seed = {self.seed}: a seed is 0 or a positive whole number.")
