"""A data set of the Hugging Face hub, or a folder laid out like one: found, its split chosen, its rows read."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from seealike.errors import SeealikeError, StudyError, closest
from seealike.images.fetching import CONNECTED, from_hub
from seealike.images.parquet import cause, no_room
from seealike.images.paths import missing, possible
from seealike.images.quiet import quiet

LOGIN = "log in with `hf auth login`, or set HF_TOKEN"
USUAL = "train"  # the split that is taken where several are and none was asked for
IMAGE = ("image", "img")  # columns of images where the data set does not say which they are


@dataclass(frozen=True, eq=False)
class Repository:
    """One split of a data set as `datasets` found it. `name` is a folder's path or the hub's OWNER/NAME."""

    name: str
    split: str
    builder: Any
    cache: str | Path | None = None

    @staticmethod
    def find(
        name: str, split: str | None, config: str | None, revision: str | None, cache: str | Path | None = None
    ) -> "Repository":
        """Which splits there are is asked before anything large is fetched."""
        import datasets

        _refuse_absent_folder(name)
        place = str(Path(name).expanduser()) if is_folder(name) else name
        where = cache and str(cache)
        with _reached(name, cache), _told(config):
            builder = datasets.load_dataset_builder(place, config, cache_dir=where, revision=revision)
        return Repository(name, _chosen(builder, split), builder, cache)

    def rows(self) -> Any:
        """All rows, copied to the cache and looked up there."""
        with _reached(self.name, self.cache), _told(self.builder.config.name):
            self.builder.download_and_prepare()
            return self.builder.as_dataset(split=self.split)

    def stream(self) -> Any:
        """The rows as they come, images undecoded."""
        with _reached(self.name, self.cache), _told(self.builder.config.name):
            rows = self.builder.as_streaming_dataset(split=self.split)
            if not rows.features:
                raise StudyError("its columns are known only once it is read: leave `stream` out.")
            return rows.decode(False)

    @property
    def text(self) -> str:
        config = f", config {self.builder.config.name}" if self.builder.config.name != "default" else ""
        revision = f", revision {str(self.builder.hash)[:12]}" if not is_folder(self.name) else ""
        return f"hub:{self.name}, split {self.split}{config}{revision}"

    def fingerprint(self, *told: Any) -> str:
        """Of a folder its files, of a data set on the hub its commit."""
        known = _files(Path(self.name).expanduser()) if is_folder(self.name) else [self.name, str(self.builder.hash)]
        return sha256(repr(("hub", known, self.builder.config.name, self.split, told)).encode()).hexdigest()


def is_folder(name: str) -> bool:
    return possible(Path(name).expanduser()).is_dir()


def the_image_column(features: Any) -> str:
    """The column that holds images, where there is no doubt."""
    found = [name for name, kind in features.items() if type(kind).__name__ == "Image"]
    found = found or [name for name in IMAGE if name in features]
    if len(found) == 1 or IMAGE[0] in found:
        return IMAGE[0] if IMAGE[0] in found else found[0]
    if found:
        raise StudyError(
            f'several columns hold images, so say which: image_column = "{found[0]}". {closest("", found)}'
        )
    raise StudyError(f"no column holds images. Its columns: {', '.join(features)}.")


def _chosen(builder: Any, split: str | None) -> str:
    """The split that was asked for, the only one, or `train`."""
    known = [str(name) for name in builder.info.splits or builder.config.data_files or ()]
    if split is None:
        if len(known) == 1 or USUAL in known or not known:
            return known[0] if len(known) == 1 else USUAL
        raise StudyError(
            f'there are several splits, so say which: split = "{known[0]}". There are: {", ".join(known)}.'
        )
    for part in split.split("+"):
        name = part.split("[")[0].strip()
        if known and name not in known:
            raise StudyError(f"split = {split!r}: there is no split {name!r}. {closest(name, known)}")
    return split


@contextmanager
def _reached(name: str, cache: str | Path | None) -> Iterator[None]:
    """The hub, in seconds or not at all; a folder needs no more than room for its copy."""
    if is_folder(name):
        try:
            with quiet():
                yield
        except OSError as error:
            raise no_room(cache, error) from error
        return
    import datasets  # noqa: F401  it has to be there to be told that the hub is not

    with from_hub(f"hub:{name}", f"{CONNECTED}; a copy of its parquet files, as parquet:FOLDER"), quiet():
        yield


@contextmanager
def _told(config: str | None) -> Iterator[None]:
    """What `datasets` says of a data set that was reached, in the user's words."""
    try:
        yield
    except SeealikeError:
        raise
    except Exception as error:
        said = _in_words(error, config)
        if said is None:
            raise
        raise StudyError(said) from error


def _in_words(error: Exception, config: str | None) -> str | None:
    kind, words = type(error).__name__, str(error)
    if kind == "GatedRepoError" or "gated dataset" in words:
        return f"it is gated. What would work: agree to its terms on its page, then {LOGIN}."
    if kind == "DatasetNotFoundError" and words.startswith("Revision"):
        return "it has no such revision: a branch, a tag or a commit of its page is one."
    if kind == "DatasetNotFoundError":
        return f"the hub has no such data set, or it is private: then {LOGIN}. Names are those of its page, OWNER/NAME."
    if kind in ("DataFilesNotFoundError", "EmptyDatasetError"):
        return "it holds no data files that can be read."
    if "scripts are no longer supported" in words:
        return 'it is a script, which is not run. Many have a copy in parquet: revision = "refs/convert/parquet".'
    if isinstance(error, ValueError) and (found := re.search(r"(?:configs|Available): \[(.*?)\]", words)):
        return _which_config(config, re.findall(r"'([^']*)'", found[1]))
    return None if isinstance(error, OSError) or "huggingface_hub" in type(error).__module__ else _cannot(error)


def _which_config(config: str | None, known: list[str]) -> str:
    if config is None:
        return f'it has several configurations, so say which: config = "{known[0]}". {closest("", known)}'
    return f"config = {config!r}: there is no such configuration. {closest(config, known)}"


def _cannot(error: Exception) -> str:
    return f"it cannot be read ({cause(error)})."


def _refuse_absent_folder(name: str) -> None:
    path = Path(name).expanduser()
    if name.startswith((".", "/", "~")) and not path.is_dir():
        raise StudyError("this is a file, not a folder." if path.is_file() else missing(path))


def _files(folder: Path) -> list[tuple[str, int, int]]:
    found = sorted(file for file in folder.rglob("*") if file.is_file())
    return [(str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns) for file in found]
