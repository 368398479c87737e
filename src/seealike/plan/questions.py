"""Bound questions, and the pass over images that answers several of them."""

from dataclasses import dataclass
from pathlib import Path

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
        return tuple(dict.fromkeys(s for q in self.open for s in q.measure.needs()))

    @property
    def taps(self) -> tuple[Tap, ...]:
        return tuple(dict.fromkeys(t for s in self.statistics if isinstance(s, Sum) for t in s.taps))

    @property
    def used(self) -> list[Graph]:
        driven = [s.source for s in self.statistics if isinstance(s, Trial)]
        names = dict.fromkeys([*(t.source for t in self.taps), *driven])
        return [self.run.graphs[name] for name in names if name in self.run.graphs]
