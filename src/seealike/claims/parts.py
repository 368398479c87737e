"""Parts of a network that claims speak of: the lower third of its blocks, the first half of its skips.

Arrays have the layers along their first axis, in the order in which the network runs.
"""

import numpy as np


def third(count: int) -> int:
    """How many of so many layers are a third of them; of one or two layers there is none.

    >>> [third(count) for count in (2, 3, 4, 7, 12)]
    [0, 1, 1, 2, 4]
    """
    return round(count / 3) if count > 2 else 0


def lower_third(along: np.ndarray) -> np.ndarray:
    """The first third of the layers."""
    return along[: third(len(along))]


def middle_third(along: np.ndarray) -> np.ndarray:
    """What lies between the first and the last third."""
    part = third(len(along))
    return along[part : len(along) - part] if part else along[:0]


def upper_third(along: np.ndarray) -> np.ndarray:
    """The last third of the layers."""
    return along[len(along) - third(len(along)) :]


def first_half(along: np.ndarray) -> np.ndarray:
    """The first half of the layers, without the middle one of an odd number."""
    return along[: len(along) // 2]


def second_half(along: np.ndarray) -> np.ndarray:
    """The last half of the layers, without the middle one of an odd number."""
    return along[len(along) - len(along) // 2 :]


def mean(values: np.ndarray) -> float:
    """The mean of all elements; NaN if there is none, or one of them is undefined.

    >>> mean(np.array([1.0, 2.0])), mean(np.array([]))
    (1.5, nan)
    """
    return float(values.mean()) if values.size else float("nan")


def mean_where(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Row by row, the mean of the elements that are kept; NaN where there is none, or one of them is undefined.

    >>> mean_where(np.array([[1.0, 3.0, 9.0], [1.0, 3.0, 9.0]]), np.array([[True, True, False], [False] * 3]))
    array([ 2., nan])
    """
    return np.array([mean(row[use]) for row, use in zip(values, kept, strict=True)])
