"""Where a training stands, on disk: written aside and renamed, so that a kill at any moment leaves a whole one."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

SECONDS = 60.0  # between checkpoints, if not told how many steps


class Checkpoints:
    """The one checkpoint of a training. `mark` is what it must bear to be carried on from: the recipe's digest."""

    def __init__(self, path: Path, mark: str, every: int | None = None):
        self.path, self.mark, self.every = path, mark, every
        self.last = time.monotonic()
        self.step = 0
        self.found: Path | None = None
        self.refused = ""  # why what lies there was not carried on from
        if path.is_file():
            self._look()

    def _look(self) -> None:
        try:
            content: Any = torch.load(self.path, map_location="cpu", weights_only=True, mmap=True)
            mark, step = content["seealike"], int(content["global_step"])
        except Exception:  # whatever a broken file makes of the reader
            self.refused = "it cannot be read"
            return
        if mark != self.mark:
            self.refused = "it is of another recipe"
            return
        self.found, self.step = self.path, step

    def due(self, step: int) -> bool:
        if self.every is not None:
            return step % self.every == 0
        return time.monotonic() - self.last > SECONDS

    def keep(self, save: Callable[[Path], None]) -> None:
        """`save` writes the file that it is given."""
        aside = self.path.with_name(f"{self.path.name}.aside")
        save(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(self.path)
        self.last = time.monotonic()

    def drop(self) -> None:
        """The training is over: nothing is left to carry on from."""
        for path in (self.path, self.path.with_name(f"{self.path.name}.aside")):
            path.unlink(missing_ok=True)
