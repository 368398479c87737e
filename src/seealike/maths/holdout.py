"""Which images are held out: a fact of an image's number alone, whatever batch or machine it comes in."""

import numpy as np
import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15  # of splitmix64, the hash used here
MIXED = (30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)


def held_out(index: Tensor, seed: int, share: float) -> Tensor:
    """True for a seeded `share` of all whole numbers, chosen number by number.

    >>> held_out(torch.arange(8), seed=0, share=0.25).tolist()
    [False, False, False, False, False, False, False, True]
    >>> round(float(held_out(torch.arange(100_000), seed=1, share=0.1).double().mean()), 2)
    0.1
    """
    return torch.from_numpy(_lots(index, seed) < share * 2.0**53)


def fold(index: Tensor, seed: int, count: int) -> Tensor:
    """Which of `count` parts of about the same size a number is in: seeded, chosen number by number.

    >>> fold(torch.arange(8), seed=0, count=4).tolist()
    [1, 3, 2, 2, 3, 2, 3, 0]
    >>> fold(torch.arange(100_000), seed=1, count=5).bincount().tolist()
    [19947, 19982, 20091, 19801, 20179]
    """
    return torch.from_numpy((_lots(index, seed) * (count / 2.0**53)).astype(np.int64))


def _lots(index: Tensor, seed: int) -> np.ndarray:
    """A whole number below 2^53 for each, as good as drawn."""
    z = index.cpu().numpy().astype(np.uint64) + np.uint64((seed + 1) * GOLDEN % 2**64)
    z = z * np.uint64(GOLDEN)
    for shift, factor in MIXED:
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    z = z ^ (z >> np.uint64(31))
    return z >> np.uint64(11)
