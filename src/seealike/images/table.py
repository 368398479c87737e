"""Images in a table of Hugging Face `datasets`, decoded by us: one broken image is then only that image."""

import hashlib
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL import Image

from seealike.errors import StudyError, closest
from seealike.images.decode import decode_cell
from seealike.images.indexed import Images
from seealike.images.tensors import number, numbered

LABEL = "label"  # looked for without being asked for
NUMBERS = ("int", "uint", "float", "double", "half", "bool", "decimal")  # how the types of numeric columns begin


@dataclass(frozen=True, eq=False)
class Table(Images):
    """The rows of a `datasets.Dataset`: the image column as files, the label column as classes.

    Labels are a ClassLabel, whole numbers, or texts (numbered in sorted order). Ids are the row, with the path that is
    stored with the image if there is one: `12:cat.jpg`. `factor_columns` are numbers recorded of every image.
    """

    rows: Any
    image_column: str = "image"
    label_column: str | None = LABEL
    factor_columns: tuple[str, ...] = ()

    def __post_init__(self):
        self._require("image_column", self.image_column)
        if self._has_labels:
            self._require("label_column", self.label_column)
            self._refuse_values_that_are_no_classes()
        for name in self.factor_columns:
            self._require("factor_columns", name)
            refuse_what_is_no_number(name, self.rows.features)
        self._files  # noqa: B018  a column that holds no images is refused now

    def __len__(self) -> int:
        return len(self.rows)

    def id(self, index: int) -> str:
        return row_id(index, self._paths[index])

    def item(self, index: int) -> tuple[Image.Image, int | None]:
        return decode_cell(self._files[index][self.image_column], self.id(index)), self.label(index)

    def label(self, index: int) -> int | None:
        if not self._has_labels:
            return None
        value = self._labels[index]
        return self._numbers.get(value) if isinstance(value, str) else number(value)

    @property
    def factors(self) -> tuple[str, ...]:
        return tuple(self.factor_columns)

    def factor(self, index: int, name: str) -> float:
        return factor(self._recorded[name][index])

    @cached_property
    def classes(self) -> tuple[str, ...]:
        if not self._has_labels:
            return ()
        if hasattr(self.rows.features[self.label_column], "names"):
            return tuple(self.rows.features[self.label_column].names)
        known = {value for value in self._labels if value is not None}
        return tuple(sorted(known)) if self._texts else numbered(max(known, default=-1))

    @cached_property
    def fingerprint(self) -> str:
        known = (self.rows._fingerprint, len(self), self.image_column, self.label_column)
        return hashlib.sha256(repr(known).encode()).hexdigest()

    @property
    def text(self) -> str:
        return f"datasets.Dataset of {len(self)} rows, image column {self.image_column}"

    @property
    def _has_labels(self) -> bool:
        """A table without the usual label column has no labels; another name was asked for and must be there."""
        return self.label_column is not None and (self.label_column != LABEL or LABEL in self.rows.column_names)

    @property
    def _texts(self) -> bool:
        return _words(self.rows.features[self.label_column]) in ("string", "large_string")

    @cached_property
    def _files(self):
        import datasets

        try:
            alone = self.rows.select_columns([self.image_column]).with_format(None)
            return alone.cast_column(self.image_column, datasets.Image(decode=False))
        except (ValueError, TypeError, NotImplementedError) as error:  # pyarrow's own errors are these
            kind = self.rows.features[self.image_column]
            raise StudyError(
                f"image_column = {self.image_column!r}: this column holds {_words(kind)}, not images. "
                f"{closest('image', self.rows.column_names)}"
            ) from error

    @cached_property
    def _paths(self) -> list[str | None]:
        """Read without the bytes beside them, which may be a hundred gigabytes."""
        path = f"{self.image_column}.path"
        return self._files.flatten().select_columns([path])[path][:]

    @cached_property
    def _labels(self) -> list:
        return self.rows.with_format(None)[self.label_column][:]

    @cached_property
    def _recorded(self) -> dict[str, list]:
        return {name: self.rows.with_format(None)[name][:] for name in self.factor_columns}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.classes)}

    def _require(self, key: str, column: str | None) -> None:
        if column not in self.rows.column_names:
            raise StudyError(f"{key} = {column!r}: no such column. {closest(str(column), self.rows.column_names)}")

    def _refuse_values_that_are_no_classes(self) -> None:
        kind = self.rows.features[self.label_column]
        if not self._texts and "int" not in _words(kind):
            raise StudyError(
                f"label_column = {self.label_column!r}: this column holds {_words(kind)}. "
                "Labels are whole numbers or texts."
            )


class FromTable(Images):
    """Images that are the rows of a table, wherever that was found."""

    @property
    @abstractmethod
    def table(self) -> Table: ...

    def __len__(self) -> int:
        return len(self.table)

    def id(self, index: int) -> str:
        return self.table.id(index)

    def item(self, index: int) -> tuple[Image.Image, int | None]:
        return self.table.item(index)

    def label(self, index: int) -> int | None:
        return self.table.label(index)

    @property
    def factors(self) -> tuple[str, ...]:
        return self.table.factors

    def factor(self, index: int, name: str) -> float:
        return self.table.factor(index, name)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.table.classes


def row_id(index: int, path: str | None) -> str:
    return f"{index}:{path}" if path else str(index)


def factor(value: Any) -> float:
    return float("nan") if value is None else float(value)


def refuse_what_is_no_number(column: str, features: Any) -> None:
    kind = _words(features[column])
    if not kind.startswith(NUMBERS):
        numeric = [name for name, feature in features.items() if _words(feature).startswith(NUMBERS)]
        raise StudyError(f"factor_columns = {column!r}: this column holds {kind}, not numbers. {closest('', numeric)}")


def _words(feature) -> str:
    return str(getattr(feature, "dtype", None) or type(feature).__name__)
