"""Centred kernel alignment between all layers, within and across any number of models."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import xarray as xr

from seealike.kernel import FOUND, Measure, Selected, Sources, State, Tap
from seealike.maths.hsic import cka_from_products
from seealike.measures.layers import layer_coordinates
from seealike.measures.pairs import Pattern, both_sides
from seealike.statistics.hsic import HSIC
from seealike.views.gram import Gram
from seealike.views.pooling import Pool


@dataclass(frozen=True)
class CKA(Measure):
    """How alike two layers see the images: 1 the same up to rotation and scale, 0 unrelated.

    CKA = S_KL / sqrt(S_KK S_LL), with S the sum over batches of <K~, L~> of the U-centred Grams: the minibatch CKA of
    Nguyen et al. 2021, eq. 3, as in Raghu et al. 2021, figs 1 and 2. `estimator = "biased"` takes centred Grams with
    their diagonal, to compare with published values. Unbiased values may be slightly negative; they are kept.
    `a` and `b`, or `layers` for all pairs, are patterns such as `vit:**` or `resnet:@block`.

    >>> CKA(layers=("vit:@block",)).estimator
    'unbiased'
    """

    name: ClassVar[str] = "cka"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Kornblith et al. 2019; Nguyen et al. 2021; Raghu et al. 2021, figs 1, 2"

    a: Pattern = ()
    b: Pattern = ()
    layers: Pattern = ()
    view: str = "flatten"
    estimator: Literal["unbiased", "biased"] = "unbiased"
    bound_a: tuple[Selected, ...] = field(default=(), metadata={FOUND: True})
    bound_b: tuple[Selected, ...] = field(default=(), metadata={FOUND: True})

    def __post_init__(self):
        Pool(self.view)  # refuses what is no view

    def bind(self, sources: Sources) -> "CKA":
        return replace(self, **both_sides(self, sources))

    def needs(self, *earlier: xr.Dataset) -> tuple[HSIC, ...]:
        view = Gram(Pool(self.view))
        a, b = (tuple(Tap(s.source, s.tensor, view) for s in side) for side in (self.bound_a, self.bound_b))
        return (HSIC(a, b, self.estimator),)

    def read(self, *totals: State) -> xr.Dataset:
        (sums,) = totals
        values = cka_from_products(sums["cross"], sums["a"], sums["b"]).cpu().numpy()
        answer = xr.Dataset({"cka": (("layer_a", "layer_b"), values, {"long_name": "CKA", "units": "1"})})
        return answer.assign_coords(layer_coordinates(a=self.bound_a, b=self.bound_b)).assign_attrs(
            notes=[f"{s} is the same for all images: its CKA is undefined" for s in self._constant(sums)]
        )

    def _constant(self, sums: State) -> list[Selected]:
        sides = ((self.bound_a, sums["a"]), (self.bound_b, sums["b"]))
        return list(dict.fromkeys(s for side, own in sides for s, x in zip(side, own, strict=True) if not x))
