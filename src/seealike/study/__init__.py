"""What is asked of which models on which images: a value, from a TOML file or from Python."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from seealike.claims import of_paper
from seealike.errors import StudyError, closest
from seealike.images.scenes.within import limits
from seealike.kernel import IMAGES, Measure
from seealike.models.sources import ModelSource

Crop = Literal["own", "shared"]
Order = Literal["seeded", "given"]
LONGEST = 150  # bytes of an ask's name: of a file's 255, its digest and an ending need some


@dataclass(frozen=True)
class ImagesSource:
    """One `[images.NAME]` table: where images come from, and how many are taken of them.

    `order = "seeded"` chooses and shuffles by the study's seed; `"given"` takes the first `take` as they lie. A stream
    comes in its own order. The other keys are what the kind of source is told.
    """

    source: Any
    take: int | None = None
    order: Order | None = None
    split: str | None = None
    config: str | None = None
    revision: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    factor_columns: tuple[str, ...] | None = None
    stream: bool | None = None
    size: int | None = None
    classes: int | None = None
    within: Any = None  # of scenes: a table of ranges, held as sorted pairs so that equal sets are equal

    def __post_init__(self):
        if self.within is not None:
            object.__setattr__(self, "within", limits(self.within))

    @property
    def options(self) -> dict[str, Any]:
        """What the kind of source is told, as far as it was given."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("source", "take", "order")}
        return {key: value for key, value in given.items() if value is not None}


@dataclass(frozen=True)
class Ask:
    """One `[ask.NAME]` table: a question, and what it is asked of if not the study's first images and batch."""

    measure: Measure
    images: str | None = None
    batch: int | None = None


@dataclass(frozen=True)
class Study:
    """Models, images and questions. `batch` is part of a question's meaning: it defaults to min(256, images // 8).

    `crop = "own"` preprocesses for each model as its authors did; `"shared"` shows all models the same part of every
    image. `claims` are papers whose claims the report decides from the answers.
    """

    models: Mapping[str, Any]
    images: Mapping[str, ImagesSource]
    ask: Mapping[str, Ask]
    title: str = ""
    batch: int | None = None
    seed: int = 0
    crop: Crop = "own"
    claims: tuple[str, ...] = ()
    folder: str = field(default=".", compare=False)  # relative paths are relative to the study's file

    def __post_init__(self):
        for part, what in ((self.models, "models"), (self.images, "images"), (self.ask, "ask")):
            if not part:
                raise StudyError(f"the study has no {what}: it needs at least one [{what}.NAME] table.")
        if IMAGES in self.models:
            raise StudyError(
                f'"{IMAGES}" cannot name a model: it names the images\' own tensors. Call it something else.'
            )
        for paper in self.claims:
            _refuse_unknown(paper)
        for name, model in self.models.items():
            if isinstance(model, ModelSource) and model.crop and self.crop != "shared":
                raise StudyError(
                    f'models.{name}.crop = "{model.crop}": it is cut in place of the centre that crop = "shared" '
                    f'shows all models, and this study has crop = "{self.crop}". Write crop = "shared" above the '
                    "tables, or leave it out of the model's."
                )
        for name, ask in self.ask.items():
            _refuse_as_file(name)
            if ask.images is not None and ask.images not in self.images:
                raise StudyError(
                    f'ask.{name}.images = "{ask.images}": no such images. {closest(ask.images, self.images)}'
                )

    def images_of(self, ask: Ask) -> str:
        return ask.images or next(iter(self.images))


def _refuse_as_file(name: str) -> None:
    """An ask's answer is a file of its name: known to be wrong now, not after hours."""
    if (
        not name
        or Path(name).name != name
        or name.startswith(".")
        or "\0" in name
        or len(name.encode("utf8", "replace")) > LONGEST
    ):
        raise StudyError(
            f"ask {name!r} cannot name a file. Call it something of at most {LONGEST} letters, without slashes and "
            "without a dot at its beginning."
        )


def _refuse_unknown(paper: str) -> None:
    try:
        of_paper(paper)
    except StudyError as error:
        raise StudyError(f"claims: {error}") from None
