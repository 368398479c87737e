"""The values of which questions are made."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import xarray as xr
from torch import Tensor

from seealike.kernel.bound import Sources
from seealike.kernel.joined import joined
from seealike.models.graph import Graph
from seealike.models.run import Operation

State = dict[str, Tensor]

# Marks a field of a measure that `bind` finds, and that is no key of a study.
FOUND = "found by bind"
# Marks a field that names a set of images: what the images are is part of a question, what they are called is not.
SET = "names a set of images"
# The source whose tensors are the images' own: their index, their label.
IMAGES = "images"


class View(ABC):
    """What to keep of a tensor, applied the moment it exists: no activation outlives its turn."""

    when: ClassVar[str] = "after"  # or "before" the operation runs: it may overwrite its inputs

    @abstractmethod
    def see(self, operation: Operation) -> Tensor: ...


@dataclass(frozen=True)
class Tap:
    """One tensor of one source, and what to keep of it."""

    source: str
    tensor: str
    view: View | None = None  # None: as it is

    def __str__(self) -> str:
        return f"{self.source}:{self.tensor}"


class Statistic(ABC):  # noqa: B024 (its methods have defaults)
    """A sum over images. Merging is associative and commutative, so any cut of the images gives the same.

    One that is not `grouped` is too large to be kept sixteen times over: what is read from it has no standard error.
    One that `joins` keeps rows, so that its total is as large as all its parts: its states are those of
    `kernel/joined.py`, {"index", ...}, sorted by index, and merging them is joining.
    """

    grouped: ClassVar[bool] = True
    joins: ClassVar[bool] = False

    @property
    def bytes(self) -> int:
        """How much memory one of its states holds, where that is much: a pass is cut to what there is."""
        return 0

    def merge(self, a: State, b: State) -> State:
        return joined(a, b) if self.joins else {key: a[key] + b[key] for key in a}

    def total(self, states: Sequence[State]) -> State:
        """All of them merged, one after the other; rows all at once, as each joining copies them."""
        if self.joins and len(states) > 1:
            return joined(*states)
        return reduce(self.merge, states)

    def add(self, total: State, part: State) -> State:
        """`merge`, where `total` is no longer needed and may be overwritten.

        What is only added up stays where it is: sums that move with every batch scatter the free memory.
        """
        if self.joins or type(self).merge is not Statistic.merge:
            return self.merge(total, part)
        for key, value in part.items():
            total[key] += value
        return total


class Sum(Statistic):
    """A statistic fed by the forward that all questions share."""

    taps: tuple[Tap, ...]

    @abstractmethod
    def lift(self, *seen: Tensor) -> State | None:
        """What one batch adds, from what its taps saw; None where it is too small to say anything."""


@dataclass(frozen=True, eq=False)
class Given:
    """What a trial gets of one batch: the model's graph, the images as it takes them, and which images they are."""

    graph: Graph
    images: Tensor
    index: int  # of the batch
    indices: Tensor  # of each image in its set


class Trial(Statistic):
    """A statistic that drives a model itself: gradients, reconstructions."""

    source: str  # the model

    @abstractmethod
    def run(self, given: Given) -> State | None:
        """What one batch adds."""

    def brief(self) -> "tuple[Trial, float]":
        """A trial of the same kind that is soon done, and how many times as long this one takes: to foretell it."""
        return self, 1.0


@dataclass(frozen=True)
class Earlier:
    """A bound question whose answer another one needs, and the images it is asked of.

    `images` is the name of a set of the study, None the set of the question itself; `shots`: so many of each class.
    """

    measure: "Measure"
    images: str | None = None
    shots: int | None = None
    seed: int = 0


class Measure(ABC):
    """A question: a frozen value. A new measure is one small file."""

    name: ClassVar[str]
    version: ClassVar[int]  # raised when the formula changes: old answers are then no answers
    citation: ClassVar[str]

    @abstractmethod
    def bind(self, sources: Sources) -> "Measure":
        """The same question of definite tensors; refuses in the user's words."""

    def earlier(self) -> tuple[Earlier, ...]:
        """Questions (of the bound one) that must be answered first."""
        return ()

    @property
    def sets(self) -> tuple[str | None, ...]:
        """The sets of images that the question names, beside the one it is asked of."""
        return ()

    @property
    def asked_of(self) -> str | None:
        """The set of images it is asked of, where the question itself names it."""
        return None

    @property
    def few(self) -> int | None:
        """How many images are enough, taken in sixteen batches; None: all, in the study's batches."""
        return None

    @property
    def together(self) -> bool:
        """Whether the few images come in one batch: what is known of each is all that is asked, and no average."""
        return False

    @abstractmethod
    def needs(self, *earlier: xr.Dataset) -> tuple[Statistic, ...]:
        """The statistics to sum; given are the answers to `earlier()` in their order, none of them while planning."""

    def knowing(self, *earlier: xr.Dataset) -> "Measure":
        """The same question with the answers to `earlier()` in hand, where `read` has to tell of them."""
        return self

    @abstractmethod
    def read(self, *totals: State) -> xr.Dataset:
        """The answer, from the totals of `needs()` in their order."""
