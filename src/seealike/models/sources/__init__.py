"""Where a model comes from: one `[models.NAME]` table of a study becomes a network ready to be traced."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from seealike.errors import StudyError, closest
from seealike.images.preprocessing import plain
from seealike.models.sources import of_file, of_huggingface, of_timm, of_torchvision, of_zoo
from seealike.models.sources.built import CHANNELS, Built, Size, Wanted
from seealike.models.sources.checkpoint import load_checkpoint
from seealike.models.sources.fetching import Unfetchable
from seealike.models.sources.head import head
from seealike.models.trace import copy_for_reading

__all__ = ["Built", "ModelSource", "build", "built_from", "expand"]

LIBRARIES = ("timm", "torchvision", "hf", "zoo")
ALONE = {"timm": of_timm, "torchvision": of_torchvision, "zoo": of_zoo}  # no path is meant from a folder
WAYS = "timm:NAME, torchvision:NAME, hf:REPOSITORY-OR-FOLDER, zoo:NAME or FILE.py:FUNCTION"
MEANT = {
    "source": f"a model: write {WAYS}",
    "pretrained": "true or false",
    "checkpoint": "a file or a list of files",
    "options": "a table, for example { num_classes = 10 }",
    "edit": 'a list of texts, for example ["without_skip(blocks.3)"]',
    "tags": 'a table of texts, for example { family = "transformer" }',
    "size": "a number of pixels, or [height, width]",
    "mean": "a list of numbers, one for each of red, green and blue",
    "std": "a list of numbers, one for each of red, green and blue",
    "seed": "a whole number, from which untrained weights are drawn in place of the study's",
    "crop": '"corner", which needs crop = "shared" for the study',
}


@dataclass(frozen=True)
class ModelSource:
    """What a study says of one model.

    A `checkpoint` takes the place of pretrained weights. `size`, `mean` and `std` are the preprocessing of models that
    bring none; `size` also changes that of those that do. `tags` are for grouping models in claims and figures. `edit`
    takes parts out of the network: `without_skip(blocks.3)`, `without_heads(blocks.3.attn, 0)`, `without_norm(norm)`.
    `crop = "corner"` shows it the upper left corner of the images where a study shows all others the shared centre.
    `seed`: untrained weights are drawn from it, and not from the study's.
    """

    source: str
    pretrained: bool = True
    checkpoint: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    size: int | tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    edit: tuple[str, ...] = ()
    crop: Literal["", "corner"] = ""
    seed: int | None = None


def build(
    name: str,
    source: ModelSource,
    *,
    folder: str | Path = ".",
    seed: int = 0,
    untrained_if_unfetchable: bool = False,
    new_head: bool = False,
) -> Built:
    """The network of a table in evaluation mode, alike on every process; the random state is as before.

    Paths are meant from `folder`, that of the study. Untrained weights are drawn from `seed`. With `new_head` the last
    linear layer is drawn too, and all others are those of the checkpoint or of the zoo.
    """
    folder = Path(folder).expanduser()
    seed = seed if source.seed is None else source.seed
    wanted = replace(_wanted(name, source), new_head=new_head)
    try:
        built = _drawn(wanted, folder, seed)
    except Unfetchable as error:
        if not (untrained_if_unfetchable and wanted.pretrained):
            raise
        built = _drawn(replace(wanted, pretrained=False), folder, seed)
        built = replace(built, weights=f"{built.weights}: pretrained weights could not be fetched ({error.reason})")
    built.module.eval()
    built = replace(built, edits=(*built.edits, *source.edit))
    if source.checkpoint is None:
        return built
    new = head(built.module, built.preprocessing.size, name) if new_head else ""
    read = load_checkpoint(built.module, folder / Path(source.checkpoint).expanduser(), name, new)
    return replace(built, weights=f"{source.checkpoint}{read}")


def built_from(
    module: nn.Module,
    size: Size | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> Built:
    """A network of the user's own, itself unchanged: a copy in evaluation mode that shares its parameters."""
    said = f"the {type(module).__name__}"
    own = of_timm.preprocessing(module, said, size) if of_timm.configuration(module) else None
    if own is None or mean is not None or std is not None:
        own = plain(size or (own.size if own else None), mean, std)
    return Built(copy_for_reading(module), own, CHANNELS, "as given")


def expand(name: str, table: dict[str, Any]) -> dict[str, ModelSource]:
    """The models of one table: `name`, or `name@0`, `name@1`, ... for a list of checkpoints.

    >>> list(expand("vit", {"source": "timm:test_vit", "checkpoint": ["a.pt", "b.pt"]}))
    ['vit@0', 'vit@1']
    """
    checkpoints = table.get("checkpoint")
    if not isinstance(checkpoints, list):
        return {name: _read(name, table)}
    if not checkpoints:
        raise StudyError(f"models.{name}: checkpoint = [] names no file. Leave it out, or name at least one.")
    return {f"{name}@{i}": _read(name, {**table, "checkpoint": one}) for i, one in enumerate(checkpoints)}


def _read(name: str, table: dict[str, Any]) -> ModelSource:
    from pydantic import TypeAdapter, ValidationError

    known = [f.name for f in fields(ModelSource)]
    for key in table:
        if key not in known:
            raise StudyError(f"models.{name}: unknown key {key!r}. {closest(key, known)}")
    if "source" not in table:
        raise StudyError(f"models.{name}: source is missing. Write {WAYS}.")
    try:
        return TypeAdapter(ModelSource).validate_python(table)
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        raise StudyError(f"models.{name}: {key} = {table[key]!r} is not {MEANT[key]}.") from error


def _wanted(name: str, source: ModelSource) -> Wanted:
    library, _, rest = source.source.partition(":")
    if not (library in LIBRARIES and rest) and not _is_file(source.source):
        hint = f"Did you mean timm:{source.source}? " if ":" not in source.source else ""
        raise StudyError(f"models.{name}: source = {source.source!r} names no model. {hint}Write {WAYS}.")
    trained = source.pretrained and source.checkpoint is None
    own = source.source if _is_file(source.source) else rest
    return Wanted(source.source, own, source.options, trained, source.size, source.mean, source.std)


def _is_file(source: str) -> bool:
    return re.fullmatch(r".+\.py:\w+", source) is not None


def _drawn(wanted: Wanted, folder: Path, seed: int) -> Built:
    """The network as its library makes it, with this seed."""
    with _seeded(seed):
        built = _made(wanted, folder)
    if wanted.pretrained and not _is_file(wanted.said):
        return built
    return replace(built, weights=f"{built.weights}, seed {seed}")


def _made(wanted: Wanted, folder: Path) -> Built:
    if _is_file(wanted.said):
        return of_file.build(wanted, folder)
    if wanted.said.startswith("hf:"):
        return of_huggingface.build(wanted, folder)
    return ALONE[wanted.said.partition(":")[0]].build(wanted)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Only the processor's generator: networks are made there, and accelerators' states are the user's."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
