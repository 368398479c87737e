"""Images in a folder."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from PIL import Image

from seealike.errors import StudyError
from seealike.images.decode import decode, formats
from seealike.images.indexed import Images
from seealike.images.paths import missing, possible, readable


@dataclass(frozen=True)
class Folder(Images):
    """All image files below a folder, in the order of their relative paths; what begins with a dot is left out.

    An image's label is its first-level subfolder's number in sorted order, if every image is in a subfolder.
    """

    path: str | Path

    def __post_init__(self):
        if not possible(self._root).exists():
            raise StudyError(f"{self.text}: {missing(self._root)}")
        if not self._root.is_dir():
            raise StudyError(f"{self.text}: this is a file, not a folder. {self._instead()}")
        if not self._names:
            raise StudyError(f"{self.text}: there is no image below this folder. {self._instead()}")

    def __len__(self) -> int:
        return len(self._names)

    def id(self, index: int) -> str:
        return readable(self._names[index])

    def item(self, index: int) -> tuple[Image.Image, int | None]:
        return decode(self._root / self._names[index], self.id(index)), self.label(index)

    def label(self, index: int) -> int | None:
        return self._numbers[self.id(index).split("/")[0]] if self._numbers else None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        inside = all("/" in name for name in self._names)
        return tuple(sorted({readable(name.split("/")[0]) for name in self._names})) if inside else ()

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(b"folder")
        for name in self._names:
            known = (self._root / name).stat()
            told = f"\0{name}\0{known.st_size}\0{known.st_mtime_ns}"
            digest.update(told.encode("utf8", "surrogateescape"))  # a name of bytes that are no text is read so
        return digest.hexdigest()

    @property
    def text(self) -> str:
        return f"folder:{self.path}"

    @property
    def _root(self) -> Path:
        return Path(self.path).expanduser()

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(sorted(_images_below(self._root)))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    def _instead(self) -> str:
        if self._root.suffix == ".parquet":
            return f"Write parquet:{self.path}"
        if self._root.is_dir() and any(self._root.rglob("*.parquet")):
            return f"There are parquet files: write parquet:{self.path}"
        if self._root.is_file():
            return f"Write the folder it is in: folder:{Path(self.path).parent}"
        return f"Image files end in {', '.join(('.jpg', '.jpeg', '.png', '.webp'))} and whatever else PIL opens."


def _images_below(root: Path) -> Iterator[str]:
    """Relative paths with forward slashes. Linked folders count: data sets are often put together with them."""
    for folder, subfolders, files in os.walk(root, followlinks=True):
        below = Path(folder).relative_to(root)
        subfolders[:] = [n for n in subfolders if not n.startswith(".") and not _circular(Path(folder, n), root)]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in extensions():
                yield (below / name).as_posix()


def _circular(folder: Path, root: Path) -> bool:
    """Whether a linked folder is one that it lies in: what is below it is walked already."""
    return folder.is_symlink() and any(folder.samefile(above) for above in (root, *folder.parents) if above != folder)


@cache
def extensions() -> frozenset[str]:
    """What PIL opens, without the formats that it only recognises."""
    return frozenset(extension for extension, name in Image.registered_extensions().items() if name in formats())
