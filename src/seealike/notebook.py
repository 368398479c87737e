"""One-liners: one question, its answer in hand, nothing written."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import xarray as xr
from torch import nn

from seealike.answering import answers
from seealike.kernel import Measure, Tap, fold, merged
from seealike.measures.cka import CKA
from seealike.models.trace import like
from seealike.plan import make_plan
from seealike.plan.passes import Machine
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

    It runs where the models are, unless `device` says otherwise.
    """
    device = device or next(
        (str(like(m)["device"]) for m in models.values() if isinstance(m, nn.Module) and like(m)), "cpu"
    )
    study = Study(
        dict(models), {"images": ImagesSource(images, take)}, {measure.name: Ask(measure)}, "", batch, seed, crop
    )
    plan = make_plan(study, None, Machine(device, dtype, workers))
    ((_, found),) = answers(plan, plan.passes[0])
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

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    >>> features(net, torch.zeros(8, 3, 8, 8), "1").sizes
    Frozen({'image': 8, '1_0': 4, '1_1': 6, '1_2': 6})
    """
    pool = Pool(view)
    machine = Machine(**{k: options.pop(k) for k in ("device", "dtype", "workers") if k in options})
    question = CKA(layers=tuple(f"{name}:{p}" for p in _several(layers)), view=view)
    study = Study(
        {name: model},
        {"images": ImagesSource(images, options.pop("take", None))},
        {"features": Ask(question)},
        **options,
    )
    planned = make_plan(study, None, machine).passes[0]
    bound = planned.questions[0].measure
    assert isinstance(bound, CKA)
    statistics = {s.tensor: Rows(Tap(s.source, s.tensor, pool)) for s in bound.bound_a}
    totals = fold(list(statistics.values()), planned.run)
    return _table(planned.run, statistics, totals)


def _several(patterns: str | Sequence[str]) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


def _table(run, statistics: Mapping[str, Rows], totals) -> xr.Dataset:
    found = {}
    for tensor, statistic in statistics.items():
        (total,) = merged([statistic], [[group[statistic]] for group in totals.groups if statistic in group])
        dims = ("image", *(f"{tensor}_{i}" for i in range(total["rows"].ndim - 1)))
        found[tensor] = (dims, total["rows"].float().numpy())
        index = total["index"]
    ids = [run.images.images.id(i) if run.images.taken is not None else str(i) for i in index.tolist()]
    return xr.Dataset(found, {"image": ids})
