"""What of a small change of an image a layer can and cannot see: the singular values of its derivative."""

from dataclasses import dataclass, field, replace
from math import isqrt
from typing import ClassVar

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from seealike.errors import StudyError
from seealike.kernel import FOUND, Measure, Selected, Sources, State
from seealike.maths import spectrum
from seealike.maths.colours import Colours
from seealike.measures.layers import chosen, ragged
from seealike.models.names import INPUT
from seealike.statistics.spectra import METHODS, Spectra

LARGEST = 4096  # numbers of an image of which all singular values are sought
NAMES = {
    "rank": "directions that the layer sees",
    "null_dimension": "directions that the layer cannot see",
    "effective_rank": "effective rank",
    "stable_rank": "stable rank",
    "condition": "condition number",
}


@dataclass(frozen=True)
class Jacobian(Measure):
    """How many directions of an image a layer sees, and how evenly: the rank and spectrum of its derivative J there.

    J = d layer / d pixels at an image, m numbers of the layer x n of the image, in float64, with singular values
    sigma_1 >= sigma_2 >= ... . `rank`: those above sigma_1 max(m, n) eps, eps = 2.2e-16; `null_dimension` = n - rank;
    `effective_rank` = exp(-sum p ln p), p = sigma / sum sigma (Roy & Vetterli 2007); `stable_rank` = sum sigma^2 /
    sigma_1^2; `condition` = sigma_1 / sigma_rank. All (image, layer), with `spectrum` (image, layer, value), and their
    means over images, with standard errors, (layer): `mean_rank`, ..., `log_condition` (of log10), `mean_spectrum`
    (layer, value), the mean of sigma / sigma_1. The coordinate `dimension` is m, the attribute `input_dimension` n.
    Badger 2022, section on non-uniqueness; Feng et al. 2022.

    `method = "randomised"` takes images of any size, finds the `vectors` largest singular values and the stable rank,
    and says how far off they may be: within `spectrum_residual` of each lies a singular value, and none is too small by
    more than `spectrum_error`, a loose bound. All that needs every singular value is NaN. Pixels are in [0, 1] where
    the model's preprocessing is known, else those of the network's input.

    >>> Jacobian("vit", layers=("blocks.0", "@mlp")).few
    16
    """

    name: ClassVar[str] = "jacobian"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Badger 2022, non-uniqueness; Feng et al. 2022; Roy & Vetterli 2007"

    model: str
    layers: str | tuple[str, ...] = "@block"
    method: str = "exact"
    vectors: int = 32
    take: int = 16
    seed: int = 0
    bound: tuple[Selected, ...] = field(default=(), metadata={FOUND: True})
    dimensions: tuple[int, ...] = field(default=(), metadata={FOUND: True})  # of the layers
    inputs: int = field(default=0, metadata={FOUND: True})  # numbers of an image
    colours: Colours | None = field(default=None, metadata={FOUND: True})

    def __post_init__(self):
        if self.method not in METHODS:
            raise StudyError(f'method = "{self.method}": there are "exact" and "randomised".')
        if self.vectors < 1:
            raise StudyError(f"vectors = {self.vectors}: find at least 1 singular value.")
        if self.take < 1:
            raise StudyError(f"take = {self.take}: take at least 1 image.")

    @property
    def few(self) -> int:
        return self.take

    def bind(self, sources: Sources) -> "Jacobian":
        bound = chosen(sources, self.model, self.layers)
        image = sources.layer(bound[0].source, INPUT).shape
        if self.method == "exact":
            _refuse_large(bound[0].source, image)
        return replace(
            self,
            model="",
            layers=(),
            bound=bound,
            dimensions=tuple(torch.Size(sources.layer(s.source, s.tensor).shape).numel() for s in bound),
            inputs=torch.Size(image).numel(),
            colours=sources.known_colours(bound[0].source),
            # which play no part where nothing is random
            **({"vectors": Jacobian.vectors, "seed": Jacobian.seed} if self.method == "exact" else {}),
        )

    def needs(self, *earlier: xr.Dataset) -> tuple[Spectra, ...]:
        how = (self.method, self.vectors, self.colours, self.seed)
        return tuple(Spectra(s.source, s.tensor, *how) for s in self.bound)

    def read(self, *totals: State) -> xr.Dataset:
        told = [self._told(total, m) for total, m in zip(totals, self.dimensions, strict=True)]
        each = {name: torch.stack([layer[name] for layer in told], 1).numpy() for name in told[0]}
        spectra = [total["spectrum"] for total in totals]
        relative = [_relative(s, (m, self.inputs)) for s, m in zip(spectra, self.dimensions, strict=True)]
        unit = "1 / pixel value" if self.colours else "1 / input value"
        per_image = ("image", "layer")
        answer = xr.Dataset(
            {
                **{name: (per_image, each[name], {"long_name": said, "units": "1"}) for name, said in NAMES.items()},
                "spectrum": (
                    (*per_image, "value"),
                    ragged([s.numpy() for s in spectra]),
                    {"long_name": "singular value", "units": unit},
                ),
                **_means(each),
                "mean_spectrum": (
                    ("layer", "value"),
                    ragged([one.mean(0).numpy() for one in relative]),
                    {"long_name": "mean singular value, relative to the largest", "units": "1"},
                ),
            },
            self._coordinates(totals[0]["index"].numpy(), max(s.shape[1] for s in spectra)),
            {"notes": self._notes(spectra), "input_dimension": self.inputs},
        )
        if "error" in totals[0]:
            errors = torch.stack([total["error"] for total in totals], 1).numpy()
            residuals = ragged([total["residuals"].numpy() for total in totals])
            said = ("bound of what singular values are too small by", "distance of each to a singular value, at most")
            answer["spectrum_error"] = per_image, errors, {"long_name": said[0], "units": unit}
            answer["spectrum_residual"] = (*per_image, "value"), residuals, {"long_name": said[1], "units": unit}
        return answer

    def _told(self, total: State, dimension: int) -> dict[str, Tensor]:
        """What the singular values of each image tell; NaN where some of them alone do not."""
        values, shape = total["spectrum"], (dimension, self.inputs)
        if self.method == "randomised":
            unknown = torch.full((len(values),), torch.nan, dtype=torch.float64)
            return dict.fromkeys(NAMES, unknown) | {"stable_rank": spectrum.stable_rank(values, total["squares"])}
        rank = spectrum.rank(values, shape)
        return {
            "rank": rank,
            "null_dimension": self.inputs - rank,
            "effective_rank": spectrum.effective_rank(values),
            "stable_rank": spectrum.stable_rank(values, values.square().sum(1)),
            "condition": spectrum.condition(values, shape),
        }

    def _coordinates(self, index: np.ndarray, values: int) -> dict[str, tuple]:
        return {
            "image": ("image", index),
            "layer": ("layer", [str(s) for s in self.bound]),
            "depth": ("layer", [s.depth for s in self.bound]),
            "dimension": ("layer", list(self.dimensions), {"long_name": "numbers of the layer"}),
            "value": ("value", np.arange(1, values + 1)),
        }

    def _notes(self, spectra: list[Tensor]) -> list[str]:
        notes = []
        if self.colours is None:
            notes.append(
                "derivatives are with respect to the network's input, as what brought it from colours in [0, 1] is "
                "unknown"
            )
        if self.method == "randomised":
            notes.append(
                f'method = "randomised" finds the {self.vectors} largest singular values; rank, null dimension, '
                "effective rank and condition number need all of them and are undefined"
            )
        for selected, values in zip(self.bound, spectra, strict=True):
            wrong, dead = int((~values.isfinite().all(1)).sum()), int((values[:, 0] == 0).sum())
            if wrong:
                notes.append(f"{selected}: its derivative is not finite at {wrong} of {len(values)} images")
            if dead:
                notes.append(f"{selected}: at {dead} of {len(values)} images nothing of the image reaches it")
        return notes


