"""From what the user wrote or passed to the images it means."""

import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor

from seealike.errors import SeealikeError, StudyError, closest
from seealike.images.dataset import Dataset
from seealike.images.folder import Folder
from seealike.images.indexed import CorruptImage, Images
from seealike.images.parquet import Parquet
from seealike.images.paths import missing
from seealike.images.stream import Stream
from seealike.images.table import Table
from seealike.images.tensors import Tensors
from seealike.images.written import call

__all__ = ["CorruptImage", "Dataset", "Folder", "Images", "Parquet", "Stream", "Table", "Tensors", "open_images"]

SCHEMES = {"folder": Folder, "parquet": Parquet}
WAYS = "folder:PATH, parquet:PATH or file.py:function"


def open_images(source: Any, **options: Any) -> Images | Stream:
    """The images that a source means; `options` are the fields of its class (`split`, `image_column`, ...).

    A source is `folder:PATH`, `parquet:PATH` (or a pattern), a plain path to either, `file.py:function` whose function
    returns any of these, a tensor, an object with a length and an index, or what is iterated in batches (a DataLoader).
    """
    if isinstance(source, Images | Stream):
        return _made(source, options)
    if isinstance(source, Path):
        return _path(str(source), options)
    if isinstance(source, str):
        return _written(source, options)
    return _given(source, options)


def _written(source: str, options: dict[str, Any]) -> Images | Stream:
    if re.fullmatch(r".+\.py:\w+", source):
        return _called(source, call(source), options)
    scheme, colon, rest = source.partition(":")
    if scheme in SCHEMES:
        return _build(SCHEMES[scheme], f"{scheme}:", rest, options)
    if colon and re.fullmatch(r"[a-z_]{2,}", scheme):
        raise StudyError(f"{source!r}: unknown kind of images {scheme!r}. {closest(scheme, SCHEMES)} Write {WAYS}.")
    return _path(source, options)


def _path(source: str, options: dict[str, Any]) -> Images | Stream:
    path = Path(source).expanduser()
    if path.is_dir():
        return _build(Folder, "folder:", source, options)
    if path.suffix == ".parquet":
        return _build(Parquet, "parquet:", source, options)
    if path.is_file():
        raise StudyError(f"{source!r} is neither a folder nor a parquet file. Write {WAYS}.")
    raise StudyError(f"{source!r}: {missing(path)} Images are {WAYS}.")


def _called(source: str, made: Any, options: dict[str, Any]) -> Images | Stream:
    try:
        return open_images(made, **options)
    except SeealikeError as error:
        raise StudyError(f"{source}: {error}") from error


def _given(source: Any, options: dict[str, Any]) -> Images | Stream:
    if isinstance(source, Tensor):
        return _build(Tensors, "a tensor", source, options)
    if "datasets" in sys.modules and isinstance(source, sys.modules["datasets"].Dataset):
        return _build(Table, "a datasets.Dataset", source, options)
    if hasattr(source, "__len__") and hasattr(source, "__getitem__") and not isinstance(source, dict):
        return _build(Dataset, "a dataset", source, options)
    if hasattr(source, "__iter__") and not isinstance(source, dict):
        return _build(Stream, "a stream", source, options)
    raise StudyError(
        f"a {type(source).__name__} is no source of images. Give {WAYS}, a tensor, a dataset or a DataLoader."
    )


def _build(kind: type, written: str, value: Any, options: dict[str, Any]) -> Images | Stream:
    known = [field.name for field in fields(kind)[1:] if field.init]
    for option in options:
        if option not in known:
            raise StudyError(f"{written} takes no {option!r}. {closest(option, known)}")
    return kind(value, **options)


def _made(source: Images | Stream, options: dict[str, Any]) -> Images | Stream:
    if options:
        raise StudyError(f"{source.text}: {', '.join(options)} cannot be changed: these images are open already.")
    return source
