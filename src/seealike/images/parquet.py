"""Images in parquet files, as Hugging Face `datasets` writes them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seealike.errors import StudyError
from seealike.images.paths import is_pattern, matches, missing, possible
from seealike.images.quiet import quiet
from seealike.images.table import LABEL, FromTable, Table


@dataclass(frozen=True)
class Parquet(FromTable):
    """The rows of one parquet file, of all files that match a pattern, or of all files below a folder, in name order.

    `cache` is where `datasets` keeps its memory-mapped copy; None is its own choice (HF_HOME).
    """

    pattern: str | Path
    split: str = "train"
    image_column: str = "image"
    label_column: str | None = LABEL
    factor_columns: tuple[str, ...] = ()
    cache: str | Path | None = None

    def __post_init__(self):
        if not self._files:
            raise StudyError(f"{self.text}: {self._nothing()}")
        if self.split.split("[")[0] != "train":
            raise StudyError(f"{self.text}: split = {self.split!r}: parquet files have only the split 'train'.")
        try:
            self.table  # noqa: B018  a wrong column is refused now
        except StudyError as error:
            raise StudyError(f"{self.text}: {error}") from error

    @cached_property
    def table(self) -> Table:
        rows = _load(self._files, self.split, self.cache)
        return Table(rows, self.image_column, self.label_column, tuple(self.factor_columns))

    @cached_property
    def fingerprint(self) -> str:
        files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in self._files]
        return hashlib.sha256(repr((files, self.split, self.image_column, self.label_column)).encode()).hexdigest()

    @property
    def text(self) -> str:
        return f"parquet:{self.pattern}"

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        path = possible(Path(self.pattern).expanduser())
        if path.is_dir():
            return tuple(sorted(path.rglob("*.parquet")))
        if path.is_file():
            return (path,)
        return tuple(sorted(file for file in matches(path) if file.is_file()))

    def _nothing(self) -> str:
        path = Path(self.pattern).expanduser()
        if path.is_dir():
            return "there is no .parquet file below this folder."
        return "no file matches this pattern." if is_pattern(path) else missing(path)


def _load(files: tuple[Path, ...], split: str, cache: str | Path | None):
    import datasets

    with quiet():
        try:
            return datasets.load_dataset(
                "parquet", data_files=[str(f) for f in files], split=split, cache_dir=cache and str(cache)
            )
        except OSError as error:
            raise no_room(cache, error) from error
        except Exception as error:  # whatever pyarrow says of a file that is not what its name says
            raise StudyError(f"cannot be read as parquet ({cause(error)}).") from error


def no_room(cache: str | Path | None, error: OSError) -> StudyError:
    from datasets import config

    where = cache or config.HF_DATASETS_CACHE
    return StudyError(f"{where} cannot hold the copy of the table ({error}). Set HF_HOME to a folder that can.")


def cause(error: BaseException) -> str:
    """The first line of the error at the bottom; what wraps it says only that something failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
