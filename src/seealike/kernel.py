"""Questions are values, and equal values are computed once.

A `Tap` is one tensor of one source and what to keep of it; a `Statistic` is a sum over images, which knows how
two of its sums become one; a `Measure` is a question: it says which statistics it needs and reads its answer from
their totals. `fold` is the one loop. Every total is kept in groups of batches, so that the kernel can read the
answer with each group left out: that gives every reading its standard error.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from torch import Tensor

from seealike.errors import RunError
from seealike.maths.jackknife import jackknife
from seealike.models.run import Operation

State = dict[str, Tensor]

GROUPS = 16
FEWEST_GROUPS = 4
# Marks a field of a measure that `bind` finds, and that is no key of a study.
FOUND = "found by bind"
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


class Statistic(ABC):  # noqa: B024 (its one method has a default)
    """A sum over images. Merging is associative and commutative, so any cut of the images gives the same."""

    def merge(self, a: State, b: State) -> State:
        return {key: a[key] + b[key] for key in a}


class Sum(Statistic):
    """A statistic fed by the forward that all questions share."""

    taps: tuple[Tap, ...]

    @abstractmethod
    def lift(self, *seen: Tensor) -> State | None:
        """What one batch adds, from what its taps saw; None where it is too small to say anything."""


@runtime_checkable
class Sources(Protocol):
    """What a question is bound to: the models (and images) of a study, by name."""

    def select(self, pattern: str, refuses: Callable | None = None) -> tuple["Selected", ...]: ...

    def attentions(self, model: str, patterns: tuple[str, ...] = ()) -> tuple["Attended", ...]: ...


@dataclass(frozen=True)
class Selected:
    """One tensor that a pattern selected, and how deep it lies in its model (0 to 1)."""

    source: str
    tensor: str
    depth: float

    def __str__(self) -> str:
        return f"{self.source}:{self.tensor}"


@dataclass(frozen=True)
class Attended:
    """One attention that a pattern selected, and the tensor at whose moment its weights are seen."""

    source: str
    attention: str
    tensor: str
    depth: float

    def __str__(self) -> str:
        return f"{self.source}:{self.attention}"


class Measure(ABC):
    """A question: a frozen value. A new measure is one small file."""

    name: ClassVar[str]
    version: ClassVar[int]  # raised when the formula changes: old answers are then no answers
    citation: ClassVar[str]

    @abstractmethod
    def bind(self, sources: Sources) -> "Measure":
        """The same question of definite tensors; refuses in the user's words."""

    @abstractmethod
    def needs(self, previous: xr.Dataset | None = None) -> tuple[Sum, ...]:
        """The statistics to sum; `previous` is the stored answer of the round before."""

    @abstractmethod
    def read(self, *totals: State) -> xr.Dataset:
        """The answer, from the totals of `needs()` in their order."""


@runtime_checkable
class Batch(Protocol):
    """A batch of images that can show what taps see of it, in any order."""

    @property
    def index(self) -> int: ...

    @property
    def ids(self) -> tuple[str, ...]: ...

    def show(self, taps: Iterable[Tap], receive: Callable[[Tap, Tensor], None]) -> None: ...


@dataclass
class Totals:
    """Sums by group of batches, and the number of images in each: batch k is in group k mod G."""

    groups: list[dict[Statistic, State]] = field(default_factory=lambda: [{} for _ in range(GROUPS)])
    images: list[dict[Statistic, int]] = field(default_factory=lambda: [{} for _ in range(GROUPS)])

    def add(self, index: int, count: int, parts: Mapping[Statistic, State]) -> None:
        group, images = self.groups[index % GROUPS], self.images[index % GROUPS]
        for statistic, part in parts.items():
            group[statistic] = statistic.merge(group[statistic], part) if statistic in group else part
            images[statistic] = images.get(statistic, 0) + count


def fold(statistics: Sequence[Sum], batches: Iterable[Batch]) -> Totals:
    """Sum every statistic over all batches: one forward a model and batch, whatever is asked."""
    totals = Totals()
    for batch in batches:
        totals.add(batch.index, len(batch.ids), lift(statistics, batch))
    return totals


def lift(statistics: Sequence[Sum], batch: Batch) -> dict[Statistic, State]:
    """What one batch adds to each statistic, lifted as soon as its last tap was seen."""
    watching: dict[Tap, list[Sum]] = {}
    for statistic in dict.fromkeys(statistics):
        for tap in dict.fromkeys(statistic.taps):
            watching.setdefault(tap, []).append(statistic)
    missing = {s: len(set(s.taps)) for s in dict.fromkeys(statistics)}
    waiting = {tap: len(watchers) for tap, watchers in watching.items()}
    seen: dict[Tap, Tensor] = {}
    parts: dict[Statistic, State] = {}

    def receive(tap: Tap, value: Tensor) -> None:
        seen[tap] = value
        for statistic in watching[tap]:
            missing[statistic] -= 1
            if not missing[statistic]:
                part = statistic.lift(*(seen[t] for t in statistic.taps))
                if part is not None:
                    parts[statistic] = part
                for t in set(statistic.taps):
                    waiting[t] -= 1
                    if not waiting[t]:
                        del seen[t]

    try:
        batch.show(watching, receive)
    except RunError as error:
        raise RunError(f"{error} Met in batch {batch.index}: images {batch.ids[0]} ... {batch.ids[-1]}.") from error
    return parts


def read(measure: Measure, needs: Sequence[Statistic], totals: Totals) -> xr.Dataset:
    """The answer, with the standard error `x_se` of each variable `x`, read from the leave-outs."""
    used = [g for g, group in enumerate(totals.groups) if all(s in group for s in needs)]
    if not used:
        raise RunError(f"{measure.name}: no batch held enough images that could be read.")
    sums = [[totals.groups[g][s] for s in needs] for g in used]
    answer = measure.read(*merged(needs, sums))
    sizes = [totals.images[g][needs[0]] for g in used]
    if len(used) < FEWEST_GROUPS:
        errors = {name: np.full(v.shape, np.nan) for name, v in answer.data_vars.items()}
        note = f"no standard errors: {len(used)} batches, at least {FEWEST_GROUPS} are needed"
        answer.attrs["notes"] = [*answer.attrs.get("notes", []), note]
    else:
        left_out = [measure.read(*s) for s in _leave_one_out(needs, sums)]
        errors = {
            name: jackknife(v.values, [one[name].values for one in left_out], sizes)
            for name, v in answer.data_vars.items()
        }
    for name, error in errors.items():
        answer[f"{name}_se"] = answer[name].dims, error, {"long_name": f"standard error of {name}"}
    return answer.assign_attrs(images_seen=sum(sizes))


def merged(needs: Sequence[Statistic], sums: Sequence[list[State]]) -> list[State]:
    """The total of each statistic, from its sums in several groups."""
    total = sums[0]
    for other in sums[1:]:
        total = [s.merge(a, b) for s, a, b in zip(needs, total, other, strict=True)]
    return total


def _leave_one_out(needs: Sequence[Statistic], sums: list[list[State]]) -> Iterable[list[State]]:
    """Totals without each group in turn, from sums before it and sums after it."""
    before, after = [sums[0]], [sums[-1]]
    for one, other in zip(sums[1:-1], sums[-2:0:-1], strict=True):
        before.append(merged(needs, [before[-1], one]))
        after.append(merged(needs, [after[-1], other]))
    yield after[-1]
    for i in range(1, len(sums) - 1):
        yield merged(needs, [before[i - 1], after[len(sums) - 2 - i]])
    yield before[-1]
