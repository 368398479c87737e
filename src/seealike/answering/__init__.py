"""Answers a study: pass by pass, each answer written as soon as it is known."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import xarray as xr
from tqdm.auto import tqdm

from seealike.answering.provenance import notes, provenance, renamed
from seealike.kernel import Batch, fold, read
from seealike.plan import Plan, Planned, Question, make_plan
from seealike.plan.passes import Machine
from seealike.results import Results, write
from seealike.study import Study


def run(
    study: Study,
    out: str | Path,
    device: str = "cpu",
    dtype: str = "float32",
    workers: int = 0,
    untrained_if_unfetchable: bool = False,
    command: str = "seealike.run(...)",
) -> Results:
    """Answer what is not yet answered in the folder `out`, and return all that it holds.

    `command` is kept with the answers: what was typed or called to get them.
    """
    machine = Machine(device, dtype, workers)
    out = Path(out)
    plan = make_plan(study, out, machine, untrained_if_unfetchable)
    out.mkdir(parents=True, exist_ok=True)
    for planned in plan.passes:
        for question in planned.questions:
            if question.found is not None:
                _reuse(question, plan, planned, out)
        for question, answer in answers(plan, planned, command):
            write(out, question.name, question.digest, answer)
    return Results(out)


def answers(
    plan: Plan, planned: Planned, command: str = "seealike.answer(...)"
) -> Generator[tuple[Question, xr.Dataset], None, None]:
    """One pass over the images; then the answer to each open question."""
    if not planned.open:
        return
    with closing(_with_progress(planned)) as batches:
        totals = fold(planned.statistics, batches)
    for question in planned.open:
        answer = read(question.measure, question.needs, totals)
        attributes = {**provenance(plan, planned.run, question), "command": command}
        yield question, answer.assign_attrs({**attributes, "notes": notes(plan, planned.run, question, answer)})


def _with_progress(planned: Planned) -> Generator[Batch, None, None]:
    """The batches, with a bar that says what is going on and at what rate."""
    models = ", ".join(g.name for g in planned.used)
    bar = tqdm(total=planned.run.count, unit=" images", desc=f"{models}: {len(planned.taps)} tensors", leave=False)
    with bar:
        for shown in planned.run:
            yield shown
            bar.update(len(shown.ids))


def _reuse(question: Question, plan: Plan, planned: Planned, out: Path) -> None:
    """An equal question was answered before, perhaps under other names: its answer under the names of today."""
    assert question.found is not None
    answer = Results.load(question.found)
    models = list(answer.attrs.get("models", {}))
    if answer.attrs.get("ask") == question.name and models == list(question.models):
        return
    today = provenance(plan, planned.run, question)
    kept = {"models": today["models"], "ask": question.name, "title": plan.study.title, "question": today["question"]}
    write(out, question.name, question.digest, renamed(answer, question.models).assign_attrs(kept))
