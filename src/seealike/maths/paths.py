"""A network's layers as a path, from the distances between them: how long, how straight, how even, how smooth.

`distances` are those of the layers of one path with each other, in the order of execution. What depends on an
undefined one is undefined.
"""

import numpy as np
from jaxtyping import Float

from seealike.maths.distances import bounded

Distances = Float[np.ndarray, "taps taps"]
Numbers = Float[np.ndarray, " n"]
SAME = 1e-9  # of positions that rounding sets apart


def steps(distances: Distances) -> Numbers:
    """How far each layer is from the next: one fewer than layers."""
    return np.diagonal(distances, 1).copy()


def length(distances: Distances) -> float:
    """The sum of all steps."""
    return float(steps(distances).sum())


def straightness(distances: Distances) -> float:
    """From the first layer to the last, over the length: 1 a straight path; NaN for one that does not move.

    >>> at = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    >>> float(straightness(np.linalg.norm(at[:, None] - at, axis=2)))
    0.7142857142857143
    """
    whole = length(distances)
    return float(distances[0, -1]) / whole if whole > 0 else float("nan")


def turning(distances: Distances, spherical: bool) -> Numbers:
    """By how many degrees the path turns at each layer: 0 straight on, 180 back; NaN at both ends.

    180 less the interior angle at the layer, from the law of cosines: that of the sphere, cos B = (cos b - cos a cos c)
    / (sin a sin c), for angles between points of a sphere, where it is exact; else that of the plane, (a^2 + c^2 - b^2)
    / 2ac. NaN too where the path stands still, and where no triangle has these sides, as can be of what is no metric.

    >>> at = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    >>> turning(np.linalg.norm(at[:, None] - at, axis=2), spherical=False)
    array([nan, 90., nan])
    """
    step, across = steps(distances), np.diagonal(distances, 2)
    a, c = step[:-1], step[1:]
    if spherical:
        over, under = np.cos(across) - np.cos(a) * np.cos(c), np.sin(a) * np.sin(c)
    else:
        over, under = a**2 + c**2 - across**2, 2 * a * c
    moves = under > 0
    cosine = np.where(moves, over / np.where(moves, under, 1), np.nan)
    return np.concatenate([[np.nan], 180 - np.degrees(np.arccos(bounded(cosine))), [np.nan]])[: len(distances)]


def unevenness(step: Numbers) -> float:
    """The largest step over the mean step: 1 if all are equal.

    >>> float(unevenness(np.array([1.0, 1.0, 4.0])))
    2.0
    """
    mean = step.mean()
    return float(step.max() / mean) if mean > 0 else float("nan")


def gini(step: Numbers) -> float:
    """How unequal the steps are: 0 all equal, near 1 where one is all of the way.

    The mean absolute difference of two steps over twice their mean.

    >>> round(float(gini(np.array([1.0, 1.0, 4.0]))), 4)
    0.3333
    """
    mean = step.mean()
    return float(np.abs(step[:, None] - step).mean() / (2 * mean)) if mean > 0 else float("nan")


def coarsest(at: Numbers) -> float:
    """The longest way between two layers that follow each other: no shorter lag can be told."""
    return float(np.diff(at).max())


def structure(distances: Distances, at: Numbers, lag: float) -> float:
    """S(h), how far a path goes on average while the depth grows by the lag h; `at` is how deep each layer lies.

    For each layer l with u_l + h on the path, its distance from the point at u_l + h, interpolated linearly between the
    later layers; each l counts by the stretch of depth it stands for. NaN where the lag is shorter than a step in depth
    or longer than all: what lies between layers is not made up.

    >>> line = np.linspace(0, 1, 9)
    >>> round(structure(np.abs(line[:, None] - line), line, 0.3), 9), structure(np.abs(line[:, None] - line), line, 0.1)
    (0.3, nan)
    """
    if not coarsest(at) - SAME <= lag <= at[-1] - at[0] + SAME:
        return float("nan")
    starts = np.flatnonzero(at + lag <= at[-1] + SAME)
    far = np.array([np.interp(at[i] + lag, at[i:], distances[i, i:]) for i in starts])
    weights = np.gradient(at[starts]) if len(starts) > 1 else np.ones(1)
    return float(np.average(far, weights=weights))


def matched(
    distances: Float[np.ndarray, "a b"], a: Float[np.ndarray, " a"], b: Float[np.ndarray, " b"], at: Numbers
) -> Numbers:
    """How far two paths are apart at the same depths `at`, interpolated between the layers of each.

    `distances` are between the layers of one, which lie at the depths `a`, and those of the other, at `b`.

    >>> a, b = np.linspace(0, 1, 3), np.linspace(0, 1, 5)
    >>> matched(1 + a[:, None] + b, a, b, np.array([0.0, 0.375, 1.0]))
    array([1.  , 1.75, 3.  ])
    """
    along = np.array([np.interp(at, b, row) for row in distances])
    return np.array([np.interp(u, a, column) for u, column in zip(at, along.T, strict=True)])
