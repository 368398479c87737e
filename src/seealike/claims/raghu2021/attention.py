"""How far heads look, and which of them see as a CNN does (figures 3, 4, 5, C.5, C.6).

A head is called local where it looks less far than half of what uniform attention does. A count of such heads has no
honest interval; its sign does: the most local of the heads is below half, or it is not.
"""

from math import hypot, log

import numpy as np
import xarray as xr

from seealike.claims.claim import Claim, Need
from seealike.claims.parts import lower_third, mean
from seealike.claims.raghu2021.networks import (
    BASE_WITH_LESS_DATA,
    CNN,
    LARGE,
    LARGE_WITH_LESS_DATA,
    OF_NO_SIZE,
    OF_NO_SIZE_WITH_LESS_DATA,
    TRANSFORMER,
)

HALF = 0.5
TWO = slice(2), slice(-2, None)


def uniform_distance(height: float, width: float) -> float:
    """The mean distance of two points drawn uniformly from a rectangle: where uniform attention looks.

    It is the limit of small patches; of g x g patches by less than 1 / g^2 too long, by 1.1 % for 7 x 7.
    Ghosh 1951.

    >>> round(uniform_distance(1.0, 1.0), 4), round(uniform_distance(224.0, 224.0), 1)
    (0.5214, 116.8)
    """
    a, b = height, width
    d = hypot(a, b)
    sides = a**3 / b**2 + b**3 / a**2 + d * (3 - a**2 / b**2 - b**2 / a**2)
    return (sides + 2.5 * (b**2 / a * log((a + d) / b) + a**2 / b * log((b + d) / a))) / 15


def reach(distances: xr.Dataset, layers: slice) -> np.ndarray:
    """How far the heads of some layers look, as a share of the uniform distance."""
    (facts,) = distances.attrs["models"].values()
    values = distances["attention_distance"].transpose("layer", "head").values[layers]
    return values[np.isfinite(values)] / uniform_distance(*map(float, facts["input"][-2:]))


def least(distances: xr.Dataset, layers: slice) -> float:
    """The reach of the most local head."""
    found = reach(distances, layers)
    return float(found.min()) if found.size else float("nan")


def most(distances: xr.Dataset, layers: slice) -> float:
    """The reach of the most global head."""
    found = reach(distances, layers)
    return float(found.max()) if found.size else float("nan")


def locality(distances: xr.Dataset) -> float:
    """How far the heads of the two lowest layers fall short of half the uniform distance, on average; 0: none does.

    It counts local heads, each by how local it is.
    """
    return mean(np.maximum(HALF - reach(distances, TWO[0]), 0))


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation; equal values share the mean of their ranks.

    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([5.0, 1.0, 0.0]))
    -1.0
    """
    ranks = [_ranks(values) for values in (a, b)]
    centred = [rank - rank.mean() for rank in ranks]
    norm = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return float((centred[0] * centred[1]).sum() / norm) if norm else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def local_heads_alike(heads: xr.Dataset) -> float:
    """Spearman correlation of a subset's distance with its CKA to a layer, mean over the lower third of the layers."""
    distance, layers = heads["distance"].values, heads["head_cka"].transpose("layer_b", "subset").values
    known = np.isfinite(distance)
    return mean(np.array([rank_correlation(distance[known], column[known]) for column in lower_third(layers)]))


def _distances(role) -> Need:
    return Need("attention_distance", (role,))


CLAIMS = (
    Claim(
        "raghu2021.local_heads",
        "figs 3, C.6",
        "At least one head in the two lowest layers of a transformer looks less than half as far as uniform attention.",
        (_distances(TRANSFORMER),),
        lambda distances: least(distances, TWO[0]),
        claimed="<",
        null=HALF,
        unit="of the uniform distance",
    ),
    Claim(
        "raghu2021.global_heads",
        "figs 3, C.6",
        "At least one head in the two lowest layers of a transformer looks more than half as far as uniform attention.",
        (_distances(TRANSFORMER),),
        lambda distances: most(distances, TWO[0]),
        null=HALF,
        unit="of the uniform distance",
    ),
    Claim(
        "raghu2021.highest_global",
        "figs 3, C.6",
        "No head in the two highest layers of a transformer looks less than half as far as uniform attention.",
        (_distances(TRANSFORMER),),
        lambda distances: least(distances, TWO[1]),
        claimed=">=",
        null=HALF,
        unit="of the uniform distance",
    ),
    Claim(
        "raghu2021.data_makes_local",
        "fig 4",
        "With less training data the heads in the two lowest layers of a large transformer are less local.",
        (_distances(LARGE), _distances(LARGE_WITH_LESS_DATA)),
        lambda much, less: locality(much) - locality(less),
        unit="of the uniform distance",
    ),
    Claim(
        "raghu2021.data_brings_nearer",
        "fig 4",
        "With less training data the most local head in the two lowest layers of a transformer looks farther.",
        (_distances(OF_NO_SIZE), _distances(OF_NO_SIZE_WITH_LESS_DATA)),
        lambda much, less: least(less, TWO[0]) - least(much, TWO[0]),
        unit="of the uniform distance",
    ),
    Claim(
        "raghu2021.base_local_anyway",
        "fig C.5",
        "With less training data at least one head in the two lowest layers of a base transformer is still local.",
        (_distances(BASE_WITH_LESS_DATA),),
        lambda distances: least(distances, TWO[0]),
        claimed="<",
        null=HALF,
        unit="of the uniform distance",
    ),
    Claim(
        "raghu2021.local_heads_see_like_a_cnn",
        "fig 5",
        "The farther heads of a transformer's first block look, the less alike they are to the CNN's lower third.",
        (Need("head_cka", (TRANSFORMER, CNN), "*"),),
        local_heads_alike,
        claimed="<",
        unit="Spearman",
        jumps=True,
    ),
)
