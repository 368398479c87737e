"""Images of a data set on the Hugging Face hub: looked up in a copy, or streamed without one."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seealike.errors import RunError, StudyError, closest
from seealike.images.fetching import in_words, of_network
from seealike.images.pictures import Arrived, Pictures
from seealike.images.repository import Repository, the_image_column
from seealike.images.table import LABEL, FromTable, Table, factor, refuse_what_is_no_number, row_id
from seealike.images.tensors import number


@dataclass(frozen=True)
class Hub(FromTable):
    """The rows of one split of a data set: `hub:OWNER/NAME`, or a folder laid out as such a data set is.

    Without `split` it is the only one, else "train". Without `image_column` it is the column that holds images. Ids,
    labels and factors are those of a table. `cache` is where `datasets` keeps its copy; None is its own choice.
    """

    name: str
    split: str | None = None
    config: str | None = None
    revision: str | None = None
    image_column: str | None = None
    label_column: str | None = LABEL
    factor_columns: tuple[str, ...] = ()
    cache: str | Path | None = None

    def __post_init__(self):
        try:
            self.table  # noqa: B018  what cannot be had is refused now
        except StudyError as error:
            raise _named(self.name, error) from error

    @cached_property
    def table(self) -> Table:
        rows = self._found.rows()
        column = self.image_column or the_image_column(rows.features)
        return Table(rows, column, self.label_column, tuple(self.factor_columns))

    @cached_property
    def fingerprint(self) -> str:
        return self._found.fingerprint(len(self), self.table.image_column, self.label_column)

    @property
    def text(self) -> str:
        return self._found.text

    @cached_property
    def _found(self) -> Repository:
        return Repository.find(self.name, self.split, self.config, self.revision, self.cache)


@dataclass(frozen=True)
class HubStream(Pictures):
    """The same images as they come: nothing is copied, and no more memory is needed for more of them.

    Order, ids and labels are those of the table; texts are no labels here, as numbering them would take all of them.
    """

    name: str
    split: str | None = None
    config: str | None = None
    revision: str | None = None
    image_column: str | None = None
    label_column: str | None = LABEL
    factor_columns: tuple[str, ...] = ()
    take: int | None = None

    def __post_init__(self):
        try:
            self._refuse_unknown_columns()
            self.first()
        except StudyError as error:
            raise _named(self.name, error) from error

    def arrivals(self) -> Generator[Arrived, None, None]:
        index = 0
        try:
            with closing(iter(self._rows)) as rows:  # left open, it would end the interpreter at its exit
                for row in rows:
                    yield self._arrived(index, row)
                    index += 1
        except Exception as error:
            if not of_network(error):
                raise
            raise RunError(f"{self.text}: it broke off after {index} images: {in_words(error)}.") from error

    @property
    def factors(self) -> tuple[str, ...]:
        return tuple(self.factor_columns)

    @cached_property
    def fingerprint(self) -> str:
        return self._found.fingerprint("stream", self._column, self.label_column)

    @property
    def text(self) -> str:
        return f"{self._found.text}, streamed"

    @cached_property
    def _found(self) -> Repository:
        return Repository.find(self.name, self.split, self.config, self.revision)

    @cached_property
    def _rows(self) -> Any:
        return self._found.stream()

    @cached_property
    def _column(self) -> str:
        return self.image_column or the_image_column(self._rows.features)

    def _arrived(self, index: int, row: dict[str, Any]) -> Arrived:
        cell = row[self._column] or {}
        said = row.get(self.label_column) if self.label_column else None
        factors = {name: factor(row[name]) for name in self.factor_columns}
        return Arrived(index, row_id(index, cell.get("path")), cell, number(said), factors)

    def _refuse_unknown_columns(self) -> None:
        known = self._rows.features
        asked = [("image_column", self._column), *(("factor_columns", name) for name in self.factor_columns)]
        asked += [("label_column", self.label_column)] if self.label_column not in (None, LABEL) else []
        for key, column in asked:
            if column not in known:
                raise StudyError(f"{key} = {column!r}: no such column. {closest(str(column), known)}")
        if type(known[self._column]).__name__ != "Image":
            raise StudyError(f"image_column = {self._column!r}: this column holds no images. {closest('image', known)}")
        for name in self.factor_columns:
            refuse_what_is_no_number(name, known)


def _named(name: str, error: StudyError) -> StudyError:
    """The same refusal, beginning with what was written."""
    said = str(error)
    return error if said.startswith("hub:") else StudyError(f"hub:{name}: {said}")
