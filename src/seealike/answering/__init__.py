"""Answers a study: pass by pass, each answer written as soon as it is known."""

from collections.abc import Generator, MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any

import xarray as xr
from tqdm.auto import tqdm

from seealike.answering.provenance import notes, provenance, renamed
from seealike.kernel import Batch, Reading, Statistic, fold, reading
from seealike.plan import ROUNDS, Plan, Planned, Question, make_plan
from seealike.plan.passes import Machine
from seealike.plan.questions import tensors
from seealike.results import Results, as_written, write
from seealike.study import Study

Known = MutableMapping[str, Any]  # the answers, or the files that hold them


def run(
    study: Study,
    out: str | Path,
    device: str = "cpu",
    dtype: str = "float32",
    workers: int = 0,
    untrained_if_unfetchable: bool = False,
    memory: int | str | None = None,
    command: str = "seealike.run(...)",
) -> Results:
    """Answer what is not yet answered in the folder `out`, and return all that it holds.

    `command` is kept with the answers: what was typed or called to get them. `memory`: what the sums of a sweep over
    the images may fill, in bytes or such as "4GB", half of what is free if not given; what needs more is cut into
    several sweeps.
    """
    machine = Machine(device, dtype, workers, memory)
    out = Path(out)
    plan = make_plan(study, out, machine, untrained_if_unfetchable)
    out.mkdir(parents=True, exist_ok=True)
    known: Known = {}
    for planned in plan.passes:
        for question in planned.questions:
            if question.found is not None and question.ask:
                _reuse(question, plan, planned, out)
        for question, answer, left_out in answers(plan, planned, known, command):
            path = write(out if question.ask else out / ROUNDS, question.name, question.digest, answer, left_out)
            if not question.ask:
                known[question.digest] = path  # read again when it is needed: together they may be large
    return Results(out)


def answers(
    plan: Plan, planned: Planned, known: Known, command: str = "seealike.answer(...)"
) -> Generator[tuple[Question, xr.Dataset, xr.Dataset | None], None, None]:
    """One pass over the images, in as many sweeps as memory asks for; the answer to each open question of a sweep.

    With each come its readings with groups left out. `known` are the answers that later questions need, by their
    digests, or the files that hold them; those of this pass are added.
    """
    known.update({q.digest: q.found for q in planned.questions if q.found is not None and not q.ask})
    sweeps = plan.sweeps(planned)
    for number, questions in enumerate(sweeps, 1):
        told = f", sweep {number} of {len(sweeps)}" if len(sweeps) > 1 else ""
        yield from _sweep(plan, planned, questions, known, command, told)


def _sweep(plan: Plan, planned: Planned, questions: tuple[Question, ...], known: Known, command: str, told: str):
    """Its sums are gone when it ends."""
    earlier = {q.digest: tuple(_known(known[e.digest]) for e in q.earlier) for q in questions}
    needs = {q.digest: q.measure.needs(*earlier[q.digest]) for q in questions}
    statistics = tuple(dict.fromkeys(s for several in needs.values() for s in several))
    with closing(_with_progress(planned, statistics, told)) as batches:
        totals = fold(statistics, batches)
    for question in questions:
        before = earlier[question.digest]
        found = reading(question.measure.knowing(*before), needs[question.digest], totals)
        answer = _told(plan, planned, question, found, command)
        if before:
            answer.attrs["earlier_images"] = list({str(i): i for i in (e.attrs["images"] for e in before)}.values())
        if not question.ask:
            known[question.digest] = answer
        yield question, answer, found.leave_outs


def _known(answer: xr.Dataset | Path) -> xr.Dataset:
    return Results.load(answer) if isinstance(answer, Path) else answer


def _told(plan: Plan, planned: Planned, question: Question, found: Reading, command: str) -> xr.Dataset:
    """The answer with all that must be known of it."""
    answer = found.answer
    attributes = {**provenance(plan, planned.run, question), "command": command}
    return answer.assign_attrs({**attributes, "notes": notes(plan, planned.run, question, answer)})


def _with_progress(planned: Planned, statistics: tuple[Statistic, ...], told: str) -> Generator[Batch, None, None]:
    """The batches, with a bar that says what is going on and at what rate."""
    models = ", ".join(g.name for g in planned.used)
    count = tensors(statistics)
    what = f"{models}: {f'{count} tensors' if count else 'gradients'}{told}"
    bar = tqdm(total=planned.run.count, unit=" images", desc=what, leave=False)
    with bar:
        for shown in planned.run:
            yield shown
            bar.update(len(shown.ids))


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
