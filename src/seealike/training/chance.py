"""Random numbers that belong to an image: a function of the seed, the epoch and the image's id, of nothing else.

Whatever else is in the batch, however many processes read, and wherever training was resumed, they are the same.
"""

import hashlib
from collections.abc import Iterable

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def hashed(texts: Iterable[str]) -> np.ndarray:
    """A number of 64 bits for every text.

    >>> hashed(["train-0", "train-1"]).tolist()
    [7827319173672809539, 786241391722454008]
    """
    found = [
        int.from_bytes(hashlib.blake2b(text.encode("utf8", "surrogatepass"), digest_size=8).digest(), "little")
        for text in texts
    ]
    return np.array(found, dtype=np.uint64)


def uniform(ids: np.ndarray, epochs: np.ndarray, seed: int, purpose: str, count: int) -> np.ndarray:
    """`count` numbers in [0, 1) for every image, given by its hashed id, in its epoch: images x count.

    SplitMix64 (Steele et al. 2014), begun where id, epoch, seed and purpose say. Two purposes are independent.
    """
    start = ids ^ _mixed(_mixed(hashed([f"{seed} {purpose}"])) + epochs.astype(np.uint64) * GOLDEN)
    counted = np.arange(1, count + 1, dtype=np.uint64) * GOLDEN
    return (_mixed(_mixed(start)[:, None] + counted) >> np.uint64(11)) * 2.0**-53


def _mixed(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * FIRST
    z = (z ^ (z >> np.uint64(27))) * SECOND
    return z ^ (z >> np.uint64(31))
