"""Patterns of paths, and what to say of a path that is not there."""

from collections.abc import Iterator
from pathlib import Path

from seealike.errors import StudyError, closest


def possible(path: Path) -> Path:
    """The path as it is; refused where no file can be called so, or where nobody may look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # ValueError: a zero among its letters
        reason = getattr(error, "strerror", None) or str(error)
        raise StudyError(f"{str(path)[:100]!r} is no path that can be opened: {reason}.") from None
    return path


def readable(name: str) -> str:
    """A name as answers can hold it: bytes that are no text, which Python reads as half letters, are written out.

    >>> readable("caf\\udce9.png"), readable("café.png")
    ('caf\\\\udce9.png', 'café.png')
    """
    return name.encode("utf8", "backslashreplace").decode("utf8")


def is_pattern(path: Path) -> bool:
    return any(sign in str(path) for sign in "*?[")


def matches(path: Path) -> Iterator[Path]:
    """What is there of a pattern's; nothing where the path is no pattern."""
    start = Path(path.anchor)
    try:
        yield from start.glob(str(path.relative_to(start))) if is_pattern(path) else ()
    except ValueError as error:  # until Python 3.13: ** with other letters beside it
        raise StudyError(
            f"{str(path)[:100]!r} is no pattern of paths ({error}). Write ** between slashes: photographs/**/*.parquet."
        ) from None


def missing(path: Path) -> str:
    """The first part of the path that does not exist, and what stands beside it."""
    known = next(parent for parent in path.absolute().parents if parent.exists())
    wanted = path.absolute().relative_to(known).parts[0]
    if not known.is_dir():
        return f"{known} is a file, so there is nothing below it."
    beside = sorted(entry.name for entry in known.iterdir() if not entry.name.startswith("."))
    return f"There is no {wanted!r} in {known}. {closest(wanted, beside)}"
