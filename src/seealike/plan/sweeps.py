"""How the questions of a pass are cut into sweeps over its images, so that their sums fit into memory together."""

from collections.abc import Iterable, Sequence

from seealike.errors import StudyError
from seealike.kernel import GROUPS, Statistic, Sum, Trial
from seealike.plan.memory import words
from seealike.plan.questions import Question


def cut(questions: Iterable[Question], budget: int) -> tuple[tuple[Question, ...], ...]:
    """The questions in their order, as many to a sweep as fit; one that alone does not fit is a sweep by itself.

    So is what others wait for and no forward is shared with: a run that is stopped keeps all such that were answered.
    """
    sweeps: list[list[Question]] = []
    held: dict[Statistic, None] = {}
    alone = False
    for question in questions:
        needs = dict.fromkeys(question.measure.needs())
        before, alone = alone, not question.ask and all(isinstance(s, Trial) for s in needs)
        if not sweeps or before or alone or size({**held, **needs}) > max(budget, size(held)):
            sweeps.append([])
            held = {}
        sweeps[-1].append(question)
        held |= needs
    return tuple(map(tuple, sweeps))


def size(statistics: Iterable[Statistic]) -> int:
    """Bytes of the sums of a sweep: their totals, in groups where there are groups, and what one batch adds to them."""
    return sum(s.bytes * (_copies(s) + 1) for s in set(statistics))


def _copies(statistic: Statistic) -> int:
    """How many totals are held: one a group, but rows that are joined are in one group each, and in what is read."""
    return 2 if statistic.joins else GROUPS if statistic.grouped else 1


def refuse_what_never_fits(questions: Iterable[Question], budget: int) -> None:
    """A question whose sums alone are too large is refused before the first pass."""
    for question in questions:
        needs = question.measure.needs()
        if size(needs) > budget:
            raise StudyError(
                f"{question.name}: the sums of {_largest(needs)} need {words(size(needs))}, and {words(budget)} may be "
                f"used; memory = {words(size(needs))} would do, or a view of fewer numbers, or fewer classes."
            )


def _largest(needs: Sequence[Statistic]) -> str:
    """The tensor whose sums are the largest."""
    largest = max(needs, key=lambda s: s.bytes)
    return str(largest.taps[0]) if isinstance(largest, Sum) else type(largest).__name__
