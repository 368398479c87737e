"""What is told of paths from how far their layers are apart: variables, coordinates, notes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from seealike.maths import paths
from seealike.maths.distances import ANGULAR, SPHERICAL
from seealike.maths.mapping import flat
from seealike.measures.walks import Walk
from seealike.models.names import INPUT

CALLED = {
    "cka": "CKA angle",
    "imbalance": "information imbalance, both ways",
    "mutual_knn": "1 - mutual k-NN",
    "procrustes": "Procrustes angle",
    "rsa": "RSA angle",
}
Variable = tuple[tuple[str, ...], np.ndarray, dict[str, str]]


@dataclass(frozen=True, eq=False)
class Apart:
    """How far the layers of all paths are from each other; `names` are those of the rows of `distances`."""

    walks: tuple[Walk, ...]
    distances: np.ndarray
    names: Sequence[str]

    @property
    def all(self) -> np.ndarray:
        """Of the layers of all paths, one after another."""
        return self._of([name for walk in self.walks for name in walk.names])

    def within(self, walk: Walk) -> np.ndarray:
        return self._of(walk.names)

    @property
    def inputs(self) -> np.ndarray:
        """Of each layer of all paths from what its network was given; NaN where that could not be seen so."""
        return np.concatenate([self._from_input(walk) for walk in self.walks])

    def _from_input(self, walk: Walk) -> np.ndarray:
        given = f"{walk.model}:{INPUT}"
        if given not in self.names:
            return np.full(len(walk.layers), np.nan)
        return self._of([given, *walk.names])[0, 1:]

    def each(self, told: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """What is told of every layer from the distances of its path, one path after another."""
        return np.concatenate([told(self.within(walk)) for walk in self.walks])

    def whole(self, told: Callable[[np.ndarray], float]) -> np.ndarray:
        """What is told of every path from its distances."""
        return np.array([told(self.within(walk)) for walk in self.walks])

    def structure(self, lags: Sequence[float], at: Callable[[Walk], np.ndarray]) -> np.ndarray:
        """Path x lag: how far a path goes while its depth, as told by `at`, grows by the lag."""
        rows = [[paths.structure(self.within(w), at(w), lag) for lag in lags] for w in self.walks]
        return np.array(rows)

    def _of(self, names: Sequence[str]) -> np.ndarray:
        at: Mapping[str, int] = {name: i for i, name in enumerate(self.names)}
        chosen = [at[name] for name in names]
        return self.distances[np.ix_(chosen, chosen)]


def variables(apart: Apart, distance: str, lags: Sequence[float]) -> dict[str, Variable]:
    """By name: dimensions, values, what they are and in which units."""
    far, its = "radian" if distance in ANGULAR else "1", CALLED[distance]
    turning = partial(paths.turning, spherical=distance in SPHERICAL)

    def made(*dims: str) -> Callable[[np.ndarray, str, str], Variable]:
        return lambda values, said, units: (dims, values, {"long_name": said, "units": units})

    layer, lag, model = made("layer"), made("model", "lag"), made("model")
    return {
        "distance": made("layer_a", "layer_b")(apart.all, its, far),
        "step": layer(apart.each(lambda d: np.append(paths.steps(d), np.nan)), f"{its} to the next layer", far),
        "turning": layer(apart.each(turning), "turning angle", "degree"),
        "from_input": layer(apart.inputs, f"{its} from the input", far),
        "to_output": layer(apart.each(lambda d: d[:, -1]), f"{its} to the last layer", far),
        "structure": lag(apart.structure(lags, lambda w: w.depth), f"{its} at equal lags of depth", far),
        "structure_work": lag(apart.structure(lags, lambda w: np.array(w.work)), f"{its} at equal lags of work", far),
        "length": model(apart.whole(paths.length), "length of the path", far),
        "straightness": model(apart.whole(paths.straightness), "straightness of the path", "1"),
        "unevenness": model(apart.whole(lambda d: paths.unevenness(paths.steps(d))), "largest step over mean", "1"),
        "gini": model(apart.whole(lambda d: paths.gini(paths.steps(d))), "Gini coefficient of the steps", "1"),
        "total_turning": model(apart.whole(lambda d: float(turning(d)[1:-1].sum())), "sum of turning angles", "degree"),
    }


def coordinates(apart: Apart, lags: Sequence[float]) -> dict[str, Any]:
    """The layers by name, with their depth in their path, the share of work done and a place on the map; the models."""
    names = [name for walk in apart.walks for name in walk.names]
    depth = np.concatenate([walk.depth for walk in apart.walks])
    work = np.concatenate([walk.work for walk in apart.walks])
    sides = {side: ("layer" + side, names) for side in ("", "_a", "_b")}
    return {
        **{f"layer{side}": at for side, at in sides.items()},
        **{f"depth{side}": (at, depth) for side, (at, _) in sides.items()},
        **{f"work{side}": (at, work) for side, (at, _) in sides.items()},
        "map": (("layer", "axis"), flat(apart.all), {"long_name": "map of the layers (MDS)", "units": "1"}),
        "axis": ["x", "y"],
        "model": [walk.model for walk in apart.walks],
        "lag": list(lags),
    }


def notes(apart: Apart, answer: xr.Dataset) -> list[str]:
    """What is undefined though the distances are known, and why."""
    found = [_unseen(walk) for walk in apart.walks if f"{walk.model}:{INPUT}" not in apart.names]
    for walk, row in zip(apart.walks, answer["structure_work"].values, strict=True):
        short = [f"{lag:g}" for lag, value in zip(answer["lag"].values, row, strict=True) if np.isnan(value)]
        if short and np.isfinite(apart.within(walk)).all():
            found.append(_no_lag(walk, short))
    return found + _no_triangle(apart, answer)


def _unseen(walk: Walk) -> str:
    return f"{walk.model}:{INPUT} cannot be seen as the layers are: from_input is undefined"


def _no_lag(walk: Walk, lags: Sequence[str]) -> str:
    most, whole = paths.coarsest(np.array(walk.work)), walk.work[-1] - walk.work[0]
    spans = f"steps of up to {most:.3g} of the work, {whole:.3g} in all"
    return f"{walk.model} has {spans}: structure_work is undefined for the lags {', '.join(lags)}"


def _no_triangle(apart: Apart, answer: xr.Dataset) -> list[str]:
    """Layers at which a path moves, and yet has no angle."""
    step = answer["step"].values
    moves = np.isfinite(step) & (step > 0) & np.isfinite(np.roll(step, 1)) & (np.roll(step, 1) > 0)
    known = moves & np.isfinite(apart.each(lambda d: np.concatenate([[np.nan], np.diagonal(d, 2), [np.nan]])[: len(d)]))
    without = answer["layer"].values[known & np.isnan(answer["turning"].values)]
    said = "no triangle has the sides of the path at"
    return [f"{said} {', '.join(map(str, without))}: turning there, and its sum, is undefined"] if len(without) else []
