"""The check of an architecture: what is asked of the smallest model of every family, and what must be true of it.

`looked_at` runs the model and gives a row of facts; `wrong` says what of a row is not as it must be. So rows can be
kept, and judged and printed later.
"""

import math
import time
import traceback
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import xarray as xr
from architectures import OTHER_SOFTMAXES, REFUSED, WITHOUT_SKIPS, Family, awake
from small import batches
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from seealike.errors import SeealikeError
from seealike.images.sources import open_images
from seealike.kernel import Measure, fold, read
from seealike.measures.cka import CKA
from seealike.measures.inversion import Inversion
from seealike.measures.receptive_field import ReceptiveField
from seealike.models.graph import Graph, Layer
from seealike.models.middle import no_middle
from seealike.models.run import output
from seealike.models.sources import build
from seealike.selection import Models

NAME = "model"
IMAGES = 8
FEW = 2  # images whose gradients are taken
ROUNDING = 1e-6


@dataclass
class Row:
    """What was found of a family; numbers are NaN where it did not come to that.

    `refusals` are the product's messages, by what was asked; `failure` is anything else that was raised.
    """

    family: str
    model: str = ""
    parameters: int = 0
    size: str = ""
    tensors: int = 0
    placed: int = 0
    residuals: int = 0
    attentions: dict[str, int] = field(default_factory=dict)
    softmaxes: int = 0  # that the module computes, fused attentions among them
    repeated: list[str] = field(default_factory=list)
    disorder: list[str] = field(default_factory=list)
    apart: float = math.nan  # of the graph's output from the module's: the largest difference
    largest: float = math.nan  # number in the module's output
    diagonal: float = math.nan  # of CKA: the largest distance from 1
    highest: float = math.nan  # CKA
    undefined: list[str] = field(default_factory=list)  # tensors without a CKA
    layer: str = ""  # of which gradients are taken
    sensitivity: float = math.nan  # the sum of its receptive field
    errors: list[float] = field(default_factory=list)  # of the reconstruction, before and after a step
    seconds: float = math.nan
    refusals: dict[str, str] = field(default_factory=dict)
    skipped: str = ""
    failure: str = ""


def looked_at(family: Family) -> Row:
    """The facts of the smallest model of a family."""
    start, row = time.perf_counter(), Row(str(family))
    try:
        with TemporaryDirectory() as folder, refusing(row, "trace"):
            _look(row, family, Path(folder))
    except Exception:
        row.failure = traceback.format_exc()
    row.seconds = time.perf_counter() - start
    return row


def _look(row: Row, family: Family, folder: Path) -> None:
    model = family.smallest(folder)
    row.model, row.parameters, row.skipped = model.name, model.parameters, model.skipped
    if model.skipped:
        return
    built = build(NAME, model.source)
    images = pictures(built.preprocessing.transform)
    module = awake(built.module, images)
    row.parameters = sum(p.numel() for p in module.parameters())
    row.size = "x".join(map(str, images.shape[1:]))
    graph = Graph.of(module, tuple(images.shape[1:]), NAME)
    _facts(row, graph)
    _beside_the_module(row, graph, module, images[:3])
    _similarity(row, graph, images)
    with refusing(row, "gradients"):
        _gradients(row, graph, images[:FEW])


def wrong(row: Row) -> list[str]:
    """What of a row is not as it must be: nothing, where a family is as it should be or is rightly refused."""
    if row.failure:
        return [row.failure.strip().splitlines()[-1]]
    if row.skipped:
        return []
    if row.refusals:
        expected, _ = REFUSED.get(row.family, (None, ""))
        said = "; ".join(row.refusals.values())
        return [] if expected and expected in said else [f"refused: {said}"]
    kinds, other = sum(row.attentions.values()), OTHER_SOFTMAXES.get(row.family, (0, ""))[0]
    laws = {
        f"names that are not unique: {row.repeated}": not row.repeated,
        f"not in the order of execution: {row.disorder}": not row.disorder,
        f"{row.tensors} tensors": row.tensors > 1,
        f"places of {row.placed} of {row.tensors} tensors": 2 * row.placed > row.tensors,
        f"{row.residuals} residuals": (row.residuals == 0) == (row.family in WITHOUT_SKIPS),
        f"{kinds} attentions of {row.softmaxes} softmaxes": kinds + other == row.softmaxes,
        f"the graph's output is {row.apart} from the module's": row.apart <= ROUNDING * max(1, row.largest),
        f"CKA of a tensor with itself is {row.diagonal} from 1": row.diagonal <= ROUNDING,
        f"CKA of {row.highest}": row.highest <= 1 + ROUNDING,
        f"no CKA of {row.undefined}": not row.undefined,
        f"a receptive field of {row.sensitivity}": 0 < row.sensitivity < math.inf,
        f"errors of a reconstruction: {row.errors}": len(row.errors) > 1 and row.errors[-1] < row.errors[0],
    }
    return [said for said, kept in laws.items() if not kept]


