"""One sweep over the images of a pass: the sums that several questions need, and their answers."""

from collections.abc import Generator, MutableMapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr
from tqdm.auto import tqdm

from seealike.answering.keeping import Keeper, Place
from seealike.answering.packing import Names, Summed
from seealike.answering.provenance import notes, provenance
from seealike.answering.ranks import ALONE, Ranks
from seealike.kernel import Batch, Reading, Statistic, Trial, fold, reading
from seealike.plan import Plan, Planned, Question
from seealike.plan.digest import digest, models_of
from seealike.plan.memory import told_of_memory
from seealike.plan.questions import taps_of, tensors
from seealike.results import Results

Known = MutableMapping[str, Any]  # the answers that others need, or the files that hold them, by digest


@dataclass(eq=False)
class Asked:
    """Questions that one sweep answers; `told` is which of several it is, in words."""

    plan: Plan
    planned: Planned
    questions: tuple[Question, ...]
    known: Known
    command: str
    told: str = ""

    @cached_property
    def earlier(self) -> dict[str, tuple[xr.Dataset, ...]]:
        """What must be known before, by the digest of the question."""
        return {q.digest: tuple(_loaded(self.known[e.digest]) for e in q.earlier) for q in self.questions}

    @cached_property
    def needs(self) -> dict[str, tuple[Statistic, ...]]:
        return {q.digest: q.measure.needs(*self.earlier[q.digest]) for q in self.questions}

    @cached_property
    def statistics(self) -> tuple[Statistic, ...]:
        return tuple(dict.fromkeys(s for several in self.needs.values() for s in several))

    @cached_property
    def names(self) -> Names:
        """What each sum is called: equal where it is of the same model under the same name."""
        of = self.planned.run.fingerprints
        return {s: digest(s, {}, models={n: of[n] for n in models_of(s, of)}) for s in self.statistics}

    @property
    def whole(self) -> bool:
        """One batch, which no forward shares: processes that share a run take turns at such."""
        images, batch = self.planned.run.images.count, self.planned.run.batch
        return bool(images and batch and images <= batch) and all(isinstance(s, Trial) for s in self.statistics)

    def summed(self, ranks: Ranks = ALONE, place: Place | None = None, every: float = 0.0) -> Summed:
        """The sums of all images; `place` is where they are kept on the way, and found again.

        Of several processes only the first has all of them.
        """
        run, device = self.planned.run, self.planned.run.machine.device
        summed, done = place.read(device) if place else (Summed(), frozenset())
        run.seen = summed.seen
        keeper = Keeper(place, summed, every) if place else None
        shown = run.shown(lambda number: number not in done and ranks.mine(number))
        with (
            self._memory(),
            keeper.listening() if keeper else nullcontext(),
            closing(self._with_progress(shown, ranks)) as batches,
        ):
            fold(self.statistics, batches, summed.totals, keeper or _nothing)
        if ranks.world > 1:
            summed = ranks.gathered(summed, self.names, device)
        if ranks.first:
            summed.seen.refuse_too_many(run.images.count, ended=True)
        return summed

    def answers(self, summed: Summed) -> Generator[tuple[Question, xr.Dataset, xr.Dataset | None], None, None]:
        """Each question with its answer, and with its readings with groups left out."""
        for question in self.questions:
            before = self.earlier[question.digest]
            found = reading(question.measure.knowing(*before), self.needs[question.digest], summed.totals)
            answer = self._told(question, found)
            if before:
                images = {str(i): i for i in (e.attrs["images"] for e in before)}
                answer.attrs["earlier_images"] = list(images.values())
            if not question.ask:
                self.known[question.digest] = answer
            yield question, answer, found.leave_outs

    def _told(self, question: Question, found: Reading) -> xr.Dataset:
        """The answer with all that must be known of it."""
        answer, run = found.answer, self.planned.run
        attributes = {**provenance(self.plan, run, question), "command": self.command}
        return answer.assign_attrs({**attributes, "notes": notes(self.plan, run, question, answer)})

    def _memory(self):
        """What is said where a batch does not fit."""
        run, taps = self.planned.run, taps_of(self.statistics)
        batch = min(run.batch or 1, run.images.count or run.batch or 1)
        stays = "What was answered stays; in other batches it is another question, asked anew."
        return told_of_memory(run.images.name, self.planned.used, taps, batch, run.machine.device, stays)

    def _with_progress(self, shown: Generator[Batch, None, None], ranks: Ranks) -> Generator[Batch, None, None]:
        """The batches, with a bar that says what is going on and at what rate."""
        models = ", ".join(g.name for g in self.planned.used)
        count, run = tensors(self.statistics), self.planned.run
        what = f"{models}: {f'{count} tensors' if count else 'gradients'}{self.told}"
        what += f" ({ranks.world} processes)" if ranks.world > 1 else ""
        options = {"total": run.images.count, "initial": run.seen.images, "disable": not ranks.first}
        with closing(shown), tqdm(unit=" images", desc=what, leave=False, **options) as bar:
            for batch in shown:
                yield batch
                bar.update(len(batch.ids) * ranks.world)


def _loaded(answer: xr.Dataset | Path) -> xr.Dataset:
    return Results.load(answer) if isinstance(answer, Path) else answer


def _nothing(totals: object) -> None:
    """What is kept of images that can be read only once."""
