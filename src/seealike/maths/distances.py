"""The answers of the measures of pairs as distances: 0 where two layers see alike, symmetric."""

import numpy as np
import xarray as xr

DISTANCES: tuple[str, ...] = ("cka", "imbalance", "mutual_knn", "procrustes", "rsa")
# those whose points lie on a sphere, so that its trigonometry holds for them exactly
SPHERICAL: tuple[str, ...] = ("cka", "rsa")
ANGULAR: tuple[str, ...] = (*SPHERICAL, "procrustes")
ROUNDING = 1e-9


def distance(name: str, answer: xr.Dataset) -> np.ndarray:
    """How far apart the layers of an answer are, (layer_a, layer_b): 0 seen alike, and exactly 0 a layer from itself.

    `cka` and `rsa`: the angle arccos(x). `procrustes` is an angle already. `imbalance`: the mean of both rescaled
    ones. `mutual_knn`: 1 - x. Angles are in radians, of independent layers about pi / 2; of the others these are at 1.
    What rounding puts beyond 1 is 1, and nothing else is clipped.

    >>> layers = {"layer_a": ["vit:a", "vit:b"], "layer_b": ["vit:a", "vit:b"]}
    >>> answer = xr.Dataset({"cka": (("layer_a", "layer_b"), [[1.0, 0.5], [0.5, 1.0]])}, layers)
    >>> np.degrees(distance("cka", answer)).round(6)
    array([[ 0., 60.],
           [60.,  0.]])
    """
    if name == "imbalance":
        found = (answer["imbalance_rescaled"].values + answer["imbalance_rescaled_reverse"].values) / 2
    elif name == "mutual_knn":
        found = 1 - answer["mutual_knn"].values
    else:
        found = answer[name].values if name == "procrustes" else angle(answer[name].values)
    same = answer["layer_a"].values[:, None] == answer["layer_b"].values
    return np.where(same & np.isfinite(found), 0.0, found)


def angle(cosine: np.ndarray) -> np.ndarray:
    """The angle in radians; NaN where there is none."""
    return np.arccos(bounded(cosine))


def bounded(cosine: np.ndarray) -> np.ndarray:
    """What rounding puts beyond 1 or -1 is that; NaN where no rounding does.

    >>> bounded(np.array([1 + 1e-12, 0.5, 1.1]))
    array([1. , 0.5, nan])
    """
    near = np.abs(cosine) <= 1 + ROUNDING
    return np.where(near, np.clip(cosine, -1, 1), np.nan)
