"""A flat map of things of which only the distances are known."""

import numpy as np
from jaxtyping import Float


def flat(distances: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n 2"]:
    """Places on a plane whose distances are as near the given ones as can be: a picture, and no evidence.

    Metric multidimensional scaling by scikit-learn (SMACOF, from the classical solution). What has no distance from
    itself is undefined and has no place; the first of the others lies to the lower left.

    >>> at = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    >>> found = flat(np.linalg.norm(at[:, None] - at, axis=2))
    >>> np.linalg.norm(found[:, None] - found, axis=2).round(3)[0]
    array([0., 3., 5.])
    """
    from sklearn.manifold import MDS  # slow to import

    found = np.full((len(distances), 2), np.nan)
    known = np.flatnonzero(np.isfinite(np.diagonal(distances)))
    some = distances[np.ix_(known, known)]
    if not np.isfinite(some).all() or len(known) < 2:
        return found
    scaling = MDS(2, metric="precomputed", init="classical_mds", n_init=1, random_state=0)
    places = np.asarray(scaling.fit_transform((some + some.T) / 2))
    found[known] = places * np.where(places[0] > 0, -1, 1)
    return found
