"""From a study to its passes: models built, questions bound, what is on disk already left out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm.auto import tqdm

from seealike.errors import StudyError
from seealike.kernel import GROUPS, Earlier, Measure
from seealike.models.graph import Graph
from seealike.models.sources import Built
from seealike.plan import preparing
from seealike.plan.digest import digest, models_of
from seealike.plan.machine import Machine
from seealike.plan.memory import budget, refuse_what_cannot_fit
from seealike.plan.passes import ImageSet, Pass, fingerprints
from seealike.plan.questions import Planned, Question
from seealike.plan.sweeps import cut, refuse_what_never_fits
from seealike.results import Results
from seealike.selection import Models
from seealike.study import Ask, Study

ROUNDS = "rounds"  # the folder, beside the answers, of those that only other questions need


@dataclass(frozen=True, eq=False)
class Plan:
    """All that a study will do, known before the first pass; `budget`: how many bytes the sums of a sweep may fill."""

    study: Study
    machine: Machine
    built: Mapping[str, Built]
    passes: tuple[Planned, ...]
    budget: int

    def sweeps(self, planned: Planned) -> tuple[tuple[Question, ...], ...]:
        """What of a pass is answered together: one sweep over its images each."""
        return cut(planned.open, self.budget)


def make_plan(
    study: Study, out: Path | None = None, machine: Machine | None = None, untrained_if_unfetchable: bool = False
) -> Plan:
    """Build the models, open the images, bind the questions. What is wrong is refused here: nothing has run."""
    machine = machine or Machine()
    sets = {name: preparing.image_set(name, study) for name in _named(study)}
    with tqdm(study.models, desc="building models", leave=False, delay=2) as names:
        built = {name: preparing.built(name, study, machine, untrained_if_unfetchable) for name in names}
    planner = _Planner(study, machine, built, sets, out)
    for name, ask in study.ask.items():
        planner.plan(name, ask)
    plan = Plan(study, machine, built, planner.passes(), budget(machine.memory, machine.device))
    _refuse_reading_again(plan)
    for planned in plan.passes:
        refuse_what_never_fits(planned.open, plan.budget)
        if planned.run.batch and (planned.taps or planned.used):
            batch = min(planned.run.batch, planned.run.count or planned.run.batch)
            refuse_what_cannot_fit(planned.run.images.name, planned.used, planned.taps, batch, machine.device)
    return plan


def _named(study: Study) -> list[str]:
    """The sets of images that questions are asked of, or name."""
    asked = [preparing.asked_of(name, study) for name in study.ask]
    return list(dict.fromkeys([*asked, *(n for ask in study.ask.values() for n in ask.measure.sets if n is not None)]))


def _refuse_reading_again(plan: Plan) -> None:
    """A stream that can be read once is asked no more than one sweep can answer."""
    for name in {p.run.images.name for p in plan.passes if p.once}:
        needed = sum(len(plan.sweeps(p)) for p in plan.passes if p.run.images.name == name)
        if needed > 1:
            raise StudyError(
                f"{name}: these images can be read only once, and the questions need {needed} sweeps over them. Give "
                "the dataset in place of its batches."
            )


class _Planner:
    """Binds questions and puts them into passes; equal sets in equal batches share one."""

    def __init__(self, study: Study, machine: Machine, built: Mapping[str, Built], sets: dict[str, ImageSet], out):
        self.study, self.machine, self.built, self.sets = study, machine, built, sets
        self.results = [Results(p) if p is not None and p.is_dir() else None for p in _stores(out)]
        self.graphs: dict[tuple, Graph] = {}
        self.prepared = {name: preparing.prepared(images, built, study, self.graphs) for name, images in sets.items()}
        self.few: dict[tuple, ImageSet] = {}
        self.placed: dict[tuple, tuple[Pass, list[Question]]] = {}

    def plan(self, name: str, ask: Ask) -> None:
        """Bind an ask, and what it needs to know before, and put them into their passes."""
        of = preparing.asked_of(name, self.study)
        known = {n: images.images for n, images in self.sets.items()}
        taken = {None: self.sets[of].taken, **{n: images.taken for n, images in self.sets.items()}}
        traced, preprocessings = self.prepared[of]
        colours = {} if self.sets[of].as_given is not None else preprocessings
        bound = ask.measure.bind(Models(traced, self.sets[of].images, colours, known, taken))
        images, batch = self._cut(self.sets[of], bound, ask.batch)
        earlier = [self._earlier(name, of, one, ask.batch) for one in bound.earlier()]
        questions = tuple(question for _, question in earlier)
        question = self._question(name, bound, images, batch, questions, self.results[0])
        if question.found is None:
            for place, before in earlier:
                self._put(place, before)
        self._put((images, batch, bool(earlier)), question)

    def passes(self) -> tuple[Planned, ...]:
        """Those that others wait for come first; what waits for nothing joins a later one over the same images."""
        for key in [k for k in self.placed if not k[-1] and (*k[:-1], True) in self.placed]:
            run, questions = self.placed[key]
            self.placed[key] = run, [q for q in questions if not q.ask]
            self.placed[(*key[:-1], True)][1].extend(q for q in questions if q.ask)
        ordered = sorted(self.placed.items(), key=lambda item: item[0][-1])
        return tuple(Planned(run, tuple(questions)) for _, (run, questions) in ordered if questions)

    def _earlier(self, name: str, of: str, one: Earlier, batch: int | None):
        images = self.sets[one.images or of]
        self._refuse_another_size(of, images.name)
        if one.shots is not None:
            key = (images.name, one.shots, one.seed)
            images = self.few[key] = self.few.get(key) or images.few_of_each(one.shots, one.seed)
        images, batch = self._cut(images, one.measure, batch)
        question = self._question(f"{name}.{one.measure.name}", one.measure, images, batch, (), self.results[1])
        return (images, batch, False), replace(question, ask=False)

    def _refuse_another_size(self, of: str, earlier: str) -> None:
        """What was learned of a model at one size of image is not what it does at another."""
        for name, graph in self.prepared[of][0].items():
            if (other := self.prepared[earlier][0][name].size) != graph.size:
                first, second = ("x".join(map(str, size)) for size in (other, graph.size))
                raise StudyError(
                    f"{name} gets images of size {first} from {earlier}, and {second} from {of}: make them one."
                )

    def _cut(self, images: ImageSet, measure: Measure, batch: int | None) -> tuple[ImageSet, int | None]:
        """Which images a question takes, and in which batches."""
        if measure.few is not None:
            images, cuts = images.beginning(measure.few), 1 if measure.together else GROUPS
            return images, -(-min(measure.few, images.count or measure.few) // cuts)
        return images, batch or self.study.batch or images.default_batch

    def _question(self, name, bound, images, batch, earlier, results) -> Question:
        traced, preprocessings = self.prepared[images.name]
        more = {"earlier": [q.digest for q in earlier]} if earlier else {}
        more |= {"chosen": images.chosen} if images.chosen else {}
        key = digest(
            bound,
            fingerprints(traced, preprocessings),
            images=images.fingerprint,
            taken=images.count,
            batch=batch,
            seed=self.study.seed,
            dtype=self.machine.dtype,
            **more,
        )
        found = results.with_digest(key, name) if results else None
        return Question(name, bound, key, tuple(models_of(bound, traced)), found, earlier)

    def _put(self, place: tuple, question: Question) -> None:
        images, batch, waits = place
        key = (images.name, images.count, images.chosen, batch, waits)
        if key not in self.placed:
            traced, preprocessings = self.prepared[images.name]
            self.placed[key] = Pass(images, batch, traced, preprocessings, self.machine), []
        questions = self.placed[key][1]
        if question.ask or question.digest not in {q.digest for q in questions}:
            questions.append(question)


def _stores(out: Path | None) -> tuple[Path | None, Path | None]:
    """Where answers are, and where those are that only other questions need."""
    return (None, None) if out is None else (Path(out), Path(out) / ROUNDS)
