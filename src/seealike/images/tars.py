"""What a WebDataset tar holds: files of one key are one sample, such as `cat/7.jpg`, `cat/7.cls` and `cat/7.json`."""

import json
import re
import tarfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from seealike.errors import SeealikeError, StudyError
from seealike.images.folder import extensions
from seealike.images.paths import readable
from seealike.images.table import LABEL
from seealike.images.tensors import number

NAME = re.compile(r"((?:.*/|)[^./][^.]*)[.]([^/]*)")  # the key ends at the first dot of the file's name
LARGEST = 1 << 30  # bytes of a file: compressed, a small tar may say that one holds everything
MOST = 1 << 36  # bytes of any other file
LONGEST = 1 << 20  # bytes of what stands before a file to say more of it
DIGITS = 18  # of a class's number; what is longer is a name
SAYING_MORE = (*tarfile.GNU_TYPES[:2], tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
NO_END = "empty header"  # tarfile's words where a tar stops without the blocks of zeros that end it


class Part(NamedTuple):
    """Where in its tar a file lies."""

    offset: int
    size: int


class Sample(NamedTuple):
    """One image of a tar, and the files beside it that say something about it."""

    key: str
    image: Part
    cls: Part | None
    json: Part | None


class _Header(tarfile.TarInfo):
    """A header that is cut off or damaged is an error anywhere; tarfile takes it for the end of the tar."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the end, as it should be
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None
        if header.size < 0 or (header.type in SAYING_MORE and header.size > LONGEST):
            raise tarfile.ReadError(f"a header says that its file holds {header.size} bytes")
        return header


def samples(tar: Path, field: str | None) -> list[Sample]:
    """The images of a tar, from its headers alone, in the order in which their first files lie in it."""
    found: dict[str, dict[str, Part]] = {}
    with _reading(tar), tarfile.open(tar, "r:", tarinfo=_Header) as opened:
        for member in _members(opened):
            name = _name(member)
            if name is not None:
                found.setdefault(name[0], {})[name[1]] = Part(member.offset_data, member.size)
    return [
        Sample(key, parts[image], parts.get("cls"), parts.get("json"))
        for key, parts in found.items()
        if (image := image_field(key, parts, field)) is not None
    ]


def streamed(tar: Path) -> Generator[tuple[str, dict[str, bytes]], None, None]:
    """Key and files of each sample as the tar, compressed or not, is read from its beginning to its end."""
    key, files = None, {}
    with _reading(tar), tarfile.open(tar, "r|*", tarinfo=_Header) as opened:
        for member in _members(opened):
            name = _name(member)
            if name is None:
                continue
            if name[0] != key and files:
                yield str(key), files
                files = {}
            content = opened.extractfile(member)
            key, files[name[1]] = name[0], content.read() if content else b""
    if files:
        yield str(key), files


def image_field(key: str, fields: Mapping, wanted: str | None) -> str | None:
    """Which file of a sample is its image: the wanted one, or the only one whose ending PIL knows."""
    if wanted is not None:
        return wanted if wanted in fields else None
    found = [field for field in fields if f".{field.lower()}" in extensions()]
    if len(found) > 1:
        raise StudyError(
            f"{key!r} holds {len(found)} images ({', '.join(found)}): files of one name are one sample. "
            f'Say which, such as image_column = "{found[0]}", or give each image a name of its own.'
        )
    return found[0] if found else None


def label(column: str | None, cls: bytes | None, notes: Mapping) -> int | str | None:
    """A number or a text from `.cls`, or from the entry of `.json` that is called `column`."""
    if column is None:
        return None
    if column == LABEL and cls is not None:
        said = cls.decode("utf8", "replace").strip()
        if said.isdecimal() and len(said) <= DIGITS:
            return int(said)
        return said if said and not said.lstrip("-").isdecimal() else None
    value = notes.get(column)
    return value if isinstance(value, str) else number(value)


def noted(content: bytes | None) -> Mapping:
    """The entries of a `.json`; ValueError where it is none."""
    if content is None:
        return {}
    try:
        notes = json.loads(content)
    except RecursionError:
        raise ValueError("its entries lie too deep in each other") from None
    if not isinstance(notes, dict):
        raise ValueError("its .json holds no entries by name")
    return notes


def recorded(notes: Mapping, name: str) -> float:
    """A number from the entries of a `.json`; NaN where there is none."""
    value = notes.get(name)
    try:
        return float(value) if isinstance(value, int | float) else float("nan")
    except OverflowError:  # a whole number of hundreds of digits
        return float("nan")


def _members(opened: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Every file as its header is read; tarfile itself would keep all headers."""
    while (member := opened.next()) is not None:
        opened.members = []  # type: ignore[attr-defined]
        if not 0 <= member.size <= MOST:  # said in a header beside: the reader would go back, or on, and never end
            raise tarfile.ReadError(f"a header says that its file holds {member.size} bytes")
        yield member


def _name(member: tarfile.TarInfo) -> tuple[str, str] | None:
    """Key and field of a file; None of what is no file or has no ending."""
    found = NAME.fullmatch(readable(member.name.removeprefix("./"))) if member.isreg() else None
    if found is None:
        return None
    if member.issparse():
        raise tarfile.ReadError(f"{member.name} is stored without its zeros: write the tar again without --sparse")
    if member.size > LARGEST:
        raise tarfile.ReadError(f"{member.name} holds {member.size} bytes, which no image does")
    return found[1], found[2]


@contextmanager
def _reading(tar: Path) -> Iterator[None]:
    try:
        yield
    except SeealikeError:
        raise
    except Exception as error:  # whatever broken bytes make of the reader
        said = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        reason = "it stops before its end" if str(error) == NO_END else said
        raise BrokenTar(f"{tar.name} cannot be read as a tar: {reason}.") from error


class BrokenTar(StudyError):
    """A tar that is cut off, damaged, compressed where that cannot be, or none at all."""
