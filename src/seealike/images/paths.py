"""Patterns of paths, and what to say of a path that is not there."""

from collections.abc import Iterator
from pathlib import Path

from seealike.errors import closest


def is_pattern(path: Path) -> bool:
    return any(sign in str(path) for sign in "*?[")


def matches(path: Path) -> Iterator[Path]:
    """What is there of a pattern's; nothing where the path is no pattern."""
    start = Path(path.anchor)
    yield from start.glob(str(path.relative_to(start))) if is_pattern(path) else ()


def missing(path: Path) -> str:
    """The first part of the path that does not exist, and what stands beside it."""
    known = next(parent for parent in path.absolute().parents if parent.exists())
    wanted = path.absolute().relative_to(known).parts[0]
    if not known.is_dir():
        return f"{known} is a file, so there is nothing below it."
    beside = sorted(entry.name for entry in known.iterdir() if not entry.name.startswith("."))
    return f"There is no {wanted!r} in {known}. {closest(wanted, beside)}"
