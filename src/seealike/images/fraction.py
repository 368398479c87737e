"""A part of the images that is as mixed as the whole: for training on less of the data."""

from collections import Counter
from collections.abc import Sequence

from seealike.errors import StudyError
from seealike.images.order import order


def balanced(labels: Sequence[int | None], fraction: float, seed: int) -> list[int]:
    """The indices, in ascending order, of a seeded subset in which every class keeps the same share of its images.

    A class of n images keeps the nearest whole number to fraction x n, but at least one. Subsets of one seed are
    nested: those of a smaller fraction are among those of a larger one. An image without a label is in no class, and
    in no subset.

    >>> balanced([0, 0, 0, 0, 1, 1, 1, 1], 0.5, seed=0)
    [2, 3, 6, 7]
    >>> balanced([0, 0, 0, 0, 1, 1, 1, 1], 0.25, seed=0)
    [3, 6]
    """
    if not 0 < fraction <= 1:
        raise StudyError(f"fraction = {fraction}: write a share of the images above 0 and up to 1, such as 0.1.")
    left = {label: _kept(count, fraction) for label, count in Counter(labels).items() if label is not None}
    if not left:
        raise StudyError(f"fraction = {fraction}: a balanced part needs labels, and these images have none.")
    chosen = []
    for index in order(len(labels), None, seed):  # the same for every fraction, so that one subset begins another
        label = labels[index]
        if label is not None and left[label]:
            left[label] -= 1
            chosen.append(index)
    return sorted(chosen)


def _kept(count: int, fraction: float) -> int:
    return max(1, int(fraction * count + 0.5))
