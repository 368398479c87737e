"""Reads a study from TOML; what is wrong in it is said in the words of the file."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from seealike.errors import StudyError, closest
from seealike.kernel import FOUND, Measure
from seealike.measures import MEASURES
from seealike.models.sources import ModelSource, expand
from seealike.study import Ask, ImagesSource, Study
from seealike.study.several import of_each

TABLES = ("models", "images", "ask")
SCALARS = ("title", "batch", "seed", "crop", "claims")
OF_ASK = ("images", "batch")
T = TypeVar("T")


def load_study(path: str | Path) -> Study:
    """The study that a TOML file describes. StudyError names the file, the key and what would be right."""
    return of_file(path, study)


def of_file(path: str | Path, made: Callable[[Mapping[str, Any], str], T]) -> T:
    """What is made of a TOML file's table and its folder; every message says which file it is about."""
    path = Path(path)
    table = _table(path)
    try:
        return made(table, str(path.parent))
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf8"))
    except FileNotFoundError:
        near = closest(path.name, [p.name for p in path.parent.glob("*.toml")]) if path.parent.is_dir() else ""
        raise StudyError(f"{path}: no such file. {near}".rstrip()) from None
    except RecursionError:
        raise StudyError(
            f"{path} is no TOML that can be read: its lists or tables lie too deep in each other."
        ) from None
    except (ValueError, IsADirectoryError) as error:  # tomllib's own errors, and Python's of a number of 5,000 digits
        raise StudyError(f"{path} is no TOML: {error}") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}.") from None


def study(table: Mapping[str, Any], folder: str = ".") -> Study:
    """The study of a table as `tomllib` reads it."""
    refuse_unknown("", table, (*SCALARS, *TABLES))
    for name in TABLES:
        _tables(name, table.get(name, {}))
    sources: dict[str, ModelSource] = {}
    for name, entry in table.get("models", {}).items():
        refuse_unknown(f"models.{name}", entry, [f.name for f in fields(ModelSource)])
        if ":" in name:
            raise StudyError(f'models."{name}": a model\'s name may not hold a colon, which parts it from its layers.')
        sources |= (
            expand(name, entry)
            if isinstance(entry.get("checkpoint"), list)
            else {name: valued(f"models.{name}", ModelSource, entry)}
        )
    images = {name: images_source(name, entry) for name, entry in table.get("images", {}).items()}
    asks = {
        one: _ask(one, each)
        for name, entry in table.get("ask", {}).items()
        for one, each in of_each(name, entry, sources).items()
    }
    scalars = {key: table[key] for key in SCALARS if key in table}
    return valued("", Study, {"models": sources, "images": images, "ask": asks, "folder": folder, **scalars})


def images_source(name: str, entry: Mapping[str, Any]) -> ImagesSource:
    refuse_unknown(f"images.{name}", entry, [f.name for f in fields(ImagesSource)])
    if not isinstance(entry.get("source", ""), str):
        raise StudyError(f'images.{name}.source = {entry["source"]!r}: write a text such as "folder:PATH".')
    try:
        return valued(f"images.{name}", ImagesSource, entry)
    except StudyError as error:
        raise StudyError(str(error) if str(error).startswith("images.") else f"images.{name}.{error}") from None


def _ask(name: str, entry: Mapping[str, Any]) -> Ask:
    where = f"ask.{name}"
    if "measure" not in entry:
        raise StudyError(f"{where} has no measure. There are: {', '.join(MEASURES)}.")
    written = checked(f"{where}.measure", str, entry["measure"])
    kind = MEASURES.get(written)
    if kind is None:
        raise StudyError(f'{where}.measure = "{written}": no such measure. {closest(written, MEASURES)}')
    keys = keys_of(kind)
    refuse_unknown(where, entry, ("measure", *OF_ASK, *keys))
    try:
        measure = valued(where, kind, {key: entry[key] for key in keys if key in entry})
    except StudyError as error:
        raise StudyError(str(error) if str(error).startswith(where) else f"{where}: {error}") from None
    return valued(where, Ask, {"measure": measure, **{key: entry[key] for key in OF_ASK if key in entry}})


def keys_of(kind: type[Measure]) -> tuple[str, ...]:
    """What a user may write of a measure: its fields, but for those that `bind` finds."""
    return tuple(f.name for f in fields(kind) if not f.metadata.get(FOUND))  # type: ignore[arg-type]


def _tables(name: str, table: Any) -> None:
    entries = table.items() if isinstance(table, dict) else [("", table)]
    for key, entry in entries:
        if not isinstance(entry, dict):
            raise StudyError(f"{name}{'.' if key else ''}{key} = {entry!r}: write it as a table, [{name}.NAME].")


def refuse_unknown(where: str, table: Mapping[str, Any], known) -> None:
    for key in table:
        if key not in known:
            raise StudyError(f"{where}{'.' if where else ''}{key}: there is no such key. {closest(key, known)}")


def valued(where: str, kind: type, entry: Mapping[str, Any]) -> Any:
    """The dataclass `kind` of a table: keys missing and values of another type are refused by name."""
    hints = get_type_hints(kind)
    required = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    for key in required:
        if key not in entry:
            raise StudyError(f"{_path(where, key)} is missing.")
    return kind(**{key: checked(_path(where, key), hints[key], value) for key, value in entry.items()})


def checked(path: str, hint: Any, value: Any) -> Any:
    value = tuple(value) if isinstance(value, list) else value
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value, strict=True)
    except ValidationError as error:
        said = (e["msg"].replace("tuple", "list") for e in error.errors())  # TOML knows lists only
        reasons = dict.fromkeys(f"{one[0].lower()}{one[1:]}" for one in said)
        raise StudyError(f"{path} = {value!r}: {', or '.join(reasons)}.") from None


def _path(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
