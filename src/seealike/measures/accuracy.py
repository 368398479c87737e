"""How often networks are right: the class that they rank first is the image's label."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
import xarray as xr

from seealike.errors import StudyError
from seealike.kernel import FOUND, Measure, Selected, Sources, State, Tap
from seealike.statistics.average import mean
from seealike.statistics.hits import Hits
from seealike.views.ranking import Ranked

TOP = 5
NAMES = {"accuracy": "accuracy", "accuracy_top5": "label among the first five classes"}


@dataclass(frozen=True)
class Accuracy(Measure):
    """How often a network is right: the share of the images whose label is the class that it ranks first.

    A network's output is the last of its listed tensors, one score a class, in the order of the images' classes; of
    equal scores the first class counts. `accuracy` is (model), and where there are more than five classes so is
    `accuracy_top5`, the share of the images whose label is among the first five. Images without a label do not count.
    Standard errors are over images. Raghu et al. 2021 (fig 8) tell by it what a network loses with a block's skips.
    `models` are names or globs.

    >>> Accuracy("vit*").models
    'vit*'
    """

    name: ClassVar[str] = "accuracy"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Raghu et al. 2021, fig 8"

    models: str | tuple[str, ...] = "*"
    classes: int = field(default=0, metadata={FOUND: True})
    bound: tuple[Selected, ...] = field(default=(), metadata={FOUND: True})

    def bind(self, sources: Sources) -> "Accuracy":
        if not self.models:
            raise StudyError('accuracy needs models: names or globs such as "vit*"; left out: all.')
        try:
            models = sources.models(self.models)
        except StudyError as error:
            raise StudyError(f"models = {error}") from None
        classes = len(sources.classes())
        if classes < 2:
            raise StudyError(
                f"accuracy: the images name {classes} classes, and there must be two at least to be told apart. "
                "A dataset object names them in a list `classes`."
            )
        return replace(self, models=(), classes=classes, bound=tuple(_output(sources, m, classes) for m in models))

    def needs(self, *earlier: xr.Dataset) -> tuple[Hits, ...]:
        most = TOP if self.classes > TOP else 1
        return tuple(Hits(Tap(s.source, s.tensor, Ranked(most))) for s in self.bound)

    def read(self, *totals: State) -> xr.Dataset:
        by_rank = torch.stack([mean(total) for total in totals]).numpy()
        found = {"accuracy": by_rank[:, 0]} | ({"accuracy_top5": by_rank.sum(1)} if self.classes > TOP else {})
        told = {name: ("model", values, {"long_name": NAMES[name], "units": "1"}) for name, values in found.items()}
        return xr.Dataset(told, {"model": [s.source for s in self.bound]})


def _output(sources: Sources, model: str, classes: int) -> Selected:
    """The last tensor of a model; refused unless it is one score a class."""
    last = sources.select(f"{model}:**")[-1]
    shape = sources.layer(model, last.tensor).shape
    if [side for side in shape if side > 1] != [classes]:
        told = " x ".join(map(str, shape)) or "1"
        raise StudyError(
            f"{last}: the output of {model} is {told} numbers an image, and the images have {classes} classes. "
            "Accuracy needs one score a class, in the order of the images' classes: name models trained on these."
        )
    return last
