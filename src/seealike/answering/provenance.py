"""What is kept with every answer: the question, the models, the images, how they were prepared, what was left out."""

import inspect
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import xarray as xr

from seealike.kernel import GROUPS, Measure
from seealike.models.sources import ModelSource
from seealike.plan import Plan, Question
from seealike.plan.passes import Pass
from seealike.surgery import Trainable

SHOWN = 20  # names of unreadable images kept in an answer
BARE = ("model", "reference")  # coordinates and attributes that are names of models by themselves


def provenance(plan: Plan, run: Pass, question: Question) -> dict[str, Any]:
    """The attributes of an answer."""
    failed = run.seen.failed
    return {
        "measure": question.measure.name,
        "measure_version": question.measure.version,
        "citation": question.measure.citation,
        "meaning": _first_line(question.measure),
        "ask": question.name,
        "title": plan.study.title,
        "claims": list(plan.study.claims),
        "question": asdict(plan.study.ask[question.name].measure if question.ask else question.measure),  # type: ignore[call-overload]
        "models": {name: _model(plan, run, name) for name in question.models},
        "images": {
            "name": run.images.name,
            "source": run.images.images.text,
            "count": run.count,
            "order": run.images.order,
            **({"chosen": run.images.chosen} if run.images.chosen else {}),
            "fingerprint": run.images.images.fingerprint,
            "unreadable": len(failed),
            "unreadable_images": [f"{f.id}: {f.reason}" for f in failed[:SHOWN]],
        },
        "batch": run.batch,
        "seed": plan.study.seed,
        "crop": plan.study.crop,
        "dtype": plan.machine.dtype,
        "device": plan.machine.device,
        "groups": GROUPS,
        "versions": {name: _version(name) for name in ("seealike", "torch", "timm")}
        | {"python": platform.python_version()},
    }


def _model(plan: Plan, run: Pass, name: str) -> dict[str, Any]:
    source, built, graph = plan.study.models[name], plan.built[name], run.graphs[name]
    written = source if isinstance(source, ModelSource) else ModelSource(_class(source))
    return {
        "source": written.source,
        "weights": built.weights,
        "fingerprint": graph.fingerprint,
        "parameters": graph.parameters,
        "input": list(graph.size),
        "preprocessing": run.preprocessings[name].text if run.images.as_given is None else "as given",
        "tags": dict(written.tags),
        **({"edits": list(built.edits)} if built.edits else {}),
    }


def _first_line(measure: Measure) -> str:
    """What the numbers mean: the first line of what the measure says of itself."""
    return (inspect.getdoc(measure) or "").partition("\n")[0]


def _class(source: Any) -> str:
    source = source.network if isinstance(source, Trainable) else source
    return source if isinstance(source, str) else f"{type(source).__module__}.{type(source).__qualname__}"


def notes(plan: Plan, run: Pass, question: Question, answer: xr.Dataset) -> list[str]:
    """What a reader of the answer must know, in words."""
    found = list(answer.attrs.get("notes", []))
    found += [f"{n}: {plan.built[n].weights}" for n in question.models if "untrained" in plan.built[n].weights]
    found += [f"{n}: edited, {', '.join(plan.built[n].edits)}" for n in question.models if plan.built[n].edits]
    if failed := run.seen.failed:
        found.append(f"{len(failed)} of {run.count} images could not be read and were left out")
    short = run.count % run.batch if run.count and run.batch else 0
    if 0 < short < 4 and answer.attrs["images_seen"] + short <= run.count:  # a mean needs no batch of 4
        found.append(f"the last {short} images are fewer than a batch of 4 and were left out")
    return found


def renamed(answer: xr.Dataset, models: tuple[str, ...]) -> xr.Dataset:
    """An answer found under other names of the same models, with the names of today."""
    names = dict(zip(answer.attrs.get("models", {}), models, strict=True))
    if all(old == new for old, new in names.items()):
        return answer

    def today(text: str, where: str) -> str:
        """Without a colon a text is a model's name only where models stand: a layer may be called as a model is."""
        model, colon, rest = text.partition(":")
        return names.get(model, model) + colon + rest if colon or where in BARE else text

    texts = {n: (c.dims, [today(str(t), str(n)) for t in c.values]) for n, c in answer.coords.items() if _is_text(c)}
    bare = {n: today(answer.attrs[n], n) for n in BARE if n in answer.attrs}
    return answer.assign_coords(texts).assign_attrs(bare)


def _is_text(array: xr.DataArray) -> bool:
    return array.dtype.kind in "UOT"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
