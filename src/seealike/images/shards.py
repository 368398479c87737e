"""The tar files that a pattern means."""

import re
from collections.abc import Iterator
from pathlib import Path

from seealike.errors import StudyError
from seealike.images.paths import is_pattern, matches, missing, possible, readable

BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}|\{([^{}]*,[^{}]*)\}")
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def shards(pattern: str) -> tuple[Path, ...]:
    """`{000..009}` and `{a,b}` spelled out as a shell does, `*` matched, a folder searched; in the order of names."""
    return tuple(dict.fromkeys(tar for each in spelled(pattern) for tar in _meant(each)))


def spelled(pattern: str) -> Iterator[str]:
    """Every text that a pattern with braces means, in its order.

    >>> list(spelled("{train,val}-{08..10}.tar"))[:4]
    ['train-08.tar', 'train-09.tar', 'train-10.tar', 'val-08.tar']
    """
    found = BRACES.search(pattern)
    if found is None:
        yield pattern
        return
    first, last, words = found.groups()
    for each in words.split(",") if words is not None else _numbers(first, last):
        yield from spelled(pattern[: found.start()] + each + pattern[found.end() :])


def shard_names(tars: tuple[Path, ...]) -> tuple[str, ...]:
    """What tells the tars apart in ids: their names, with the folders in which they differ."""
    if len({tar.name for tar in tars}) == len(tars):
        return tuple(readable(tar.name) for tar in tars)
    whole = [tar.absolute().parts for tar in tars]
    shared = next(i for i, parts in enumerate(zip(*whole, strict=False)) if len(set(parts)) > 1)
    return tuple(readable("/".join(parts[shared:])) for parts in whole)


def _numbers(first: str, last: str) -> Iterator[str]:
    padded = any(len(end) > 1 and end.startswith("0") for end in (first, last))
    width = max(len(first), len(last)) if padded else 0
    start, end = int(first), int(last)
    step = 1 if start <= end else -1
    return (str(number).zfill(width) for number in range(start, end + step, step))


def _meant(pattern: str) -> list[Path]:
    if re.match(r"\w{2,}:/", pattern):  # a second slash is lost where the pattern went through a path
        raise StudyError(
            "tars are read from a disk: fetch them first, or stream a data set of the hub, hub:OWNER/NAME."
        )
    path = possible(Path(pattern).expanduser())
    if path.is_dir():
        found = sorted(tar for tar in path.rglob("*") if tar.name.endswith(TARS) and tar.is_file())
    else:
        found = [path] if path.is_file() else sorted(tar for tar in matches(path) if tar.is_file())
    if not found:
        raise StudyError(_nothing(path))
    return found


def _nothing(path: Path) -> str:
    if path.is_dir():
        return "there is no .tar file below this folder."
    return "no file matches this pattern." if is_pattern(path) else missing(path)
