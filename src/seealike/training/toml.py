"""Reads a recipe from TOML and writes it; what is wrong in it is said in the words of the file."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from seealike.errors import StudyError
from seealike.models.sources import ModelSource
from seealike.study import ImagesSource
from seealike.study.toml import checked, images_source, of_file, refuse_unknown, valued
from seealike.training.recipe import Examples, Recipe, Settings

SETS = ("train", "test")
# Left out where none of them is used: the text of older recipes, by which checkpoints are known, stays what it was.
LATER = ("objective", "temperature", "colour", "new_head")
OWN = tuple(f.name for f in fields(Examples) if f.name != "images")  # what a recipe says of images and a study does not


def load_recipe(path: str | Path) -> Recipe:
    """The recipe of a TOML file. StudyError names the file, the key and what would be right."""
    return of_file(path, recipe)


def recipe(table: Mapping[str, Any], folder: str = ".") -> Recipe:
    """The recipe of a table as `tomllib` reads it. A card, which is a recipe and its result, is one too."""
    refuse_unknown("", table, ("model", "images", "training", "seed", "result"))
    for name in ("model", "images"):
        if not isinstance(table.get(name), dict):
            raise StudyError(f"there is no table [{name if name == 'model' else 'images.train'}].")
    refuse_unknown("model", table["model"], [f.name for f in fields(ModelSource)])
    refuse_unknown("images", table["images"], SETS)
    settings = table.get("training", {})
    if not isinstance(settings, dict):
        raise StudyError(f"training = {settings!r}: write it as a table, [training].")
    refuse_unknown("training", settings, [f.name for f in fields(Settings)])
    return Recipe(
        valued("model", ModelSource, table["model"]),
        _examples("train", table["images"].get("train")),
        _examples("test", table["images"].get("test")),
        valued("training", Settings, settings),
        checked("seed", int, table.get("seed", 0)),
        folder,
    )


def _examples(name: str, entry: Any) -> Examples:
    if not isinstance(entry, dict):
        raise StudyError(f"there is no table [images.{name}].")
    refuse_unknown(f"images.{name}", entry, [*(f.name for f in fields(ImagesSource)), *OWN])
    where, hints = f"images.{name}", get_type_hints(Examples)
    images = images_source(name, {key: value for key, value in entry.items() if key not in OWN})
    own = {key: checked(f"{where}.{key}", hints[key], entry[key]) for key in OWN if key in entry}
    try:
        return Examples(images, **own)
    except StudyError as error:
        raise StudyError(f"{where}.{error}") from None


def as_read(written: Recipe) -> Recipe:
    """The recipe that its text reads as: lists where Python has tuples, as far as the types leave it open."""
    return recipe(tomllib.loads(text(written)), written.folder)


def text(recipe: Recipe) -> str:
    """The recipe as TOML, in full. What is not given is left out."""
    lines = [f"seed = {recipe.seed}", "", "[model]", *_lines(recipe.model)]
    for name in SETS:
        examples: Examples = getattr(recipe, name)
        own = [line for line in _lines(examples) if not line.startswith("images = ")]
        lines += ["", f"[images.{name}]", *_lines(examples.images), *own]
    return "\n".join([*lines, "", "[training]", *_training(recipe.training), ""])


def _training(settings: Settings) -> list[str]:
    used = any(getattr(settings, key) != getattr(Settings(), key) for key in LATER) or "colour" in settings.augment
    return [line for line in _lines(settings) if used or line.partition(" = ")[0] not in LATER]


def _lines(value: Any) -> list[str]:
    held = {f.name: getattr(value, f.name) for f in fields(value)}
    if held.get("within"):
        held["within"] = dict(held["within"])  # which images hold as pairs
    return [f"{key} = {written(one)}" for key, one in held.items() if one is not None and one not in ("", (), {})]


def written(value: Any) -> str:
    """A value in TOML, on one line.

    >>> written({"a": [1, 2.5], "b c": True})
    '{ a = [1, 2.5], "b c" = true }'
    """
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {written(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)
