"""Pictures that come in an order of their own and cannot be looked up: decoded and preprocessed batch by batch."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from seealike.errors import RunError, StudyError
from seealike.images.batch import TOLERANCE, ImageBatch, within
from seealike.images.decode import decode_cell
from seealike.images.indexed import CorruptImage
from seealike.images.loading import loaded
from seealike.images.preprocessing import Preprocessing


@dataclass(frozen=True)
class Arrived:
    """A picture as it came, not decoded yet: `cell` holds its bytes, or its path; `broken` says why it has none."""

    index: int
    id: str
    cell: Mapping[str, Any] = field(default_factory=dict)
    label: int | None = None
    factors: Mapping[str, float] = field(default_factory=dict)
    broken: str | None = None


class Pictures(ABC):
    """A stream of pictures, walked anew from its beginning in every pass; of more than `take` the first are taken.

    Batch k holds the pictures from k times `batch` on; one that cannot be read leaves its batch smaller and is named.
    """

    take: int | None

    @abstractmethod
    def arrivals(self) -> Generator[Arrived, None, None]:
        """The pictures from the first one on, in the same order each time."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hex digest of what is streamed."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The source in words, as an answer records it."""

    @property
    @abstractmethod
    def factors(self) -> tuple[str, ...]:
        """The names of what is recorded of every picture."""

    @property
    def labelled(self) -> bool:
        """Whether there are labels, as far as the first picture tells."""
        with closing(self.arrivals()) as arriving:
            return next(arriving).label is not None

    def first(self) -> Image.Image:
        """The first picture that can be read."""
        broken = StudyError(f"{self.text}: there is no image in it.")
        with closing(self.arrivals()) as arriving:
            for arrived in islice(arriving, self.take):
                try:
                    return _read(arrived)
                except CorruptImage as error:
                    broken = error
        raise broken

    def load(
        self,
        batch: int,
        preprocessings: Mapping[str, Preprocessing],
        workers: int = 0,
        tolerance: float = TOLERANCE,
        wanted: Callable[[int], bool] = lambda number: True,
    ) -> Generator[ImageBatch, None, None]:
        """The batches of one pass, decoded in `workers` processes; more than `tolerance` unreadable is a RunError.

        Of batches that are not `wanted`, by their number, nothing is decoded.
        """
        if batch < 1:
            raise StudyError(f"batch = {batch}: a batch holds at least 1 image.")
        return within(self._batches(batch, preprocessings, workers, wanted), self.take, tolerance)

    def _batches(self, batch: int, preprocessings: Mapping[str, Preprocessing], workers: int, wanted):
        ahead: deque[tuple[int, list[Arrived]]] = deque()  # what workers are decoding
        with (
            closing(self._parts(batch, ahead, wanted)) as parts,
            closing(loaded(_Decoder(), count(), parts, preprocessings, workers)) as batches,
        ):
            for one in batches:
                number, part = ahead.popleft()
                seen = _read_ones(part, one.ids)
                factors = {name: _doubles([each.factors[name] for each in seen]) for name in self.factors}
                yield replace(one, index=number, indices=tuple(each.index for each in seen), factors=factors)

    def _parts(self, batch: int, ahead: deque, wanted: Callable[[int], bool]) -> Generator[list[Arrived], None, None]:
        come = 0
        with closing(self.arrivals()) as arriving:
            for number in count():
                part = list(islice(arriving, batch if self.take is None else min(batch, self.take - come)))
                if not part:
                    break
                come += len(part)
                if wanted(number):
                    ahead.append((number, part))
                    yield part
        if self.take is not None and come < self.take:
            raise RunError(f"{self.text}: take = {self.take}: only {come} images came. Leave `take` out to take all.")


class _Decoder:
    """Arrived pictures, read as an indexed set is: what has arrived stands in the place of its index."""

    def id(self, index: Arrived) -> str:
        return index.id

    def item(self, index: Arrived) -> tuple[Image.Image, int | None]:
        return _read(index), index.label


def _read(arrived: Arrived) -> Image.Image:
    if arrived.broken is not None:
        raise CorruptImage(arrived.id, arrived.broken)
    return decode_cell(arrived.cell, arrived.id)


def _read_ones(part: list[Arrived], ids: tuple[str, ...]) -> list[Arrived]:
    """Those of a part that could be read, in their order."""
    seen: list[Arrived] = []
    for arrived in part:
        if len(seen) < len(ids) and arrived.id == ids[len(seen)]:
            seen.append(arrived)
    return seen


def _doubles(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
