"""The store: one netCDF file an answer. A file that exists is an answered question; reading needs no torch."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from errno import EACCES
from io import BytesIO
from pathlib import Path
from typing import Any

import xarray as xr
from psutil import virtual_memory

from seealike import listing
from seealike.attributes import decode, encode, refuse_other_kinds
from seealike.errors import RunError, StudyError, closest
from seealike.sealed import refuse_broken, sealed

LEFT_OUT = "left_out"  # the netCDF group of the readings without each group of batches
LITTLE = 1 << 28  # bytes that there is always room for
LARGE = 1 << 16  # bytes from which compression pays


class NoAnswer(StudyError, KeyError):
    """An ask that has no answer in the folder; a KeyError too, so that `in` and `get` work."""

    __str__ = Exception.__str__  # KeyError would print the message quoted


def write(folder: Path, name: str, digest: str, answer: xr.Dataset, left_out: xr.Dataset | None = None) -> Path:
    """The file that now holds `answer`: `folder/<name>-<digest>.nc`, written aside and renamed.

    Its readings with each group of batches left out are the group `left_out` of the file. Attributes may be anything
    JSON can say; `created` is set to now (UTC) unless the answer has it.
    """
    if not name or Path(name).name != name:
        raise StudyError(f"ask {name!r} cannot name a file. Call it something without slashes.")
    path = path_of(Path(folder), name, digest)
    stamped = answer.assign_attrs({"created": datetime.now(UTC).isoformat(), **answer.attrs})
    file = BytesIO()  # HDF5 itself does not survive a full disk
    _attributes(stamped, encode).to_netcdf(file, engine="h5netcdf", encoding=_compression(answer))
    if left_out is not None:
        more = {"mode": "a", "group": LEFT_OUT, "encoding": _compression(left_out)}
        left_out.to_netcdf(file, engine="h5netcdf", **more)
    try:
        make_folder(path.parent)
        with aside(path) as unfinished:
            unfinished.write_bytes(sealed(file.getvalue()))
    except OSError as error:
        raise RunError(
            f"{path} cannot be written ({_short(error)}). Make room, or mend the folder, and start the same command "
            "again: what was answered stays."
        ) from error
    return path


def make_folder(folder: Path) -> None:
    """A folder for answers, there from now on."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(EACCES, "it may not be read and written")
    except OSError as error:
        raise StudyError(f"{folder} cannot hold answers ({_short(error)}). Give another --out.") from error


def path_of(folder: Path, name: str, digest: str) -> Path:
    """Where the answer to a question is."""
    return folder / f"{name}-{digest}.nc"


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Where to write what `path` is to hold: renamed to it when whole, deleted when not."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


