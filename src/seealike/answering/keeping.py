"""Sums kept on the way: a run that is stopped in the middle of a sweep goes on where it was.

Beside the answers, in `partial/`, lies one file a process: what it has summed, and of which batches. They are gone when
the sweep has been answered. Whoever goes on, in as many processes as may be, takes all of them.
"""

import hashlib
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import current_thread, main_thread

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from seealike.answering.packing import Names, Summed, batches_of, holds, packed, unpacked
from seealike.answering.ranks import Ranks
from seealike.errors import RunError
from seealike.plan.questions import Question
from seealike.results import aside

FOLDER = "partial"
EVERY = 60.0  # seconds between two writings
SELDOM = 20  # times as long as one writing takes: at most so much of the time goes into it
UNREADABLE = (OSError, ValueError, KeyError, SafetensorError)


@dataclass(frozen=True)
class Sweep:
    """Questions answered together, and the name under which their sums are kept."""

    name: str
    questions: tuple[Question, ...]

    @staticmethod
    def of(questions: Sequence[Question]) -> "Sweep":
        asked = " ".join(sorted(q.digest for q in questions))
        return Sweep(hashlib.sha256(asked.encode()).hexdigest()[:16], tuple(questions))

    @staticmethod
    def begun(out: Path, questions: Sequence[Question]) -> "Sweep | None":
        """Those of some questions that were being answered together when a run was stopped."""
        for path in sorted((out / FOLDER).glob("*.safetensors")):
            asked = json.loads(_texts(path).get("questions", "[]"))
            if some := tuple(q for q in questions if q.digest in asked):
                return Sweep(path.name.partition(".")[0], some)
        return None


@dataclass(frozen=True)
class Place:
    """Where this process keeps the sums of a sweep."""

    folder: Path
    sweep: Sweep
    ranks: Ranks
    names: Names

    @property
    def own(self) -> Path:
        return self.folder / f"{self.sweep.name}.{self.ranks.rank}-of-{self.ranks.world}.safetensors"

    @property
    def files(self) -> list[Path]:
        """Of all processes."""
        return sorted(self.folder.glob(f"{self.sweep.name}.*.safetensors"))

    def write(self, summed: Summed) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors, texts = packed(summed, self.names)
        questions = json.dumps([q.digest for q in self.sweep.questions])
        with aside(self.own) as unfinished:
            save_file(tensors, unfinished, {**texts, "questions": questions})

    def read(self, device: str) -> tuple[Summed, frozenset[int]]:
        """What this process goes on from, and the batches that nobody need sum, as one of them did.

        All processes call this together, and the first says what there is. As many as before take what each has kept;
        else the first takes it all.
        """
        names, batches = self.ranks.agreed(self._kept() if self.ranks.first else None)
        paths = [self.folder / name for name in names]
        alike = all(name.endswith(f"-of-{self.ranks.world}.safetensors") for name in names)
        taken = [path for path in paths if path == self.own] if alike else paths if self.ranks.first else []
        summed = self._joined(taken, device)
        if not alike and self.ranks.first:
            self.write(summed)
            self._remove({*self.files} - {self.own})
        self.ranks.wait()
        return summed, frozenset(batches)

    def remove(self) -> None:
        """All that was kept of the sweep, once it has been answered."""
        self._remove(self.files)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _kept(self) -> tuple[list[str], list[int]]:
        """The files that count, and the batches that are in them."""
        kept = _disjoint({path: found for path in self.files if (found := _batches(path, self.names)) is not None})
        return [path.name for path in kept], sorted(set().union(*kept.values()))

    def _joined(self, paths: Iterable[Path], device: str) -> Summed:
        summed = Summed()
        for path in paths:
            found = unpacked(load_file(path), _texts(path), self.names, device)
            if found is not None:
                summed.join(found)
        return summed

    @staticmethod
    def _remove(paths: Iterable[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


@dataclass(eq=False)
class Keeper:
    """Writes the sums from time to time; a disk that is full, or gone, is told once and costs nothing else."""

    place: Place
    summed: Summed
    every: float = EVERY

    def __post_init__(self):
        self.next = time.monotonic() + self.every
        self.told = self.stopping = False

    def __call__(self, totals: object = None) -> None:
        """After each batch."""
        now = time.monotonic()
        if now >= self.next or self.stopping:
            self._write()
            took = time.monotonic() - now
            self.next = now + took + max(self.every, SELDOM * took if self.every else 0)
        if self.stopping:
            raise RunError("stopped from outside (SIGTERM). Start the same command again to go on.")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """What asks the process to end is heard after a batch, when its sums are whole."""
        if current_thread() is not main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _stop(self, *_) -> None:
        self.stopping = True

    def _write(self) -> None:
        try:
            self.place.write(self.summed)
        except OSError as error:
            if not self.told:
                said = f"{self.place.folder}: sums cannot be kept on the way ({error.strerror or error})"
                tqdm.write(f"seealike: {said}. The run goes on; stopped, it would begin anew.", sys.stderr)
            self.told = True


def _disjoint(kept: Mapping[Path, set[int]]) -> dict[Path, set[int]]:
    """Without files whose batches are all in another: that one was made of them."""
    found: dict[Path, set[int]] = {}
    for path, batches in sorted(kept.items(), key=lambda item: -len(item[1])):
        if not any(batches & other for other in found.values()):
            found[path] = batches
    return found


def _batches(path: Path, names: Names) -> set[int] | None:
    """Of a file that holds these sums and can be read; one that cannot was not written to its end."""
    try:
        with safe_open(path, "pt") as file:
            return batches_of({"batches": file.get_tensor("batches")}) if holds(file.metadata() or {}, names) else None
    except UNREADABLE:
        return None


def _texts(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except UNREADABLE:
        return {}
