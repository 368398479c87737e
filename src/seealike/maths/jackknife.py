"""The standard error of any reading, however nonlinear, from readings that leave one group out."""

from collections.abc import Sequence

import numpy as np


def jackknife(whole: np.ndarray, left_out: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
    """How far a reading would move with fresh images: the delete-group jackknife standard error.

    With groups of m_j of n images and h_j = n / m_j, pseudo-values t_j = h_j t - (h_j - 1) t_(-j) about their
    weighted mean: var = 1/g sum_j (t_j - mean)^2 / (h_j - 1).  Busing, Meijer & van der Leeden 1999, eq. 7; for equal
    groups the textbook (g-1)/g sum (t_(-j) - mean)^2.

    >>> x = np.array([1.0, 2.0, 4.0, 8.0])
    >>> means = [np.delete(x, j).mean(keepdims=True) for j in range(4)]
    >>> jackknife(x.mean(keepdims=True), means, [1] * 4).round(6).item()
    1.547848
    >>> (x.std(ddof=1) / 2).round(6).item()
    1.547848
    """
    return np.asarray(np.sqrt((deviations(whole, left_out, sizes) ** 2).sum(0)))


def deviations(whole: np.ndarray, left_out: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
    """What each group adds to the error (group, ...): (t_j - mean) / sqrt(g (h_j - 1)), whose squares add up to var.

    The products of those of two readings add up to their covariance.

    >>> deviations(np.array(2.0), [np.array(1.0), np.array(3.0)], [5, 5]).round(4)
    array([ 0.7071, -0.7071])
    """
    share = np.asarray(sizes, float) / np.sum(sizes)
    h = (1 / share).reshape(-1, *[1] * np.ndim(whole))
    without = np.stack(list(left_out))
    mean = len(without) * whole - ((1 - 1 / h) * without).sum(0)
    pseudo = h * whole - (h - 1) * without
    return (pseudo - mean) / np.sqrt(len(without) * (h - 1))
