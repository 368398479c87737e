"""The one loop: every statistic summed over all batches, one forward a model and batch, whatever is asked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from seealike.errors import RunError
from seealike.kernel.values import Given, State, Statistic, Sum, Tap, Trial

GROUPS = 16
FEWEST_GROUPS = 4


@runtime_checkable
class Batch(Protocol):
    """A batch of images that can show what taps see of it, in any order."""

    @property
    def index(self) -> int: ...

    @property
    def ids(self) -> tuple[str, ...]: ...

    def show(self, taps: Iterable[Tap], receive: Callable[[Tap, Tensor], None]) -> None: ...

    def given(self, source: str) -> Given: ...


class Totals:
    """Sums by group of batches, and the number of images in each: batch k is in group k mod G."""

    def __init__(self) -> None:
        self.images: list[dict[Statistic, int]] = [{} for _ in range(GROUPS)]
        self._groups: list[dict[Statistic, State]] = [{} for _ in range(GROUPS)]
        self._waiting: dict[tuple[int, Statistic], tuple[int, list[State]]] = {}  # so many rows, not yet joined

    @property
    def groups(self) -> list[dict[Statistic, State]]:
        """The sums of each group, everything in them that was added."""
        for g, statistic in [*self._waiting]:
            self._join_waiting(g, statistic)
        return self._groups

    def add(self, index: int, count: int, parts: Mapping[Statistic, State]) -> None:
        """What batch `index`, of `count` images, adds."""
        for statistic, part in parts.items():
            self._add(index % GROUPS if statistic.grouped else 0, statistic, part, count)

    def join(self, others: "Totals") -> None:
        """What was summed of other batches, perhaps elsewhere."""
        for g, (group, images) in enumerate(zip(others.groups, others.images, strict=True)):
            for statistic, part in group.items():
                self._add(g, statistic, part, images[statistic])

    def _add(self, g: int, statistic: Statistic, part: State, count: int) -> None:
        group, images = self._groups[g], self.images[g]
        if statistic not in group:
            group[statistic] = part
        elif statistic.joins:
            self._wait(g, statistic, part)
        else:
            group[statistic] = statistic.add(group[statistic], part)
        images[statistic] = images.get(statistic, 0) + count

    def _wait(self, g: int, statistic: Statistic, part: State) -> None:
        """Joining copies all rows: done when their number has doubled, each is copied a few times only."""
        rows, waiting = self._waiting.get((g, statistic), (0, []))
        rows += len(part["index"])
        waiting.append(part)
        self._waiting[g, statistic] = rows, waiting
        if rows >= len(self._groups[g][statistic]["index"]):
            self._join_waiting(g, statistic)

    def _join_waiting(self, g: int, statistic: Statistic) -> None:
        group = self._groups[g]
        _, waiting = self._waiting.pop((g, statistic))
        group[statistic] = statistic.total([group.pop(statistic), *waiting])


def fold(
    statistics: Sequence[Statistic],
    batches: Iterable[Batch],
    totals: Totals | None = None,
    after: Callable[[Totals], object] = lambda totals: None,
) -> Totals:
    """Sum every statistic over all batches: one forward a model and batch, whatever is asked.

    `totals` are those of batches that were summed before; `after` is told the totals after each batch.
    """
    totals = Totals() if totals is None else totals
    for batch in batches:
        totals.add(batch.index, len(batch.ids), lift(statistics, batch))
        after(totals)
    return totals


def lift(statistics: Sequence[Statistic], batch: Batch) -> dict[Statistic, State]:
    """What one batch adds to each statistic; a sum is lifted as soon as its last tap was seen."""
    parts: dict[Statistic, State] = {}
    try:
        _show([s for s in dict.fromkeys(statistics) if isinstance(s, Sum)], batch, parts)
        for trial in dict.fromkeys(s for s in statistics if isinstance(s, Trial)):
            part = trial.run(batch.given(trial.source))
            if part is not None:
                parts[trial] = part
    except RunError as error:
        raise RunError(f"{error} Met in batch {batch.index}: images {batch.ids[0]} ... {batch.ids[-1]}.") from error
    return parts


def _show(sums: Sequence[Sum], batch: Batch, parts: dict[Statistic, State]) -> None:
    watching: dict[Tap, list[Sum]] = {}
    for statistic in sums:
        for tap in dict.fromkeys(statistic.taps):
            watching.setdefault(tap, []).append(statistic)
    missing = {s: len(set(s.taps)) for s in sums}
    waiting = {tap: len(watchers) for tap, watchers in watching.items()}
    seen: dict[Tap, Tensor] = {}

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

    if watching:
        batch.show(watching, receive)


def merged(needs: Sequence[Statistic], sums: Sequence[list[State]]) -> list[State]:
    """The total of each statistic, from its sums in several groups."""
    return [s.total(states) for s, states in zip(needs, zip(*sums, strict=True), strict=True)]
