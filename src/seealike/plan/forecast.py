"""What a plan will cost, in words: passes, tensors, memory, and seconds from one small batch."""

import time
from collections.abc import Iterator
from dataclasses import replace

from seealike.kernel import lift
from seealike.plan import Plan, Planned
from seealike.plan.memory import available, expected, gigabytes

TRIED = 8  # images in the small batch


def forecast(plan: Plan) -> Iterator[str]:
    """A paragraph a pass."""
    for i, planned in enumerate(plan.passes, 1):
        run = planned.run
        count, batch = run.count or "a stream of", run.batch or "as many as come"
        yield f"pass {i} of {len(plan.passes)}: {count} images of {run.images.name} in batches of {batch}"
        for question in planned.questions:
            state = "answered, on disk" if question.found else "to answer"
            yield f"  ask.{question.name}: {question.measure.name}, {question.digest}, {state}"
        if planned.open and run.count:
            yield from _cost(plan, planned)


def _cost(plan: Plan, planned: Planned) -> Iterator[str]:
    run = planned.run
    assert run.count is not None and run.batch is not None
    models = ", ".join(f"{g.name} ({plan.built[g.name].weights})" for g in planned.used)
    yield f"  {len(planned.used)} models: {models}"
    yield f"  {len(planned.taps)} tensors, {len(planned.statistics)} statistics"
    memory = expected(planned.used, planned.taps, min(run.batch, run.count))
    yield f"  memory: about {gigabytes(memory)} of {gigabytes(available(plan.machine.device))} free"
    yield f"  time: about {_words(_seconds(planned))}, from {min(TRIED, run.count)} images"


def _seconds(planned: Planned) -> float:
    """One small batch twice, the second timed; the rest in proportion."""
    run = planned.run
    assert run.count is not None
    images = run.images.beginning(min(TRIED, run.count))
    for shown in replace(run, images=images, batch=TRIED, failed=[]):
        lift(planned.statistics, shown)
    start = time.perf_counter()
    for shown in replace(run, images=images, batch=TRIED, failed=[]):
        lift(planned.statistics, shown)
    return (time.perf_counter() - start) / min(TRIED, run.count) * run.count


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
