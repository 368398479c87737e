"""Bound questions, and the pass over images that answers several of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from seealike.images.sources import Stream
from seealike.kernel import Measure, Statistic, Sum, Tap, Trial
from seealike.models.graph import Graph
from seealike.plan.passes import Pass


@dataclass(frozen=True, eq=False)
class Question:
    """An ask, bound: the digest that names its answer, the file that holds it already, what must be known before.

    One that only another needs (`ask` is false) is kept aside, out of the answers of the study.
    """

    name: str
    measure: Measure
    digest: str
    models: tuple[str, ...]
    found: Path | None
    earlier: tuple["Question", ...] = ()
    ask: bool = True


@dataclass(frozen=True, eq=False)
class Planned:
    """A pass and the questions it answers; those with an answer on disk are listed, and cost nothing."""

    run: Pass
    questions: tuple[Question, ...]

    @property
    def open(self) -> tuple[Question, ...]:
        return tuple(q for q in self.questions if q.found is None)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What will be summed, as far as it is known before what is earlier has been answered."""
        return statistics_of(self.open)

    @property
    def taps(self) -> tuple[Tap, ...]:
        return taps_of(self.statistics)

    @property
    def used(self) -> list[Graph]:
        driven = [s.source for s in self.statistics if isinstance(s, Trial)]
        names = dict.fromkeys([*(t.source for t in self.taps), *driven])
        return [self.run.graphs[name] for name in names if name in self.run.graphs]

    @property
    def once(self) -> bool:
        """Whether its images can be read only once."""
        return isinstance(self.run.images.images, Stream)


def statistics_of(questions: Iterable[Question]) -> tuple[Statistic, ...]:
    return tuple(dict.fromkeys(s for q in questions for s in q.measure.needs()))


def tensors(statistics: Iterable[Statistic]) -> int:
    """How many tensors are seen, each in one way or several."""
    return len({(t.source, t.tensor) for t in taps_of(statistics)})


def taps_of(statistics: Iterable[Statistic]) -> tuple[Tap, ...]:
    return tuple(dict.fromkeys(t for s in statistics if isinstance(s, Sum) for t in s.taps))
