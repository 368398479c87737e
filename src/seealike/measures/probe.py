"""Linear probes: how well a layer, or each of its tokens, tells the classes."""

from dataclasses import dataclass, field, replace
from math import gcd, prod
from typing import ClassVar

import numpy as np
import torch
import xarray as xr

from seealike.errors import StudyError, closest
from seealike.kernel import FOUND, SET, Earlier, Measure, Selected, Sources, State, Tap
from seealike.measures.fit import Fit
from seealike.measures.layers import placed, ragged
from seealike.models.graph import Layer
from seealike.statistics.average import mean
from seealike.statistics.hits import Hits
from seealike.views.linear import Predicted, Probed, Vectors
from seealike.views.pooling import EVERY, Pool, side, standing

PENALTIES = tuple(10.0**k for k in range(-5, 3))
HOLDOUT, HOLDOUT_OF_SHOTS = 0.1, 0.2
VIEWS = ("mean", "cls", "tokens", "first", "all", "rest", "flatten", "patches")
OF_POOL = {"tokens": EVERY}  # what `Pool` calls them
NAMES = {
    "accuracy": "accuracy of a linear probe",
    "accuracy_spread": "standard deviation of the accuracy over draws",
    "penalty": "ridge penalty, relative to the number of images",
    "validation_error": "squared error on held-out training images",
}
Pixels = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Probe(Measure):
    """How well a linear classifier reads the class from a layer: the share of test images that it gets right.

    Ridge regression of features, standardised on the training images, onto +1 for the class and -1 for all others; the
    class of the highest score is the answer. Raghu et al. 2021, figures 11, 13, D.4, F.1 to F.3. `accuracy` and its
    standard error over test images are (layer, token, split); the coordinates `penalty` and `validation_error` (the
    squared error on the training images held out to choose it, mean over classes) are (layer, token). With `shots` so
    many images of every class are trained on; `draws` of them are averaged, `accuracy_spread` is their deviation.

    >>> Probe("vit", train="photographs", view="tokens", shots=10).layers
    '@block'
    """

    name: ClassVar[str] = "probe"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Raghu et al. 2021, figs 11, 13, D.4, F.1-F.3"

    model: str
    train: str = field(metadata={SET: True})
    layers: str | tuple[str, ...] = "@block"
    view: str = "mean"
    test: str | None = field(default=None, metadata={SET: True})
    shots: int | None = None
    draws: int = 1
    penalties: tuple[float, ...] = PENALTIES
    holdout: float | None = None
    bound: tuple[Fit, ...] = field(default=(), metadata={FOUND: True})
    places: tuple[Pixels, ...] = field(default=(), metadata={FOUND: True})
    known: tuple[xr.Dataset, ...] = field(default=(), metadata={FOUND: True}, repr=False, compare=False)

    def __post_init__(self):
        if self.view not in VIEWS:
            raise StudyError(f'view = "{self.view}" is no view of a probe. {closest(self.view, VIEWS)}')
        if self.shots is not None and self.shots < 2:
            raise StudyError(f"shots = {self.shots}: train on at least 2 images of each class.")
        if self.draws < 1 or (self.draws > 1 and self.shots is None):
            raise StudyError(
                f"draws = {self.draws}: only shots are drawn, once or more often. Write shots = 10 with it."
            )
        if not self.penalties or min(self.penalties) <= 0:
            raise StudyError(f"penalties = {list(self.penalties)}: give one or more, all above 0.")
        if self.holdout is not None and not 0 < self.holdout < 1:
            raise StudyError(f"holdout = {self.holdout}: a share of the training images, between 0 and 1.")

    @property
    def sets(self) -> tuple[str | None, ...]:
        return (self.train,)

    @property
    def asked_of(self) -> str | None:
        return self.test

    def bind(self, sources: Sources) -> "Probe":
        classes, images = self._training(sources)
        found = [self._viewed(s, sources) for s in self._select(sources)]
        fits = [
            Fit(s, how, *Vectors(how).sizes(sources.layer(s.source, s.tensor)), classes, images, *self._choosing, draw)
            for draw in range(self.draws)
            for s, how in found
        ]
        places = tuple(_pixels(sources.layer(s.source, s.tensor), how) for s, how in found)
        return replace(self, model="", layers=(), bound=tuple(fits), places=places)

    def earlier(self) -> tuple[Earlier, ...]:
        return tuple(Earlier(fit, self.train, self.shots, fit.seed) for fit in self.bound)

    def knowing(self, *earlier: xr.Dataset) -> "Probe":
        return replace(self, known=tuple(e.drop_vars(["weights", "intercept", "centre"]) for e in earlier))

    def needs(self, *earlier: xr.Dataset) -> tuple[Hits, ...]:
        probes = [_probed(e) for e in earlier] or [None] * len(self.bound)
        pairs = zip(self.bound, probes, strict=True)
        return tuple(Hits(Tap(f.layer.source, f.layer.tensor, Predicted(f.view, probe))) for f, probe in pairs)

    def read(self, *totals: State) -> xr.Dataset:
        accuracy = self._each_draw([mean(total).numpy() for total in totals])
        found = {"accuracy": accuracy.mean(0)}
        if self.draws > 1:
            found["accuracy_spread"] = accuracy.std(0, ddof=1)
        answer = xr.Dataset(
            {
                name: (("layer", "token", "split"), values[..., None], {"long_name": NAMES[name], "units": "1"})
                for name, values in found.items()
            }
        )
        answer = answer.assign_coords(self._coordinates()).assign_coords(self._trained() if self.known else {})
        return answer.assign_attrs(self._counts(), notes=self._notes())

    @property
    def _choosing(self) -> tuple[tuple[float, ...], float]:
        usual = HOLDOUT if self.shots is None else HOLDOUT_OF_SHOTS
        return self.penalties, self.holdout or usual

    def _training(self, sources: Sources) -> tuple[int, int]:
        """How many classes and how many images there are to train on."""
        classes, own = sources.classes(self.train), sources.classes()
        if len(classes) < 2:
            raise StudyError(
                f'train = "{self.train}": it names {len(classes)} classes, and a probe tells at least two apart. '
                "A dataset object names them in a list `classes`."
            )
        for number, name in enumerate(own):
            if name not in classes[number : number + 1]:
                there = repr(classes[number]) if number < len(classes) else "none"
                raise StudyError(
                    f'train = "{self.train}": its class {number} is {there}, but {name!r} in the images that test the '
                    "probes. Both need the same classes in the same order."
                )
        if common := sources.common(self.train):
            raise StudyError(
                f'train = "{self.train}": {common} of its images are also among those that test the probes, and '
                "accuracy on training images says nothing. Train on other images, such as another split."
            )
        return len(classes), self.shots * len(classes) if self.shots else sources.count(self.train) or 0

    def _select(self, sources: Sources) -> tuple[Selected, ...]:
        patterns = (self.layers,) if isinstance(self.layers, str) else self.layers
        refuses = _no_map if self.view == "patches" else Pool(OF_POOL.get(self.view, self.view)).refuses
        here = (p if p.startswith(f"{self.model}:") else f"{self.model}:{p}" for p in patterns)
        return tuple(dict.fromkeys(s for p in here for s in sources.select(p, refuses)))

    def _viewed(self, selected: Selected, sources: Sources) -> tuple[Selected, str]:
        """A layer, and the way in which it is seen."""
        if self.view != "patches":
            return selected, OF_POOL.get(self.view, self.view)
        last = sources.select(f"{self.model}:@block")[-1]
        width = _channels(sources.layer(last.source, last.tensor))
        return selected, f"patches{_cut(sources.layer(selected.source, selected.tensor), width)}"

    def _each_draw(self, values: list[np.ndarray]) -> np.ndarray:
        """draw x layer x token, NaN for tokens that a layer has not."""
        whole = ragged(values)
        return whole.reshape(self.draws, -1, whole.shape[-1])

    def _trained(self) -> dict[str, tuple]:
        """Of the training: coordinates, as test images tell no error of them. Of penalties the geometric mean."""
        penalty, error = (
            self._each_draw([one[name].values for one in self.known]) for name in ("penalty", "validation_error")
        )
        found = {"penalty": np.exp(np.log(penalty).mean(0)), "validation_error": error.mean(0)}
        return {n: (("layer", "token"), v, {"long_name": NAMES[n], "units": "1"}) for n, v in found.items()}

    def _coordinates(self) -> dict[str, tuple]:
        layers = [fit.layer for fit in self.bound[: len(self.places)]]
        tokens = max(map(len, self.places))
        yx = placed(self.places, tokens)
        return {
            "layer": ("layer", [str(s) for s in layers]),
            "depth": ("layer", [s.depth for s in layers]),
            "token": ("token", np.arange(tokens)),
            "split": ("split", ["test"]),
            "place_y": (("layer", "token"), yx[0]),
            "place_x": (("layer", "token"), yx[1]),
        }

    def _counts(self) -> dict[str, int]:
        """How many images of one draw were trained on, and how many of those were held out to choose the penalty."""
        return {name: self.known[0].attrs[name] for name in ("training_images", "held_out_images") if self.known}

    def _notes(self) -> list[str]:
        fewest, most = (f(map(len, self.places)) for f in (min, max))
        if fewest == most:
            return []
        return [f"layers have {fewest} to {most} tokens: the values of tokens that a layer has not are NaN"]


def _probed(trained: xr.Dataset) -> Probed:
    return Probed(*(torch.from_numpy(trained[name].values) for name in ("weights", "intercept", "centre")))


def _pixels(layer: Layer, how: str) -> Pixels:
    """The place of each token, minus infinity for what stands for no part of the image."""
    if how != EVERY or layer.places is None:
        return ((-np.inf, -np.inf),)
    kept = layer.places.yx.reshape(2, -1)[:, standing(layer.places).flatten()]
    return tuple((float(y), float(x)) for y, x in kept.T)


def _channels(layer: Layer) -> int:
    return prod(layer.shape) // (layer.places.somewhere.numel() if layer.places else 1)


def _cut(layer: Layer, width: int) -> int:
    """The divisor k of the map's sides that brings its channels times k^2 nearest `width`."""
    sides = gcd(*(side(layer) or (1, 1)))
    return min((k for k in range(1, sides + 1) if sides % k == 0), key=lambda k: abs(_channels(layer) * k * k - width))


def _no_map(layer: Layer) -> str | None:
    return Pool("patches1").refuses(layer)
