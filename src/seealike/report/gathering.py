"""The answers of a folder as the page wants them: in the order in which they were given, with what cannot be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import xarray as xr

from seealike.errors import RunError
from seealike.results import Results


@dataclass(frozen=True, eq=False)
class Answer:
    """One answer: the name of its ask, the file it is in, and its data."""

    name: str
    path: Path
    data: xr.Dataset

    @property
    def attrs(self) -> Mapping[str, Any]:
        return self.data.attrs

    @property
    def digest(self) -> str:
        """What tells this question from all others; it ends the file's name."""
        return self.path.stem.rpartition("-")[2]

    @property
    def anchor(self) -> str:
        """Where the page holds this answer; the same place as long as the question is the same."""
        return quote(self.path.stem, safe="", errors="backslashreplace")

    @property
    def measure(self) -> str:
        return str(self.attrs.get("measure", ""))

    @property
    def models(self) -> Mapping[str, Mapping[str, Any]]:
        return self.attrs.get("models") or {}

    @property
    def images(self) -> Mapping[str, Any]:
        found = self.attrs.get("images")
        return found if isinstance(found, Mapping) else {}

    @property
    def notes(self) -> list[str]:
        """What a reader must know, unreadable images by name included."""
        unreadable = self.images.get("unreadable_images", ())
        return [*self.attrs.get("notes", ()), *(f"unreadable: {name}" for name in unreadable)]


@dataclass(frozen=True, eq=False)
class Gathered:
    """All that a folder holds."""

    folder: Path
    answers: tuple[Answer, ...]
    unreadable: tuple[str, ...]

    @property
    def title(self) -> str:
        """The study's own title, where the answers are of one study that has one."""
        titles = {str(answer.attrs.get("title", "")) for answer in self.answers}
        return titles.pop() if len(titles) == 1 and titles != {""} else f"Answers in {self.folder.resolve().name}"


def gather(folder: Path) -> Gathered:
    """Every answer that can be read, oldest first; of the others, the message that says which file and what to do."""
    results, answers, unreadable = Results(folder), [], []
    results.refuse_empty()
    for name in results:
        try:
            answers.append(Answer(name, results.path(name), results[name]))
        except RunError as error:
            unreadable.append(str(error))
    answers.sort(key=lambda answer: (str(answer.attrs.get("created", "")), answer.name))
    return Gathered(folder, tuple(answers), tuple(unreadable))
