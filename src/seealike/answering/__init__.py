"""Answers a study: pass by pass, each answer written as soon as it is known."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import xarray as xr
from tqdm.auto import tqdm

from seealike.answering.provenance import notes, provenance, renamed
from seealike.kernel import Batch, Reading, fold, reading
from seealike.plan import ROUNDS, Plan, Planned, Question, make_plan
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
    known: dict[str, xr.Dataset] = {}
    for planned in plan.passes:
        for question in planned.questions:
            if question.found is not None and question.ask:
                _reuse(question, plan, planned, out)
        for question, answer, left_out in answers(plan, planned, known, command):
            write(out if question.ask else out / ROUNDS, question.name, question.digest, answer, left_out)
    return Results(out)


def answers(
    plan: Plan, planned: Planned, known: dict[str, xr.Dataset], command: str = "seealike.answer(...)"
) -> Generator[tuple[Question, xr.Dataset, xr.Dataset | None], None, None]:
    """One pass over the images; then the answer to each open question, and its readings with groups left out.

    `known` are the answers that later questions need, by their digests; those of this pass are added.
    """
    for question in planned.questions:
        if question.found is not None and not question.ask:
            known[question.digest] = Results.load(question.found)
    if not planned.open:
        return
    needs = {q.digest: q.measure.needs(*(known[e.digest] for e in q.earlier)) for q in planned.open}
    with closing(_with_progress(planned)) as batches:
        totals = fold(tuple(dict.fromkeys(s for several in needs.values() for s in several)), batches)
    for question in planned.open:
        found = reading(question.measure, needs[question.digest], totals)
        answer = _told(plan, planned, question, found, command)
        if not question.ask:
            known[question.digest] = answer
        yield question, answer, found.leave_outs


def _told(plan: Plan, planned: Planned, question: Question, found: Reading, command: str) -> xr.Dataset:
    """The answer with all that must be known of it."""
    answer = found.answer
    attributes = {**provenance(plan, planned.run, question), "command": command}
    return answer.assign_attrs({**attributes, "notes": notes(plan, planned.run, question, answer)})


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
