"""Which heads of an attention make it like the layers of another model: local ones, or global ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import torch
import xarray as xr

from seealike.errors import StudyError, closest
from seealike.kernel import FOUND, Attended, Measure, Selected, Sources, State, Statistic, Tap
from seealike.maths.hsic import cka_from_products
from seealike.measures.layers import layer_coordinates
from seealike.statistics.average import Average, mean
from seealike.statistics.hsic import HSIC
from seealike.views.distance import Distance
from seealike.views.gram import Gram
from seealike.views.parts import Heads
from seealike.views.pooling import Pool

UNIT = "HSIC of all heads together"


@dataclass(frozen=True)
class HeadCKA(Measure):
    """How alike some heads of one attention and a layer see the images: 1 the same up to rotation and scale.

    The CKA of the concatenated outputs of the heads (weights applied to values) with every layer of `b`. Heads are
    ordered by their mean attention distance; the subsets are the k most local for every k, and all further runs of
    heads that follow each other in that order: Raghu et al. 2021, figure 5. `distance` of a subset is the mean of its
    heads' in pixels.
    HSIC is bilinear, so all is read from the inner products of single heads, which the answer holds: `products`
    (head, head_b), `cross` (head, layer_b), `own_b` (layer_b). With s a subset of any heads,
    CKA = sum_s cross / sqrt(sum_s,s products * own_b): `of_heads`. They are in units of the HSIC of all heads together.
    `block` is a name of the attention or of a module around it (the first token attention if left out). Without `cls`,
    queries that stand for no part of the image are left out. `view` is that of the layers of `b`.

    >>> HeadCKA("vit", b="resnet:@block").view
    'flatten'
    """

    name: ClassVar[str] = "head_cka"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Raghu et al. 2021, fig 5"

    model: str
    b: str | tuple[str, ...]
    block: str = ""
    cls: bool = True
    view: str = "flatten"
    estimator: Literal["unbiased", "biased"] = "unbiased"
    bound: tuple[Attended, ...] = field(default=(), metadata={FOUND: True})
    bound_b: tuple[Selected, ...] = field(default=(), metadata={FOUND: True})

    def __post_init__(self):
        Pool(self.view)  # refuses what is no view

    def bind(self, sources: Sources) -> "HeadCKA":
        found = sources.attentions(self.model, (self.block,) if self.block else ())
        if self.block and len(found) > 1:
            several = ", ".join(a.attention for a in found)
            raise StudyError(f'block = "{self.block}" matches {len(found)} attentions: {several}. Name one.')
        patterns = (self.b,) if isinstance(self.b, str) else self.b
        refuses = Pool(self.view).refuses
        b = tuple(dict.fromkeys(s for pattern in patterns for s in sources.select(pattern, refuses)))
        if not b:
            raise StudyError('head_cka needs b, the layers that heads are compared with: b = "resnet:@block".')
        return replace(self, model="", b=(), block="", bound=found[:1], bound_b=b)

    def needs(self, *earlier: xr.Dataset) -> tuple[Statistic, ...]:
        (attention,) = self.bound
        heads = Tap(attention.source, attention.tensor, Heads(self.cls))
        layers = tuple(Tap(s.source, s.tensor, Gram(Pool(self.view))) for s in self.bound_b)
        distance = Average(Tap(attention.source, attention.tensor, Distance()))
        return HSIC((heads,), (heads, *layers), self.estimator), distance

    def read(self, *totals: State) -> xr.Dataset:
        sums, distances = totals
        form, distance = self._form(sums), mean(distances)[0].numpy()
        subsets = _subsets(np.argsort(distance, kind="stable"))
        member = np.array([np.isin(form["head"], s.heads) for s in subsets], float)
        of_subset = member @ distance / member.sum(1)
        answer = form.assign(
            head_cka=(("subset", "layer_b"), _cka(form, member), {"long_name": "CKA of some heads", "units": "1"}),
            distance=("subset", of_subset, {"long_name": "mean attention distance", "units": "pixel"}),
        )
        return answer.assign_coords(
            subset=[s.name for s in subsets],
            heads=("subset", [",".join(map(str, s.heads)) for s in subsets]),
            size=("subset", [len(s.heads) for s in subsets]),
            first=("subset", [s.first for s in subsets]),
        ).assign_attrs(attention=str(self.bound[0]), notes=self._notes(sums))

    def _form(self, sums: State) -> xr.Dataset:
        """The bilinear form, in units in which all heads together have 1 with themselves."""
        cross, own = sums["cross"].cpu().numpy(), sums["b"].cpu().numpy()
        count = len(cross)
        products = (cross[:, :count] + cross[:, :count].T) / 2
        unit = products.sum() or np.nan
        parts = {
            "products": (("head", "head_b"), products / unit, "HSIC of head and head"),
            "cross": (("head", "layer_b"), cross[:, count:] / unit, "HSIC of head and layer"),
            "own_b": (("layer_b",), own[count:] / unit, "HSIC of a layer with itself"),
        }
        form = xr.Dataset({k: (dims, v, {"long_name": long, "units": UNIT}) for k, (dims, v, long) in parts.items()})
        heads = np.arange(count)
        return form.assign_coords(layer_coordinates(b=self.bound_b)).assign_coords(head=heads, head_b=heads)

    def _notes(self, sums: State) -> list[str]:
        own = sums["b"][len(sums["cross"]) :]
        constant = [str(s) for s, x in zip(self.bound_b, own, strict=True) if not x]
        constant += [f"head {h} of {self.bound[0]}" for h, x in enumerate(sums["a"]) if not x]
        return [f"{name} is the same for all images: its CKA is undefined" for name in constant]


def of_heads(answer: xr.Dataset, heads: Sequence[int]) -> xr.DataArray:
    """The CKA of any heads of an answer, counted from 0, with each layer of `b`: that of their joined outputs.

    >>> form = xr.Dataset(
    ...     {"products": (("head", "head_b"), np.eye(2) / 2), "cross": (("head", "layer_b"), [[0.5], [0.0]])},
    ...     {"head": [0, 1], "head_b": [0, 1]},
    ... ).assign(own_b=("layer_b", [0.5]))
    >>> [round(float(of_heads(form, heads)[0]), 3) for heads in ([0], [1], [0, 1])]
    [1.0, 0.0, 0.707]
    """
    chosen, known = list(heads), answer["head"].values.tolist()
    for head in chosen:
        if head not in known:
            raise StudyError(f"there is no head {head}. {closest(str(head), [str(h) for h in known])}")
    if not chosen or len(set(chosen)) < len(chosen):
        raise StudyError(f"heads = {chosen}: name at least one, and each once.")
    member = np.isin(known, chosen)[None].astype(float)
    return xr.DataArray(_cka(answer, member)[0], {"layer_b": answer["layer_b"]}, name="head_cka")


def _cka(form: xr.Dataset, member: np.ndarray) -> np.ndarray:
    """subset x layer, from subset x head: 1 for its members. NaN where one of the two is the same for all images."""
    products, cross, own_b = (form[name].values for name in ("products", "cross", "own_b"))
    sums = (member @ cross, (member @ products * member).sum(1), own_b)
    return cka_from_products(*(torch.from_numpy(np.asarray(x, float)) for x in sums)).numpy()


@dataclass(frozen=True)
class _Subset:
    name: str
    heads: tuple[int, ...]  # the most local first
    first: int  # the rank of the most local, from 0


def _subsets(order: np.ndarray) -> list[_Subset]:
    """The k most local heads for every k, then the other runs of heads that follow each other, the small ones first."""
    ranked, count = tuple(int(h) for h in order), len(order)
    runs = [(first, size) for size in range(1, count) for first in range(1, count - size + 1)]
    local = [_Subset(f"{k} most local", ranked[:k], 0) for k in range(1, count + 1)]
    return local + [_Subset(_run(first, n, count), ranked[first : first + n], first) for first, n in runs]


def _run(first: int, size: int, count: int) -> str:
    """Ranks from 1, the most local, as in `2 to 4 of 6`."""
    return f"{first + 1} of {count}" if size == 1 else f"{first + 1} to {first + size} of {count}"
