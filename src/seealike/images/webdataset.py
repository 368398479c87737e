"""Images in tars, as WebDataset writes them: looked up in any order, or streamed in the order of the tars."""

import hashlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from seealike.errors import RunError, StudyError, closest
from seealike.images.decode import decode
from seealike.images.indexed import CorruptImage, Images
from seealike.images.pictures import Arrived, Pictures
from seealike.images.shards import shard_names, shards
from seealike.images.table import LABEL
from seealike.images.tars import BrokenTar, Part, Sample, image_field, label, noted, recorded, samples, streamed
from seealike.images.tensors import numbered

STREAM = "stream = true reads tars from beginning to end, compressed ones too"


@dataclass(frozen=True)
class WebDataset(Images):
    """The images of local tars, in the order of the tars and, within each, as they lie; only headers are read first.

    Files of one key are one sample: an image (or the file that `image_column` names, such as "jpg"), `.cls` with its
    class, as a number or a text, and `.json` with more: `label_column` and `factor_columns` name its entries. Ids are
    `train-000.tar/key`.
    """

    pattern: str | Path
    image_column: str | None = None
    label_column: str | None = LABEL
    factor_columns: tuple[str, ...] = ()

    def __post_init__(self):
        try:
            if not len(self):
                raise StudyError(f"there is no image in {len(self._tars)} tars{_field(self.image_column)}.")
            if not self._broken(0):
                refuse_unknown_entries(self._noted(0), self.label_column, self.factor_columns)
        except BrokenTar as error:
            packed = any(tar.suffix != ".tar" for tar in self._tars)
            raise StudyError(f"{self.text}: {error}{f' {STREAM}.' if packed else ''}") from error
        except StudyError as error:
            raise StudyError(f"{self.text}: {error}") from error

    def __len__(self) -> int:
        return len(self._samples)

    def id(self, index: int) -> str:
        tar, sample = self._samples[index]
        return f"{self._names[tar]}/{sample.key}"

    def item(self, index: int) -> tuple[Image.Image, int | None]:
        tar, sample = self._samples[index]
        if self.factor_columns:
            self._noted(index)  # an image of which nothing can be recorded is left out, as it is of a stream
        return decode(self._bytes(index, tar, sample.image), self.id(index)), self.label(index)

    def label(self, index: int) -> int | None:
        said = self._said(index)
        return self._numbers[said] if isinstance(said, str) else said

    @property
    def factors(self) -> tuple[str, ...]:
        return tuple(self.factor_columns)

    def factor(self, index: int, name: str) -> float:
        return recorded(self._noted(index), name)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Texts in sorted order, or the numbers up to the largest; reads every label."""
        said = {label for label in map(self._told, range(len(self))) if label is not None}
        texts = sorted(label for label in said if isinstance(label, str))
        numbers = [label for label in said if isinstance(label, int)]
        if texts and numbers:
            raise StudyError(
                f"{self.text}: the labels of some samples are numbers ({numbers[0]}), of others texts ({texts[0]!r}): "
                "make them all one or the other."
            )
        return tuple(texts) or numbered(max(numbers, default=-1))

    @property
    def labelled(self) -> bool:
        return self._told(0) is not None or (self._broken(0) and bool(self.classes))

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self._tars, self.image_column, self.label_column)

    @property
    def text(self) -> str:
        return f"webdataset:{self.pattern}"

    @cached_property
    def _tars(self) -> tuple[Path, ...]:
        return shards(str(self.pattern))

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return shard_names(self._tars)

    @cached_property
    def _samples(self) -> list[tuple[int, Sample]]:
        return [(tar, sample) for tar, path in enumerate(self._tars) for sample in samples(path, self.image_column)]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.classes)}

    def _said(self, index: int) -> int | str | None:
        tar, sample = self._samples[index]
        if self.label_column == LABEL and sample.cls is not None:
            return label(LABEL, self._bytes(index, tar, sample.cls), {})
        return label(self.label_column, None, self._noted(index)) if self.label_column else None

    def _told(self, index: int) -> int | str | None:
        """The same; None too of a sample whose label cannot be read."""
        try:
            return self._said(index)
        except CorruptImage:
            return None

    def _broken(self, index: int) -> bool:
        try:
            self._noted(index)
        except CorruptImage:
            return True
        return False

    def _noted(self, index: int) -> dict:
        tar, sample = self._samples[index]
        try:
            return dict(noted(self._bytes(index, tar, sample.json) if sample.json else None))
        except ValueError as error:
            raise CorruptImage(self.id(index), f"its .json: {error}") from error

    def _bytes(self, index: int, tar: int, part: Part) -> bytes:
        """Opened anew each time: a handle would be shared with the processes that load."""
        try:
            with self._tars[tar].open("rb") as file:
                file.seek(part.offset)
                return file.read(part.size)
        except OSError as error:
            raise CorruptImage(self.id(index), str(error)) from error


@dataclass(frozen=True)
class WebDatasetStream(Pictures):
    """The same images as they come from tars, which may be compressed: no index, no more memory for more tars.

    The order and the ids are those of the index, where the files of a sample follow each other as they should. Texts
    have no numbers here, as that would take all of them: only whole numbers are labels.
    """

    pattern: str | Path
    image_column: str | None = None
    label_column: str | None = LABEL
    factor_columns: tuple[str, ...] = ()
    take: int | None = None

    def __post_init__(self):
        try:
            notes = self._first_notes()
            if notes is not None:
                refuse_unknown_entries(notes, self.label_column, self.factor_columns)
        except StudyError as error:
            raise StudyError(f"{self.text}: {error}") from error
        try:
            self.first()
        except RunError as error:
            raise StudyError(str(error)) from error

    def arrivals(self) -> Generator[Arrived, None, None]:
        try:
            yield from self._arrivals()
        except StudyError as error:
            raise RunError(f"{self.text}: {error}") from error

    def _arrivals(self) -> Generator[Arrived, None, None]:
        index = 0
        for tar, name in zip(self._tars, shard_names(self._tars), strict=True):
            with closing(streamed(tar)) as found:
                for key, files in found:
                    field = image_field(key, files, self.image_column)
                    if field is not None:
                        yield self._arrived(index, f"{name}/{key}", files[field], files)
                        index += 1

    @property
    def factors(self) -> tuple[str, ...]:
        return tuple(self.factor_columns)

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self._tars, "stream", self.image_column, self.label_column)

    @property
    def text(self) -> str:
        return f"webdataset:{self.pattern}, streamed"

    @cached_property
    def _tars(self) -> tuple[Path, ...]:
        return shards(str(self.pattern))

    def _arrived(self, index: int, id: str, image: bytes, files: dict[str, bytes]) -> Arrived:
        try:
            notes = noted(files.get("json"))
        except ValueError as error:
            return Arrived(index, id, broken=f"its .json: {error}")
        said = label(self.label_column, files.get("cls"), notes)
        factors = {name: recorded(notes, name) for name in self.factor_columns}
        return Arrived(index, id, {"bytes": image}, None if isinstance(said, str) else said, factors)

    def _first_notes(self) -> dict | None:
        """What the .json of the first image says; None where that image is one that cannot be read."""
        with closing(streamed(self._tars[0])) as found:
            first = next((f for key, f in found if image_field(key, f, self.image_column) is not None), {})
        try:
            return dict(noted(first.get("json")))
        except ValueError:
            return None


def fingerprint(tars: tuple[Path, ...], *told: str | None) -> str:
    known = [
        (name, tar.stat().st_size, tar.stat().st_mtime_ns) for name, tar in zip(shard_names(tars), tars, strict=True)
    ]
    return hashlib.sha256(repr(("webdataset", known, told)).encode()).hexdigest()


def refuse_unknown_entries(notes: dict, label_column: str | None, factor_columns: tuple[str, ...]) -> None:
    """Names of `.json` entries that the first sample does not have."""
    asked = [("factor_columns", name) for name in factor_columns]
    asked += [("label_column", label_column)] if label_column not in (None, LABEL) else []
    for key, name in asked:
        if name not in notes:
            raise StudyError(
                f"{key} = {name!r}: no such entry in the .json of the first sample. {closest(str(name), notes)}"
            )


def _field(image_column: str | None) -> str:
    return f" (image_column = {image_column!r}: samples have no such file)" if image_column else ""
