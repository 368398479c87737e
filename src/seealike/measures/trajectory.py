"""A network's layers as a path: how far each step goes, how evenly, how smoothly, and how far from other networks'."""

from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, get_args, get_type_hints

import xarray as xr

from seealike.errors import StudyError, closest
from seealike.kernel import FOUND, Measure, Sources, State, Statistic
from seealike.maths.distances import DISTANCES, distance
from seealike.measures.cka import CKA
from seealike.measures.imbalance import Imbalance
from seealike.measures.mutual_knn import MutualKNN
from seealike.measures.pairs import Pattern
from seealike.measures.procrustes import Procrustes
from seealike.measures.rsa import RSA
from seealike.measures.walked import Apart, coordinates, notes, variables
from seealike.measures.walks import Walk, input_of, refuse_short_lags, walks
from seealike.views.pooling import Pool

KINDS: dict[str, type[Measure]] = {kind.name: kind for kind in (CKA, Imbalance, MutualKNN, Procrustes, RSA)}
OPTIONS = ("view", "estimator", "k", "metric", "width", "subset", "subsets")  # of them, as far as each has them


@dataclass(frozen=True)
class Trajectory(Measure):
    """How a network's layers lead from image to output: how long, how straight, how even and how smooth a path.

    The distance between all layers of all models is that of another measure (`distance`): arccos of `cka` and of `rsa`,
    `procrustes`, 1 - `mutual_knn`, the mean of `imbalance` rescaled both ways. Read from it, for each model: `step` to
    the next layer, `length` their sum, `straightness` the distance of the ends over the length, `turning` at each layer
    (180 degrees less the interior angle), `unevenness` the largest step over the mean step, `gini` of the steps, and
    `structure`, S(h) = mean_u d(X(u), X(u + h)): how far a path goes while the depth grows by a fraction h of it, which
    does not depend on how many layers were asked for, as steps do. `structure_work` is the same where depth is the
    share of operations done. `map` shows all paths on a plane: a picture, and no evidence. Lange et al. 2023; Mahaut &
    Baroni 2026.
    `models` are names or globs; `layers` patterns for all of them (`@block`), or for one (`vit:@residual`).

    >>> Trajectory("vit*", distance="procrustes", width=32).lags
    (0.125, 0.25, 0.5)
    """

    name: ClassVar[str] = "trajectory"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Mahaut & Baroni 2026; Lange et al. 2023; Williams et al. 2021"

    models: Pattern = "*"
    layers: Pattern = "@block"
    distance: str = "cka"
    view: str | None = None
    lags: tuple[float, ...] = (0.125, 0.25, 0.5)
    estimator: str | None = None
    k: int | None = None
    metric: str | None = None
    width: int | None = None
    subset: int | None = None
    subsets: int | None = None
    inner: Measure | None = field(default=None, metadata={FOUND: True}, kw_only=True)
    walks: tuple[Walk, ...] = field(default=(), metadata={FOUND: True}, kw_only=True)

    def __post_init__(self):
        if self.distance not in DISTANCES:
            raise StudyError(f'distance = "{self.distance}" is no distance. {closest(self.distance, DISTANCES)}')
        if not self.lags or not all(0 < lag <= 1 for lag in self.lags):
            raise StudyError(f"lags = {list(self.lags)}: write fractions of the depth, above 0 and up to 1.")
        _asked(self)  # refuses what the distance does not take

    @property
    def few(self) -> int | None:
        return (self.inner or _asked(self)).few

    def bind(self, sources: Sources) -> "Trajectory":
        inner = _asked(self)
        pool = Pool(inner.view)  # type: ignore[attr-defined]
        found = walks(sources, self.models, self.layers, pool)
        refuse_short_lags(self.lags, found)
        inputs = [s for s in (input_of(sources, walk.model, pool) for walk in found) if s]
        every = dict.fromkeys([*(s for walk in found for s in walk.layers), *inputs])
        bound = replace(inner, layers=tuple(map(str, every))).bind(sources)  # type: ignore[call-arg]
        left = dict.fromkeys(OPTIONS)  # they are the inner question's now
        return replace(self, models=(), layers=(), **left, inner=bound, walks=found)

    def needs(self, *earlier: xr.Dataset) -> tuple[Statistic, ...]:
        assert self.inner is not None
        return self.inner.needs(*earlier)

    def read(self, *totals: State) -> xr.Dataset:
        assert self.inner is not None
        answer = self.inner.read(*totals)
        apart = Apart(self.walks, distance(self.distance, answer), [str(name) for name in answer["layer_a"].values])
        told = xr.Dataset(variables(apart, self.distance, self.lags), coordinates(apart, self.lags))
        return told.assign_attrs(answer.attrs).assign_attrs(
            distance=self.distance, notes=[*answer.attrs["notes"], *notes(apart, told)]
        )


def _asked(measure: Trajectory) -> Measure:
    """The question whose answer the distances are, with what was written for it."""
    kind = KINDS[measure.distance]
    known, hints = {f.name for f in fields(kind)}, get_type_hints(kind)  # type: ignore[arg-type]
    given = {key: value for key in OPTIONS if (value := getattr(measure, key)) is not None}
    for key, value in given.items():
        if key not in known:
            takers = [name for name, other in KINDS.items() if key in get_type_hints(other)]
            raise StudyError(f"{key} = {value}: {measure.distance} has no {key}. It is of: {', '.join(takers)}.")
        choices = get_args(hints[key])
        if choices and value not in choices:
            raise StudyError(f'{key} = "{value}": {closest(str(value), choices)}')
    return kind(**given)
