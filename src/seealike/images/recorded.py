"""What is recorded of images beside their pixels, asked for as `images:hue`: index, label, factors."""

from fnmatch import fnmatchcase

from seealike.errors import StudyError, closest
from seealike.images.sources import Source

INDEX, LABEL = "index", "label"


def recorded(images: Source | None, pattern: str) -> tuple[str, ...]:
    """The names that a name or a glob selects; refused where these images have no such thing."""
    names = names_of(images)
    if pattern == INDEX or pattern in names:
        return (pattern,)
    found = tuple(name for name in names if fnmatchcase(name, pattern)) if "*" in pattern else ()
    if not found:
        raise StudyError(f"images:{pattern}: {_without(pattern, names)}")
    return found


def names_of(images: Source | None) -> tuple[str, ...]:
    if images is None:
        return ()
    return (*((LABEL,) if images.labelled else ()), *images.factors)


def _without(pattern: str, names: tuple[str, ...]) -> str:
    if pattern == LABEL:
        return "these images have no labels. label_column names a table's; a folder's are its subfolders."
    if not names:
        return "these images have no factors and no labels. factor_columns names a table's columns of numbers."
    return f"these images have no factor {pattern!r}. {closest(pattern, names)}"
