"""Mean attention distance of every head."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import xarray as xr

from seealike.kernel import FOUND, Attended, Measure, Sources, State, Tap
from seealike.measures.layers import ragged
from seealike.statistics.average import Average, mean
from seealike.views.distance import Distance


@dataclass(frozen=True)
class AttentionDistance(Measure):
    """How far a head looks, in pixels: 0 only at itself, about half the image where it looks everywhere.

    Mean over images and queries q of sum_k a(q, k) |place(q) - place(k)|, with a the attention weights and places the
    centres of patches in the network's input: Raghu et al. 2021, figures 3, 4, C.5, C.6. Tokens that stand for no part
    of the image (CLS, registers) are no queries. As keys they are left out, and the rest is not renormalised; it is in
    `attention_distance_renormalised`: divided, query by query, by the weight on the keys that are left.
    Both are (layer, head), in the order of the network's heads; a head that a layer has not is NaN. Standard errors
    are over images. `layers` are names or globs of attentions, or of modules around them: `blocks.*`, `vit:blocks.0`.

    >>> AttentionDistance("vit", layers=("blocks.0", "blocks.11")).model
    'vit'
    """

    name: ClassVar[str] = "attention_distance"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Raghu et al. 2021, figs 3, 4, C.5, C.6; Dosovitskiy et al. 2021, fig 7"

    model: str
    layers: str | tuple[str, ...] = ()
    bound: tuple[Attended, ...] = field(default=(), metadata={FOUND: True})

    def bind(self, sources: Sources) -> "AttentionDistance":
        patterns = (self.layers,) if isinstance(self.layers, str) else self.layers
        return replace(self, model="", layers=(), bound=sources.attentions(self.model, patterns))

    def needs(self, *earlier: xr.Dataset) -> tuple[Average, ...]:
        return tuple(Average(Tap(a.source, a.tensor, Distance())) for a in self.bound)

    def read(self, *totals: State) -> xr.Dataset:
        distance, over_placed, known = ragged([mean(total).numpy() for total in totals])
        with np.errstate(invalid="ignore"):  # all weight of a head may be on no place: undefined
            renormalised = over_placed / known
        answer = xr.Dataset(
            {
                "attention_distance": _variable(distance, "mean attention distance"),
                "attention_distance_renormalised": _variable(renormalised, "mean attention distance, renormalised"),
            },
            {
                "layer": [str(a) for a in self.bound],
                "depth": ("layer", [a.depth for a in self.bound]),
                "head": np.arange(distance.shape[1]),
            },
        )
        return answer.assign_attrs(notes=_note([total["sum"].shape[-1] for total in totals]))


def _variable(values: np.ndarray, name: str) -> tuple:
    return ("layer", "head"), values, {"long_name": name, "units": "pixel"}


def _note(heads: list[int]) -> list[str]:
    if min(heads) == max(heads):
        return []
    return [f"layers have {min(heads)} to {max(heads)} heads: the values of heads that a layer has not are NaN"]
