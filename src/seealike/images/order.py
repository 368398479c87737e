"""Which images, in which order, in which batches: the same lists on every machine."""

from collections.abc import Sequence

import numpy as np

from seealike.errors import StudyError

LEAST = 4  # the unbiased HSIC divides by n (n - 3)


def order(count: int, take: int | None, seed: int) -> list[int]:
    """A seeded permutation of all `count` indices, cut to the first `take`; a smaller take begins a larger one.

    >>> order(5, None, seed=0)
    [3, 2, 1, 0, 4]
    >>> order(5, 2, seed=0)
    [3, 2]
    """
    if seed < 0:
        raise StudyError(f"seed = {seed}: a seed is 0 or a positive whole number.")
    if take is not None and take < 1:
        raise StudyError(f"take = {take}: take at least 1 image, or leave `take` out to take all {count}.")
    if take is not None and take > count:
        raise StudyError(f"take = {take}: there are only {count} images. Leave `take` out to take them all.")
    # NumPy keeps the bits of PCG64 the same for ever, but not what `Generator.permutation` makes of them
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")[:take].tolist()


def batches(order: Sequence[int], batch: int) -> list[list[int]]:
    """The order cut into batches, the last one shorter if it must be; any rank can make batch k by itself.

    >>> batches([3, 1, 0, 4, 2], 2)
    [[3, 1], [0, 4], [2]]
    """
    if batch < 1:
        raise StudyError(f"batch = {batch}: a batch holds at least 1 image.")
    return [list(order[start : start + batch]) for start in range(0, len(order), batch)]


def default_batch(count: int) -> int:
    """As many images a batch as leave at least 8 batches for the standard error, between 4 and 256."""
    return max(LEAST, min(256, count // 8))


def enough(count: int) -> None:
    """Refuses fewer than 4 images: similarity compares the distances among the images of a batch."""
    if count < LEAST:
        raise StudyError(f"too few images: {count}. Similarity needs at least {LEAST} in a batch, better hundreds.")