class Results(Mapping[str, xr.Dataset]):
    """The answers in a folder, by the name of the ask; the newest where a question was changed and asked again.

    A live view: an answer written by a running study is seen at the next look. Each look reads the file and closes it.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as out:
    ...     path = write(Path(out), "similarity", "3f9a", xr.Dataset({"cka": 0.5}))
    ...     list(Results(out)), float(Results(out)["similarity"].cka)
    (['similarity'], 0.5)
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise StudyError(
                f"{self.folder} is not a folder. Answers are where `seealike run STUDY.toml --out DIR` put them."
            )

    def __getitem__(self, name: str) -> xr.Dataset:
        return self.load(self.path(name))

    @staticmethod
    def load(path: Path) -> xr.Dataset:
        """The answer in one file."""
        with _reading(path) as answer:
            found = _attributes(answer.load().drop_encoding(), decode)
            refuse_other_kinds(found.attrs)
            return found

    def left_out(self, name: str) -> xr.Dataset | None:
        """An answer read without each group of batches (`group`, ...), in the order of its groups; None: too few."""
        return self.left_out_of(self.path(name))

    @staticmethod
    def left_out_of(path: Path) -> xr.Dataset | None:
        """The readings without each group in one file."""
        try:
            with _reading(path, LEFT_OUT) as found:
                return found.load().drop_encoding()
        except RunError:
            return None

    def __iter__(self) -> Iterator[str]:
        return iter(self._files())

    def __len__(self) -> int:
        return len(self._files())

    def __contains__(self, name: object) -> bool:
        return name in self._files()

    def __repr__(self) -> str:
        return listing.table(self.folder, [(name, *self._line(name)) for name in self])

    def with_digest(self, digest: str, name: str = "") -> Path | None:
        """A file that answers exactly this question and can be read: of the ask `name`, else of another."""
        found = [path for path in sorted(self.folder.glob(f"[!.]*-{digest}.nc")) if _readable(path)]
        return next((path for path in found if path.name == f"{name}-{digest}.nc"), next(iter(found), None))

    def _files(self) -> dict[str, list[Path]]:
        """Every ask's files; the digest is what follows the last hyphen."""
        files: dict[str, list[Path]] = {}
        for path in sorted(self.folder.glob("[!.]*-*.nc")):
            files.setdefault(path.stem.rpartition("-")[0], []).append(path)
        return files

    def refuse_empty(self) -> None:
        """Refuses a folder that holds no answers, readable or not."""
        if not len(self):
            raise StudyError(
                f"{self.folder} holds no answers. `seealike run STUDY.toml --out {self.folder}` puts them there."
            )

    def path(self, name: str) -> Path:
        """The file that holds the newest answer of an ask."""
        files = self._files()
        if name not in files:
            raise NoAnswer(f"{self.folder} holds no answer to {name!r}. {closest(str(name), files)}")
        return max(files[name], key=_created) if len(files[name]) > 1 else files[name][0]

    def _line(self, name: str) -> tuple[str, ...]:
        """What the listing says of one ask: measure, variables, models and images, date."""
        path = self.path(name)
        try:
            with _reading(path) as answer:
                attrs = decode(answer.attrs)
                refuse_other_kinds(attrs)
                return listing.described(answer, attrs)
        except RunError:
            return (f"cannot be read: delete {path.name} and run the study again",)


@contextmanager
def _reading(path: Path, group: str | None = None) -> Iterator[xr.Dataset]:
    """The open file; what makes it unreadable is said with what to do about it."""
    try:
        refuse_broken(path)
        # an answer's units are its own: "seconds" must not become timedeltas
        how = {"decode_times": False, "decode_timedelta": False, "group": group, "phony_dims": "sort"}
        with xr.open_dataset(path, engine="h5netcdf", **how) as answer:
            _refuse_beyond_memory(answer)
            yield answer
    except Exception as error:  # whatever the readers of netCDF, of HDF5 and of JSON make of broken bytes
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise RunError(f"{path} cannot be read ({said}). Delete it and run the study again.") from error


def _readable(path: Path) -> bool:
    with suppress(RunError), _reading(path):
        return True
    return False


def _refuse_beyond_memory(answer: xr.Dataset) -> None:
    """A few bytes can say that there are gigabytes of nothing."""
    if answer.nbytes > LITTLE and answer.nbytes > (free := virtual_memory().available):
        raise MemoryError(f"it says that it holds {answer.nbytes / 1e9:.0f} GB, and {free / 1e9:.0f} GB are free")


def _short(error: Exception) -> str:
    """The system's reason, if it gave one; the first line of what a library made of it."""
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]


def _created(path: Path) -> float:
    """When an answer was made, in seconds; copying a folder loses the files' own times."""
    try:
        with _reading(path) as answer:
            return datetime.fromisoformat(answer.attrs["created"]).timestamp()
    except RunError:
        return path.stat().st_mtime


def _compression(answer: xr.Dataset) -> dict[Any, dict[str, Any]]:
    large = (name for name, array in answer.data_vars.items() if array.nbytes >= LARGE and array.dtype.kind in "fiub")
    return {name: {"zlib": True, "complevel": 4, "shuffle": True} for name in large}


def _attributes(answer: xr.Dataset, change) -> xr.Dataset:
    """The same data, `change` applied to the attributes of the answer and of everything in it."""
    changed = answer.copy()
    changed.attrs = change(answer.attrs)
    for name, array in answer.variables.items():
        changed.variables[name].attrs = change(array.attrs)
    return changed
