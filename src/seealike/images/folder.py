"""Images in a folder."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from PIL import Image, ImageFile

from seealike.errors import StudyError
from seealike.images.decode import decode
from seealike.images.indexed import Images
from seealike.images.paths import missing

NOT_IMAGES = {"EPS", "MPEG", "PDF"}  # formats that PIL registers but cannot turn into pixels by itself


@dataclass(frozen=True)
class Folder(Images):
    """All image files below a folder, in the order of their relative paths; what begins with a dot is left out.

    An image's label is its first-level subfolder's number in sorted order, if every image is in a subfolder.
    """

    path: str | Path

    def __post_init__(self):
        if not self._root.exists():
            raise StudyError(f"{self.text}: {missing(self._root)}")
        if not self._root.is_dir():
            raise StudyError(f"{self.text}: this is a file, not a folder. {self._instead()}")
        if not self._names:
            raise StudyError(f"{self.text}: there is no image below this folder. {self._instead()}")

    def __len__(self) -> int:
        return len(self._names)

    def id(self, index: int) -> str:
        return self._names[index]

    def item(self, index: int) -> tuple[Image.Image, int | None]:
        return decode(self._root / self._names[index], self._names[index]), self.label(index)

    def label(self, index: int) -> int | None:
        return self._numbers[self._names[index].split("/")[0]] if self._numbers else None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        inside = all("/" in name for name in self._names)
        return tuple(sorted({name.split("/")[0] for name in self._names})) if inside else ()

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(b"folder")
        for name in self._names:
            known = (self._root / name).stat()
            digest.update(f"\0{name}\0{known.st_size}\0{known.st_mtime_ns}".encode())
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
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        below = Path(folder).relative_to(root)
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in extensions():
                yield (below / name).as_posix()


@cache
def extensions() -> frozenset[str]:
    """What PIL opens, without the formats that it only recognises."""
    every = Image.registered_extensions()
    readers = {name: opener[0] for name, opener in Image.OPEN.items() if name not in NOT_IMAGES}
    stubs = {
        n for n, reader in readers.items() if isinstance(reader, type) and issubclass(reader, ImageFile.StubImageFile)
    }
    return frozenset(extension for extension, name in every.items() if name in readers.keys() - stubs)
