"""Images in parquet files, as Hugging Face `datasets` writes them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from seealike.errors import StudyError
from seealike.images.indexed import Images
from seealike.images.paths import missing
from seealike.images.quiet import quiet
from seealike.images.table import LABEL, Table


@dataclass(frozen=True)
class Parquet(Images):
    """The rows of one parquet file, of all files that match a pattern, or of all files below a folder, in name order.

    `cache` is where `datasets` keeps its memory-mapped copy; None is its own choice (HF_HOME).
    """

    pattern: str | Path
    split: str = "train"
    image_column: str = "image"
    label_column: str | None = LABEL
    cache: str | Path | None = None

    def __post_init__(self):
        if not self._files:
            raise StudyError(f"{self.text}: {self._nothing()}")
        if self.split.split("[")[0] != "train":
            raise StudyError(f"{self.text}: split = {self.split!r}: parquet files have only the split 'train'.")
        try:
            self._table  # noqa: B018  a wrong column is refused now
        except StudyError as error:
            raise StudyError(f"{self.text}: {error}") from error

    def __len__(self) -> int:
        return len(self._table)

    def id(self, index: int) -> str:
        return self._table.id(index)

    def item(self, index: int) -> tuple[Image.Image, int | None]:
        return self._table.item(index)

    def label(self, index: int) -> int | None:
        return self._table.label(index)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._table.classes

    @cached_property
    def fingerprint(self) -> str:
        files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in self._files]
        return hashlib.sha256(repr((files, self.split, self.image_column, self.label_column)).encode()).hexdigest()

    @property
    def text(self) -> str:
        return f"parquet:{self.pattern}"

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        path = Path(self.pattern).expanduser()
        if path.is_dir():
            return tuple(sorted(path.rglob("*.parquet")))
        if path.is_file():
            return (path,)
        return tuple(sorted(file for file in _matches(path) if file.is_file()))

    @cached_property
    def _table(self) -> Table:
        return Table(_load(self._files, self.split, self.cache), self.image_column, self.label_column)

    def _nothing(self) -> str:
        path = Path(self.pattern).expanduser()
        if path.is_dir():
            return "there is no .parquet file below this folder."
        return "no file matches this pattern." if _is_pattern(path) else missing(path)


def _is_pattern(path: Path) -> bool:
    return any(sign in str(path) for sign in "*?[")


def _matches(path: Path):
    start = Path(path.anchor)
    return start.glob(str(path.relative_to(start))) if _is_pattern(path) else ()


def _load(files: tuple[Path, ...], split: str, cache: str | Path | None):
    import datasets
    from datasets import config

    with quiet():
        try:
            return datasets.load_dataset(
                "parquet", data_files=[str(f) for f in files], split=split, cache_dir=cache and str(cache)
            )
        except OSError as error:
            where = cache or config.HF_DATASETS_CACHE
            raise StudyError(
                f"{where} cannot hold the copy of the table ({error}). Set HF_HOME to a folder that can."
            ) from error
        except Exception as error:  # whatever pyarrow says of a file that is not what its name says
            raise StudyError(f"cannot be read as parquet ({_cause(error)}).") from error


def _cause(error: BaseException) -> str:
    """The first line of the error at the bottom; what wraps it says only that something failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
