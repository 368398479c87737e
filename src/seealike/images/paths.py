"""What to say of a path that is not there."""

from pathlib import Path

from seealike.errors import closest


def missing(path: Path) -> str:
    """The first part of the path that does not exist, and what stands beside it."""
    known = next(parent for parent in path.absolute().parents if parent.exists())
    wanted = path.absolute().relative_to(known).parts[0]
    if not known.is_dir():
        return f"{known} is a file, so there is nothing below it."
    beside = sorted(entry.name for entry in known.iterdir() if not entry.name.startswith("."))
    return f"There is no {wanted!r} in {known}. {closest(wanted, beside)}"