def _refuse_large(model: str, image: tuple[int, ...]) -> None:
    """All singular values are those of a square matrix of the image's numbers."""
    numbers = torch.Size(image).numel()
    if numbers > LARGEST:
        channels, side = image[0], isqrt(LARGEST // image[0])
        raise StudyError(
            f"{model} takes images of {' x '.join(map(str, image))} = {numbers:,} numbers, and all singular values "
            f"are sought of {LARGEST:,} at most: {channels} x {side} x {side} would do. Give {model} smaller images, "
            'or write method = "randomised", which takes any size and finds the largest.'
        )


def _relative(values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Of the largest of each image; what is rounding counts as zero."""
    kept = torch.where(values > spectrum.tolerance(values, shape)[:, None], values, 0 * values)
    return kept / values[:, :1]


def _means(each: dict[str, np.ndarray]) -> dict[str, tuple]:
    """Over images; undefined where it is at one of them. Condition numbers span decades: their logarithm."""
    logs = {"log_condition": ("layer", np.log10(each["condition"]).mean(0), {"long_name": "log10 of the condition"})}
    return {
        f"mean_{name}": ("layer", each[name].mean(0), {"long_name": f"{said}, mean over images", "units": "1"})
        for name, said in NAMES.items()
        if name != "condition"
    } | logs
