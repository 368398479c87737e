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
from seealike.images.hub import Hub, HubStream
from seealike.images.indexed import CorruptImage, Images
from seealike.images.noise import Noise
from seealike.images.parquet import Parquet
from seealike.images.paths import missing, possible
from seealike.images.pictures import Pictures
from seealike.images.scenes import Scenes
from seealike.images.stream import Stream
from seealike.images.table import Table
from seealike.images.tensors import Tensors
from seealike.images.webdataset import WebDataset, WebDatasetStream
from seealike.images.written import call

__all__ = [
    "CorruptImage",
    "Dataset",
    "Folder",
    "Hub",
    "Images",
    "Parquet",
    "Pictures",
    "Source",
    "Stream",
    "Table",
    "Tensors",
    "WebDataset",
    "open_images",
]

Source = Images | Stream | Pictures
SCHEMES = {
    "folder": Folder,
    "parquet": Parquet,
    "hub": Hub,
    "webdataset": WebDataset,
    "scenes": Scenes,
    "noise": Noise,
}
STREAMED = {"hub": HubStream, "webdataset": WebDatasetStream}  # what `stream = true` makes of them
WAYS = "folder:PATH, parquet:PATH, webdataset:PATTERN, hub:OWNER/NAME, scenes:NUMBER, noise:NUMBER or file.py:function"


def open_images(source: Any, **options: Any) -> Source:
    """The images that a source means; `options` are the fields of its class (`split`, `image_column`, ...).

    A source is `folder:PATH`, `parquet:PATH` (or a pattern), `webdataset:PATTERN` of tars, `hub:OWNER/NAME`,
    `scenes:NUMBER`, `noise:NUMBER`, a plain path to the first three, `file.py:function` whose function returns any of
    these, a tensor, an object with a length and an index, or what is iterated in batches (a DataLoader). `stream=True`
    streams tars and data sets of the hub.
    """
    if isinstance(source, Source):
        return _made(source, options)
    if isinstance(source, Path):
        return _path(str(source), options)
    if isinstance(source, str):
        return _written(source, options)
    return _given(source, options)


def _written(source: str, options: dict[str, Any]) -> Source:
    if re.fullmatch(r".+\.py:\w+", source):
        return _called(source, call(source), options)
    scheme, colon, rest = source.partition(":")
    if scheme in SCHEMES:
        return _of_scheme(scheme, rest, options)
    if colon and re.fullmatch(r"[a-z_]{2,}", scheme):
        raise StudyError(f"{source!r}: unknown kind of images {scheme!r}. {closest(scheme, SCHEMES)} Write {WAYS}.")
    return _path(source, options)


def _of_scheme(scheme: str, rest: str, options: dict[str, Any]) -> Source:
    streamed = scheme in STREAMED and options.get("stream", False)
    kept = {key: value for key, value in options.items() if key != "stream" or scheme not in STREAMED}
    return _build((STREAMED if streamed else SCHEMES)[scheme], f"{scheme}:", rest, kept)


def _path(source: str, options: dict[str, Any]) -> Source:
    path = possible(Path(source).expanduser())
    if path.is_dir():
        return _build(Folder, "folder:", source, options)
    if path.suffix in (".parquet", ".tar"):
        return _of_scheme("parquet" if path.suffix == ".parquet" else "webdataset", source, options)
    if path.is_file():
        raise StudyError(f"{source!r} is neither a folder, a parquet file nor a tar. Write {WAYS}.")
    raise StudyError(f"{source!r}: {missing(path)} Images are {WAYS}.")


def _called(source: str, made: Any, options: dict[str, Any]) -> Source:
    try:
        return open_images(made, **options)
    except SeealikeError as error:
        raise StudyError(f"{source}: {error}") from error


def _given(source: Any, options: dict[str, Any]) -> Source:
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


def _build(kind: type, written: str, value: Any, options: dict[str, Any]) -> Source:
    known = [field.name for field in fields(kind)[1:] if field.init]
    for option in options:
        if option not in known:
            raise StudyError(f"{written} takes no {option!r}. {closest(option, known)}")
    return kind(value, **options)


def _made(source: Source, options: dict[str, Any]) -> Source:
    if options:
        raise StudyError(f"{source.text}: {', '.join(options)} cannot be changed: these images are open already.")
    return source