@contextmanager
def refusing(row: Row, what: str):
    try:
        yield
    except SeealikeError as refusal:
        row.refusals[what] = str(refusal)


def pictures(transform) -> Tensor:
    """Generated scenes as the model's authors prepared images."""
    scenes = open_images(f"scenes:{IMAGES}")
    return torch.stack([transform(scenes.read(i)) for i in range(IMAGES)])


def _facts(row: Row, graph: Graph) -> None:
    row.tensors = len(graph.layers)
    row.placed = sum(x.places is not None for x in graph.layers)
    row.residuals = len(graph.residuals)
    row.attentions = dict(Counter(a.kind for a in graph.attentions))
    names = Counter(name for x in graph.tensors for name in x.names)
    row.repeated = [name for name, count in names.items() if count > 1]


def _beside_the_module(row: Row, graph: Graph, module: nn.Module, images: Tensor) -> None:
    """What the module itself gives, in which order its parts return, and how many softmaxes it computes."""
    with torch.no_grad(), Returned(module) as returned, Softmaxes() as softmaxes:
        expected = [x for x in tree_leaves(module(images)) if isinstance(x, Tensor)]
    found = [x for x in tree_leaves(output(graph, images)) if isinstance(x, Tensor)]
    assert len(expected) == len(found) > 0
    row.apart = max(float((a - b).abs().max()) for a, b in zip(expected, found, strict=True))
    row.largest = max(float(a.abs().max()) for a in expected)
    row.softmaxes = softmaxes.count
    moments = {name: i for i, name in enumerate(returned.names) if returned.names.count(name) == 1}
    ran = [x.name for x in graph.layers if x.name in moments]
    row.disorder = [f"{a}, {b}" for a, b in pairwise(ran) if moments[a] > moments[b]]


class Returned:
    """The names of modules as they return, while this is open."""

    def __init__(self, module: nn.Module):
        self.module, self.names = module, []

    def __enter__(self):
        self.hooks = [m.register_forward_hook(self._note(name)) for name, m in self.module.named_modules() if name]
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()

    def _note(self, name: str):
        return lambda *_: self.names.append(name)


class Softmaxes(TorchDispatchMode):
    """Counts what is computed of softmaxes and of fused attentions, while this is open."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name
        self.count += "softmax" in name or "attention" in name
        return func(*args, **(kwargs or {}))


def answered(measure: Measure, graph: Graph, images: Tensor) -> xr.Dataset:
    """The answer to a question of one graph, from one batch."""
    return _read(measure.bind(Models({NAME: graph})), graph, images)


def _read(bound: Measure, graph: Graph, images: Tensor) -> xr.Dataset:
    earlier = [_read(one.measure, graph, images) for one in bound.earlier()]
    needs = bound.needs(*earlier)
    return read(bound.knowing(*earlier), needs, fold(needs, batches({NAME: graph}, images, len(images))))


def _similarity(row: Row, graph: Graph, images: Tensor) -> None:
    cka = answered(CKA(layers=(f"{NAME}:**",)), graph, images).cka.values
    own = np.diag(cka)
    row.undefined = [x.name for x, value in zip(graph.layers, own, strict=True) if not np.isfinite(value)]
    known = cka[np.isfinite(own)][:, np.isfinite(own)]
    row.diagonal, row.highest = float(abs(np.diag(known) - 1).max()), float(known.max())
    assert np.isfinite(known).all(), "no CKA of two tensors that have one with themselves"


def _gradients(row: Row, graph: Graph, images: Tensor) -> None:
    layer = central(graph)
    row.layer = layer.name
    reconstruction = Inversion(NAME, layers=(layer.name,), iterations=1, step=0.003, starts=1, take=len(images))
    row.errors = answered(reconstruction, graph, images).trace_error.values.ravel().tolist()
    asked = ReceptiveField(NAME, layers=(layer.name,), channels=2, take=len(images), rms=True)  # all, projected twice
    row.sensitivity = float(answered(asked, graph, images).receptive_field_rms.sum())


def central(graph: Graph) -> Layer:
    """The layer nearest the middle of the network that has a middle of its own."""
    having = [x for x in graph.layers if no_middle(x) is None] or list(graph.layers)
    return min(having, key=lambda x: abs(x.depth - 0.5))
