"""What a layer still tells of how bright, colourful, contrasty, fine or coarse an image is."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import ClassVar

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from seealike.errors import RunError, StudyError, closest
from seealike.kernel import FOUND, IMAGES, Measure, Selected, Sources, State, Tap
from seealike.maths import nearness
from seealike.maths.decoding import by_ridge, r2
from seealike.maths.holdout import fold
from seealike.maths.image_statistics import STATISTICS
from seealike.maths.ranks import Neighbours, mean_ranks, neighbours, rescaled
from seealike.maths.ridge import RESOLUTION
from seealike.statistics.subsets import Subsets
from seealike.views.linear import Vectors
from seealike.views.pooling import Pool
from seealike.views.statistics import Colours
from seealike.views.statistics import ImageStatistics as Seen

FOLDS = 5
LEAST = 32  # images
NUMBERS = ("index", "label")  # recorded, but no amounts
NAMES = {
    "r2_ridge": "R² of ridge regression",
    "r2_knn": "R² of the nearest images",
    "imbalance": "information imbalance, layer to statistic",
    "imbalance_all": "information imbalance, layer to all statistics",
}


@dataclass(frozen=True)
class ImageStatistics(Measure):
    """How much of an image's low-level statistics a layer tells: R² is 1 where all of it, 0 where nothing.

    For each layer and each statistic s of the image that the network sees, over `subset` images together:
    `r2_ridge`, of a ridge regression of s on the layer's features, each image told by one that was fitted to others;
    `r2_knn`, of the mean of s over the `k` nearest other images in the layer; and `imbalance`, of the ranks of these k
    when images are sorted by |s_i - s_j| (0: the nearest there too, 1: any). `imbalance_all` sorts them by the distance
    of all statistics together, each divided by its deviation. Mahaut & Baroni 2026; Glielmo et al. 2022, eq. 1,
    rescaled. Below 0, R² tells less than the mean of s. Imbalance also grows where s but moves to directions of little
    variance, from which a linear readout still gets it: read both.

    `statistics` are names or globs of those in `seealike.maths.image_statistics` and, with "images:" before them, of
    what is recorded of the images: `images:hue`. `view` is what of a layer stands for an image; `seed` is that of the
    five parts of the images, each held out once.

    >>> ImageStatistics("vit", statistics=("luminance", "octave_*", "images:hue")).layers
    '@block'
    """

    name: ClassVar[str] = "image_statistics"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Mahaut & Baroni 2026; Glielmo et al. 2022, eq. 1"

    model: str
    layers: str | tuple[str, ...] = "@block"
    statistics: str | tuple[str, ...] = "*"
    view: str = "mean"
    k: int = 10
    subset: int = 2000
    seed: int = 0
    bound: tuple[Selected, ...] = field(default=(), metadata={FOUND: True})
    numbers: tuple[int, ...] = field(default=(), metadata={FOUND: True})  # of each layer's vectors
    computed: tuple[str, ...] = field(default=(), metadata={FOUND: True})
    recorded: tuple[str, ...] = field(default=(), metadata={FOUND: True})
    colours: tuple[Colours, Colours] | None = field(default=None, metadata={FOUND: True})

    def __post_init__(self):
        Pool(self.view)  # refuses what is no view
        if not 1 <= self.k <= self.subset // 2:
            raise StudyError(f"k = {self.k}: write 1 to {self.subset // 2}, half of subset = {self.subset}.")
        if self.subset < LEAST:
            raise StudyError(f"subset = {self.subset}: at least {LEAST} images must be looked at together.")

    @property
    def few(self) -> int:
        return self.subset

    def bind(self, sources: Sources) -> "ImageStatistics":
        there, least = sources.count(), max(LEAST, 2 * self.k)
        if there is not None and there < least:
            raise StudyError(f"image_statistics with k = {self.k} needs at least {least} images: there are {there}.")
        patterns = (self.layers,) if isinstance(self.layers, str) else self.layers
        refuses = Pool(self.view).refuses
        bound = dict.fromkeys(s for p in sources.within(self.model, patterns) for s in sources.select(p, refuses))
        computed, recorded = self._named(sources)
        colours = sources.colours(self.model) if computed else None
        sizes = (Vectors(self.view).sizes(sources.layer(s.source, s.tensor))[1] for s in bound)
        found = {"bound": tuple(bound), "numbers": tuple(sizes), "computed": computed, "recorded": recorded}
        return replace(self, model="", layers=(), statistics=(), colours=colours, **found)

    def _named(self, sources: Sources) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The statistics that are computed of what the network sees, and those that are recorded of the images."""
        computed, recorded = [], []
        for pattern in (self.statistics,) if isinstance(self.statistics, str) else self.statistics:
            if pattern.startswith(f"{IMAGES}:"):
                recorded += _amounts(pattern, sources)
            else:
                computed += _matching(pattern)
        if not computed and not recorded:
            raise StudyError('statistics = []: name one or more, such as "luminance", or leave it out for all.')
        return tuple(dict.fromkeys(computed)), tuple(dict.fromkeys(recorded))

    def needs(self, *earlier: xr.Dataset) -> tuple[Subsets, ...]:
        layers = zip(self.bound, self.numbers, strict=True)
        taps = [(Tap(s.source, s.tensor, Pool(self.view)), n) for s, n in layers]
        if self.colours is not None:
            taps.append((Tap(self.bound[0].source, "input", Seen(*self.colours, self.computed)), len(self.computed)))
        taps += [(Tap(IMAGES, name, Pool("flatten")), 1) for name in self.recorded]
        return tuple(Subsets(tap, 1, self.few, n) for tap, n in taps)

    def read(self, *totals: State) -> xr.Dataset:
        layers, others = totals[: len(self.bound)], totals[len(self.bound) :]
        numbers = torch.cat([t["rows"] for t in others], 1).double()
        varied = numbers.std(0) > RESOLUTION * numbers.mean(0).abs()
        if len(numbers) < self.k + 2:
            raise RunError(
                f"image_statistics: k = {self.k} nearest images are asked for among {len(numbers)}. "
                "Give more images, or a smaller k."
            )
        # by distances in float64, but no layer is kept in it
        near = [replace(neighbours(t["rows"].double(), self.k), rows=t["rows"]) for t in layers]
        found = [self._of_layer(one, numbers[:, varied], layers[0]["index"]) for one in near]
        values = {name: np.full((len(near), len(varied)), np.nan) for name in found[0]}
        for name, each in values.items():
            each[:, varied.numpy()] = torch.stack([one[name] for one in found]).numpy()
        kept: dict[str, tuple] = {name: (("layer", "statistic"), each) for name, each in values.items()}
        kept["imbalance_all"] = "layer", self._to_all(near, numbers[:, varied]).numpy()
        answer = xr.Dataset({n: (*v, {"long_name": NAMES[n], "units": "1"}) for n, v in kept.items()})
        notes = self._notes([one.constant for one in near], varied.tolist())
        return answer.assign_coords(self._coordinates()).assign_attrs(notes=notes, images_together=len(numbers))

    def _of_layer(self, near: Neighbours, numbers: Tensor, index: Tensor) -> dict[str, Tensor]:
        return {
            "r2_ridge": r2(numbers, by_ridge(near.rows, numbers, fold(index, self.seed, FOLDS))),
            "r2_knn": r2(numbers, nearness.means(near, numbers)),
            "imbalance": rescaled(nearness.mean_ranks(near, numbers), self.k, len(numbers)),
        }

    def _to_all(self, near: Sequence[Neighbours], numbers: Tensor) -> Tensor:
        """Imbalance from each layer to all statistics that differ, each divided by its deviation."""
        if not numbers.shape[1]:
            return torch.full((len(near),), torch.nan)
        together = neighbours((numbers - numbers.mean(0)) / numbers.std(0), self.k)
        return rescaled(mean_ranks(near, together), self.k, len(numbers))

    def _notes(self, constant: Sequence[bool], varied: Sequence[bool]) -> list[str]:
        layers = [
            f"{s} is the same for all images: no image is near another"
            for s, c in zip(self.bound, constant, strict=True)
            if c
        ]
        told = zip(self._statistics, varied, strict=True)
        return [
            *layers,
            *(f"{name} is the same for all images: there is nothing to tell of it" for name, v in told if not v),
        ]

    def _coordinates(self) -> dict[str, tuple]:
        return {
            "layer": ("layer", [str(s) for s in self.bound]),
            "depth": ("layer", [s.depth for s in self.bound]),
            "statistic": ("statistic", self._statistics),
        }

    @property
    def _statistics(self) -> list[str]:
        return [*self.computed, *(f"{IMAGES}:{name}" for name in self.recorded)]


def _matching(pattern: str) -> list[str]:
    found = [name for name in STATISTICS if fnmatchcase(name, pattern)]
    if not found:
        recorded = f'What is recorded of the images is written "{IMAGES}:{pattern}".'
        raise StudyError(f'statistics: there is no "{pattern}". {closest(pattern, STATISTICS)} {recorded}')
    return found


def _amounts(pattern: str, sources: Sources) -> list[str]:
    """What is recorded of the images and is an amount; names of classes and numbers of images are none."""
    found = [s.tensor for s in sources.select(pattern)]
    amounts = [name for name in found if name not in NUMBERS]
    if not amounts:
        raise StudyError(f'statistics: "{pattern}" is a mere number of a class or an image. Ask probe for classes.')
    return amounts
