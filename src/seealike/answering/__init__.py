"""Answers a study: pass by pass, each answer written as soon as it is known."""

from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path

import xarray as xr

from seealike.answering.keeping import EVERY, FOLDER, Place, Sweep
from seealike.answering.provenance import provenance, renamed
from seealike.answering.ranks import ALONE, Ranks
from seealike.answering.sole import sole
from seealike.answering.sweeping import Asked, Known
from seealike.attributes import as_written
from seealike.errors import StudyError
from seealike.plan import ROUNDS, Plan, Planned, Question, make_plan
from seealike.plan.machine import Machine
from seealike.plan.sweeps import cut
from seealike.results import Results, make_folder, path_of, write
from seealike.study import Study


def run(
    study: Study,
    out: str | Path,
    device: str = "cpu",
    dtype: str = "float32",
    workers: int = 0,
    untrained_if_unfetchable: bool = False,
    memory: int | str | None = None,
    command: str = "seealike.run(...)",
    ranks: Ranks = ALONE,
    every: float = EVERY,
) -> Results:
    """Answer what is not yet answered in the folder `out`, and return all that it holds.

    `command` is kept with the answers: what was typed or called to get them. `memory`: what the sums of a sweep over
    the images may fill, in bytes or such as "4GB", half of what is free if not given; what needs more is cut into
    several sweeps. `every` so many seconds the sums are kept, so that a run that is stopped goes on where it was.
    `ranks`: the processes that share the run, from `answering.ranks.processes()`; they share the folder too.
    """
    machine = Machine(ranks.device(device), dtype, workers, memory)
    out = Path(out)
    plan = make_plan(study, out, machine, untrained_if_unfetchable)
    if ranks.world > 1:
        _refuse_once(plan, ranks.world)
    make_folder(out)
    with sole(out) if ranks.first else nullcontext():
        ranks.wait()  # nobody writes before all know what is there
        known: Known = {}
        for planned in plan.passes:
            if ranks.first:
                for question in planned.questions:
                    if question.found is not None and question.ask:
                        _reuse(question, plan, planned, out)
            _remember(planned, known)
            sweeps = _agreed(plan, planned, out, ranks)
            for number, sweep in enumerate(sweeps):
                told = _number(number, len(sweeps))
                asked = Asked(plan, planned, sweep.questions, known, command, told)
                whose = ranks.whose(number) if asked.whole else ranks
                if whose is not None:
                    _sweep(asked, sweep, out, whose, every)
                for question in sweep.questions:
                    if not question.ask:  # read again when it is needed: together they may be large
                        known[question.digest] = path_of(_store(out, question), question.name, question.digest)
            ranks.wait()
    return Results(out)


def answers(
    plan: Plan, planned: Planned, known: Known, command: str = "seealike.answer(...)"
) -> Generator[tuple[Question, xr.Dataset, xr.Dataset | None], None, None]:
    """One pass over the images, in as many sweeps as memory asks for; the answer to each open question of a sweep.

    With each come its readings with groups left out. `known` are the answers that later questions need, by their
    digests, or the files that hold them; those of this pass are added.
    """
    _remember(planned, known)
    sweeps = plan.sweeps(planned)
    for number, questions in enumerate(sweeps):
        asked = Asked(plan, planned, questions, known, command, _number(number, len(sweeps)))
        yield from asked.answers(asked.summed())


def _sweep(asked: Asked, sweep: Sweep, out: Path, ranks: Ranks, every: float) -> None:
    """Its answers, written as soon as each is known; its sums are gone when it ends."""
    place = None if asked.planned.once else Place(out / FOLDER, sweep, ranks, asked.names)
    summed = asked.summed(ranks, place, every)
    if ranks.first:
        for question, answer, left_out in asked.answers(summed):
            write(_store(out, question), question.name, question.digest, answer, left_out)
        if place is not None:
            place.remove()
    ranks.wait()


def _refuse_once(plan: Plan, world: int) -> None:
    for planned in plan.passes:
        if planned.once:
            raise StudyError(
                f"{planned.run.images.name}: these images can be read only once, and {world} processes cannot share "
                "them. Give the dataset in place of its batches, or run one process."
            )


def _agreed(plan: Plan, planned: Planned, out: Path, ranks: Ranks) -> list[Sweep]:
    """The sweeps of a pass, what was begun before the rest; the first process has the say: memory differs."""
    started = Sweep.begun(out, planned.open) if ranks.first else None
    rest = [q for q in planned.open if started is None or q not in started.questions]
    sweeps = [*([started] if started else []), *map(Sweep.of, cut(rest, plan.budget))]
    said = ranks.agreed([[sweep.name, list(map(planned.open.index, sweep.questions))] for sweep in sweeps])
    return [Sweep(name, tuple(planned.open[i] for i in places)) for name, places in said]


def _remember(planned: Planned, known: Known) -> None:
    known.update({q.digest: q.found for q in planned.questions if q.found is not None and not q.ask})


def _store(out: Path, question: Question) -> Path:
    return out if question.ask else out / ROUNDS


def _number(number: int, count: int) -> str:
    return f", sweep {number + 1} of {count}" if count > 1 else ""


def _reuse(question: Question, plan: Plan, planned: Planned, out: Path) -> None:
    """An equal question was answered before, perhaps under other names: its answer under the names of today."""
    assert question.found is not None
    answer = Results.load(question.found)
    today = provenance(plan, planned.run, question)
    kept = as_written({key: today[key] for key in ("models", "ask", "title", "claims", "question") if key in today})
    if answer.attrs | kept == answer.attrs:
        return
    answer = renamed(answer, question.models).assign_attrs(kept)
    write(out, question.name, question.digest, answer, Results.left_out_of(question.found))
