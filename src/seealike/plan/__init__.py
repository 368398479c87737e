"""From a study to its passes: models built, questions bound, what is on disk already left out."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from seealike.errors import StudyError
from seealike.images.preprocessing import Preprocessing, shared
from seealike.images.sources import Stream, open_images
from seealike.kernel import Measure, Sum, Tap
from seealike.models.graph import Graph
from seealike.models.sources import Built, ModelSource, build, built_from
from seealike.models.trace import like
from seealike.plan.digest import digest, models_of
from seealike.plan.memory import refuse_what_cannot_fit
from seealike.plan.passes import ImageSet, Machine, Pass
from seealike.results import Results
from seealike.selection import Models
from seealike.study import Study

PATHS = ("folder", "parquet", "webdataset")  # schemes that a path follows


@dataclass(frozen=True, eq=False)
class Question:
    """An ask, bound: what it needs, the digest that names its answer, and the file that holds it already."""

    name: str
    measure: Measure
    digest: str
    models: tuple[str, ...]
    found: Path | None

    @property
    def needs(self) -> tuple[Sum, ...]:
        return self.measure.needs()


@dataclass(frozen=True, eq=False)
class Planned:
    """A pass and the questions it answers; those with an answer on disk are listed, and cost nothing."""

    run: Pass
    questions: tuple[Question, ...]

    @property
    def open(self) -> tuple[Question, ...]:
        return tuple(q for q in self.questions if q.found is None)

    @property
    def statistics(self) -> tuple[Sum, ...]:
        return tuple(dict.fromkeys(s for q in self.open for s in q.needs))

    @property
    def taps(self) -> tuple[Tap, ...]:
        return tuple(dict.fromkeys(t for s in self.statistics for t in s.taps))

    @property
    def used(self) -> list[Graph]:
        return [self.run.graphs[name] for name in dict.fromkeys(t.source for t in self.taps) if name in self.run.graphs]


@dataclass(frozen=True, eq=False)
class Plan:
    """All that a study will do, known before the first pass."""

    study: Study
    machine: Machine
    built: Mapping[str, Built]
    passes: tuple[Planned, ...]


def make_plan(
    study: Study, out: Path | None = None, machine: Machine | None = None, untrained_if_unfetchable: bool = False
) -> Plan:
    """Build the models, open the images, bind the questions. What is wrong is refused here: nothing has run."""
    machine = machine or Machine()
    sets = {name: _image_set(name, study) for name in {study.images_of(a): None for a in study.ask.values()}}
    with tqdm(study.models, desc="building models", leave=False, delay=2) as names:
        built = {name: _built(name, study, machine, untrained_if_unfetchable) for name in names}
    graphs: dict[tuple, Graph] = {}
    prepared = {name: _prepared(images, built, study, graphs) for name, images in sets.items()}
    results = Results(out) if out is not None and Path(out).is_dir() else None
    passes: dict[tuple, Planned] = {}
    for name, ask in study.ask.items():
        images = sets[study.images_of(ask)]
        batch = ask.batch or study.batch or images.default_batch
        traced, preprocessings = prepared[images.name]
        question = _question(name, ask.measure, images, batch, traced, preprocessings, study, machine, results)
        planned = passes.get(key := (images.name, batch))
        if planned is None:
            planned = Planned(Pass(images, batch, traced, preprocessings, machine), ())
        passes[key] = replace(planned, questions=(*planned.questions, question))
    plan = Plan(study, machine, built, tuple(passes.values()))
    for planned in plan.passes:
        if planned.run.batch and planned.taps:
            batch = min(planned.run.batch, planned.run.count or planned.run.batch)
            refuse_what_cannot_fit(planned.run.images.name, planned.used, planned.taps, batch, machine.device)
    return plan


def _image_set(name: str, study: Study) -> ImageSet:
    source = study.images[name]
    images = open_images(rooted(source.source, study.folder), **source.options)
    if isinstance(images, Stream):
        _stream(name, images, study)
    return ImageSet.of(name, images, source.take, study.seed, source.order)


def _stream(name: str, images: Stream, study: Study) -> None:
    """A stream is cut to the batch that is asked; what cannot be asked of it is refused."""
    instead = "Give the dataset in place of its batches, or leave"
    if study.images[name].take is not None:
        raise StudyError(f"{images.text} cannot be chosen from: it is read once, as it comes. {instead} take out.")
    asked = {ask.batch or study.batch for ask in study.ask.values() if study.images_of(ask) == name}
    if len(asked) > 1:
        raise StudyError(f"{images.text} cannot be cut in two ways: it is read once. {instead} all but one batch out.")
    images.batch = asked.pop() or images.batch


def rooted(source: Any, folder: str) -> Any:
    """A source written in a study's file, its path relative to that file."""
    if not isinstance(source, str):
        return source
    scheme, colon, rest = source.partition(":")
    if not colon or scheme.endswith(".py"):
        return str(Path(folder) / Path(scheme).expanduser()) + colon + rest
    there = Path(folder) / Path(rest).expanduser()
    if scheme == "hub" and (there.is_dir() or rest.startswith((".", "/", "~"))):
        return f"hub:{there.absolute()}"  # a relative path may look like a name on the hub
    return f"{scheme}:{there}" if scheme in PATHS and "://" not in rest else source


def _built(name: str, study: Study, machine: Machine, untrained_if_unfetchable: bool) -> Built:
    source = study.models[name]
    if isinstance(source, nn.Module):
        built = built_from(source)
    else:
        source = source if isinstance(source, ModelSource) else ModelSource(source)
        fallback = untrained_if_unfetchable
        built = build(name, source, folder=study.folder, seed=study.seed, untrained_if_unfetchable=fallback)
    here = like(built.module).get("device", torch.device("cpu"))
    if here == torch.device(machine.device):
        return built
    return replace(built, module=copy.deepcopy(built.module).to(machine.device))


def _prepared(
    images: ImageSet, built: Mapping[str, Built], study: Study, graphs: dict[tuple, Graph]
) -> tuple[dict[str, Graph], dict[str, Preprocessing]]:
    """Every model traced for the size in which it will get these images."""
    tensor = images.as_given
    preprocessings, traced = {}, {}
    for name, model in tqdm(built.items(), desc="tracing models", leave=False, delay=2):
        own = model.preprocessing
        preprocessings[name] = shared(own) if study.crop == "shared" and tensor is None else own
        size = tuple(tensor.shape) if tensor is not None else (model.channels, *_size(images, own))
        if (name, size) not in graphs:
            graphs[name, size] = Graph.of(model.module, size, name)
        traced[name] = graphs[name, size]
    return traced, preprocessings


def _size(images: ImageSet, preprocessing: Preprocessing) -> tuple[int, int]:
    if preprocessing.size is not None:
        return preprocessing.size
    width, height = images.example.size  # type: ignore[misc]  # a picture: tensors have their own size
    return height, width


def _question(name, measure, images, batch, traced, preprocessings, study, machine, results) -> Question:
    bound = measure.bind(Models(traced, images.images, {} if images.as_given is not None else preprocessings))
    fingerprints = {n: f"{g.fingerprint} {preprocessings[n].text}" for n, g in traced.items()}
    key = digest(
        bound,
        fingerprints,
        images=images.fingerprint,
        taken=images.count,
        batch=batch,
        seed=study.seed,
        dtype=machine.dtype,
    )
    return Question(
        name, bound, key, tuple(models_of(bound, traced)), results.with_digest(key, name) if results else None
    )
