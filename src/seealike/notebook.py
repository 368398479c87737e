"""One-liners: one question, its answer in hand, nothing written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import xarray as xr
from torch import nn

from seealike.answering import answers
from seealike.kernel import FOUND, IMAGES, Measure, Selected, Sources, State, Tap, fold, merged
from seealike.measures.cka import CKA
from seealike.models.trace import like
from seealike.plan import make_plan
from seealike.plan.machine import Machine
from seealike.plan.passes import Shown
from seealike.statistics.rows import Rows
from seealike.study import Ask, ImagesSource, Study
from seealike.views.pooling import Pool


def answer(
    measure: Measure,
    models: Mapping[str, Any],
    images: Any,
    batch: int | None = None,
    take: int | None = None,
    seed: int = 0,
    crop: Literal["own", "shared"] = "own",
    device: str | None = None,
    dtype: str = "float32",
    workers: int = 0,
) -> xr.Dataset:
    """The answer to one question: any measure, of any models by name, on any images.

    Where a question names sets of images (`Probe(train="train")`), `images` are those sets by name, the first the
    question's own.
    It runs where the models are, unless `device` says otherwise.
    """
    device = device or next(
        (str(like(m)["device"]) for m in models.values() if isinstance(m, nn.Module) and like(m)), "cpu"
    )
    study = Study(dict(models), _sets(images, take), {measure.name: Ask(measure)}, "", batch, seed, crop)
    plan = make_plan(study, None, Machine(device, dtype, workers))
    known: dict[str, xr.Dataset] = {}
    (found,) = [a for p in plan.passes for question, a, _ in answers(plan, p, known) if question.ask]
    return found


def cka(
    model_a: Any,
    model_b: Any = None,
    images: Any = None,
    *,
    a: str | Sequence[str] = "**",
    b: str | Sequence[str] = "**",
    view: str = "flatten",
    estimator: Literal["unbiased", "biased"] = "unbiased",
    **options: Any,
) -> xr.Dataset:
    """CKA of every layer of one model with every layer of another (or its own), with standard errors.

    Models are `nn.Module`s or sources such as "timm:resnet50"; images a tensor, a dataset, a DataLoader (read once, the
    same tensors for both models) or a source such as "folder:photographs". `a` and `b` select layers: names, globs,
    kinds such as "@block". `options` are those of `answer`: batch, take, seed, crop, device, dtype, workers.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    >>> import torch
    >>> answer = cka(net, images=torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    >>> answer.cka.dims, [str(name) for name in answer.layer_a.values]
    (('layer_a', 'layer_b'), ['a:0', 'a:1', 'a:3'])
    """
    models = {"a": model_a} if model_b is None else {"a": model_a, "b": model_b}
    left = tuple(f"a:{p}" for p in _several(a))
    right = tuple(f"b:{p}" for p in _several(b)) if model_b is not None else ()
    return answer(CKA(a=left, b=right, view=view, estimator=estimator), models, images, **options)


def features(
    model: Any,
    images: Any,
    layers: str | Sequence[str] = "**",
    *,
    view: str = "flatten",
    name: str = "model",
    **options: Any,
) -> xr.Dataset:
    """What each layer says of each image: one variable a layer, one row an image, in the order of the images.

    Beside layers, what is recorded of the images: "images:label", "images:hue", "images:*".

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    >>> features(net, torch.zeros(8, 3, 8, 8), "1").sizes
    Frozen({'image': 8, '1_0': 4, '1_1': 6, '1_2': 6})
    """
    machine = Machine(**{k: options.pop(k) for k in ("device", "dtype", "workers") if k in options})
    asked = tuple(p if p.startswith(f"{IMAGES}:") else f"{name}:{p}" for p in _several(layers))
    sets = {"images": _source(images, options.pop("take", None))}
    study = Study({name: model}, sets, {"features": Ask(Features(asked, view))}, **options)
    (planned,) = make_plan(study, None, machine).passes
    ids: dict[int, str] = {}
    totals = fold(planned.statistics, _noting(ids, planned.run))
    question = planned.questions[0].measure
    needs = question.needs()
    answer = question.read(*merged(needs, [[group[s] for s in needs] for group in totals.groups if needs[0] in group]))
    return answer.assign_coords(image=[ids[i] for i in answer["image"].values.tolist()])


@dataclass(frozen=True)
class Features(Measure):
    """What layers, and what is recorded of the images, say of each image. No study asks this: it has no errors."""

    name: ClassVar[str] = "features"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = ""

    layers: tuple[str, ...]
    view: str = "flatten"
    bound: tuple[Selected, ...] = field(default=(), metadata={FOUND: True})

    def bind(self, sources: Sources) -> "Features":
        pool = Pool(self.view)
        refuses = (None if pattern.startswith(f"{IMAGES}:") else pool.refuses for pattern in self.layers)
        found = [
            s for pattern, refused in zip(self.layers, refuses, strict=True) for s in sources.select(pattern, refused)
        ]
        return replace(self, layers=(), bound=tuple(dict.fromkeys(found)))

    def needs(self, *earlier: xr.Dataset) -> tuple[Rows, ...]:
        pool = Pool(self.view)
        return tuple(Rows(Tap(s.source, s.tensor, None if s.source == IMAGES else pool)) for s in self.bound)

    def read(self, *totals: State) -> xr.Dataset:
        found = {}
        for selected, total in zip(self.bound, totals, strict=True):
            variable, rows = self._variable(selected), total["rows"]
            dims = ("image", *(f"{variable}_{i}" for i in range(rows.ndim - 1)))
            found[variable] = dims, (rows.float() if selected.source != IMAGES else rows).numpy()
        return xr.Dataset(found, {"image": totals[0]["index"].tolist()})

    def _variable(self, selected: Selected) -> str:
        """A layer by its name; what is recorded of the images with its source, as layers have names like these."""
        return str(selected) if selected.source == IMAGES else selected.tensor


def _noting(ids: dict[int, str], batches: Iterable[Shown]) -> Iterator[Shown]:
    """The batches, the ids of their images noted as they go by."""
    for shown in batches:
        ids.update(zip(shown.indices.tolist(), shown.ids, strict=True))
        yield shown


def _several(patterns: str | Sequence[str]) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


def _sets(images: Any, take: int | None) -> dict[str, ImagesSource]:
    """Sets of images by name; one alone is called `images`."""
    return {n: _source(i, take) for n, i in (images if isinstance(images, Mapping) else {"images": images}).items()}


def _source(images: Any, take: int | None) -> ImagesSource:
    """Images with options of their own (`ImagesSource("hub:NAME", split="test")`), or any others."""
    return images if isinstance(images, ImagesSource) else ImagesSource(images, take)
