"""What a plan will cost, in words: passes, tensors, memory, and seconds from one small batch."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from seealike.kernel import Statistic, Sum, Trial, lift
from seealike.plan import Plan, Planned
from seealike.plan.memory import available, expected, gigabytes, words
from seealike.plan.questions import statistics_of, tensors
from seealike.plan.sweeps import size

TRIED = 8  # images in the small batch


def forecast(plan: Plan) -> Iterator[str]:
    """A paragraph a pass."""
    for i, planned in enumerate(plan.passes, 1):
        run = planned.run
        count, batch = run.count or "a stream of", run.batch or "as many as come"
        yield f"pass {i} of {len(plan.passes)}: {count} images of {run.images.name} in batches of {batch}"
        for question in planned.questions:
            if question.ask:
                state = "answered, on disk" if question.found else "to answer"
                yield f"  ask.{question.name}: {question.measure.name}, {question.digest}, {state}"
        yield from _before(planned)
        if planned.open and run.count:
            yield from _cost(plan, planned)


def _before(planned: Planned) -> Iterator[str]:
    """What is only needed to answer other questions, counted."""
    needed: dict[str, list[bool]] = {}
    for question in planned.questions:
        if not question.ask:
            needed.setdefault(f"ask.{question.name}", []).append(question.found is None)
    for name, still in needed.items():
        yield f"  {name}: {len(still)} questions to be known before, {sum(still)} to answer"


def _cost(plan: Plan, planned: Planned) -> Iterator[str]:
    run = planned.run
    assert run.count is not None and run.batch is not None
    models = ", ".join(f"{g.name} ({plan.built[g.name].weights})" for g in planned.used)
    yield f"  {len(planned.used)} models: {models}"
    yield f"  {tensors(planned.statistics)} tensors, {len(planned.statistics)} statistics"
    memory = expected(planned.used, planned.taps, min(run.batch, run.count))
    yield f"  memory: about {gigabytes(memory)} of {gigabytes(available(plan.machine.device))} free"
    sweeps = [statistics_of(questions) for questions in plan.sweeps(planned)]
    largest, times = max(map(size, sweeps)), "sweep" if len(sweeps) == 1 else "sweeps"
    if largest:
        yield f"  sums: about {words(largest)} of {words(plan.budget)} for them, {len(sweeps)} {times} over the images"
    seconds = sum(_seconds(planned, statistics) for statistics in sweeps)
    yield f"  time: about {_words(seconds)}, from {min(TRIED, run.count)} images"


def _seconds(planned: Planned, statistics: tuple[Statistic, ...]) -> float:
    """One small batch twice, the second timed; the rest in proportion. Of trials something brief, once."""
    run = planned.run
    assert run.count is not None
    sums = [s for s in statistics if isinstance(s, Sum)]
    brief = [s.brief() for s in statistics if isinstance(s, Trial)]
    timed = [(sums, 0.0), (sums, 1.0)] if sums else []
    seconds = sum(_once(planned, some) * factor for some, factor in [*timed, *(([t], f) for t, f in brief)])
    return seconds / min(TRIED, run.count) * run.count


def _once(planned: Planned, statistics: Sequence[Statistic]) -> float:
    """What a small batch takes."""
    run = planned.run
    images = run.images.beginning(min(TRIED, run.count or TRIED))
    start = time.perf_counter()
    for shown in replace(run, images=images, batch=TRIED):
        lift(statistics, shown)
    return time.perf_counter() - start


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
