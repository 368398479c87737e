"""Which images a step of training sees: a function of the number of the step."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Steps:
    """Every image once an epoch, in a new order each time; batches run on from one epoch into the next.

    So every batch is full, and all images are seen `epochs` times (the last batch begins another epoch if it must).

    >>> steps = Steps(count=5, batch=4, epochs=2, seed=0)
    >>> len(steps), [steps.at(k)[1].tolist() for k in range(3)]
    (3, [[0, 0, 0, 0], [0, 1, 1, 1], [1, 1, 2, 2]])
    """

    count: int
    batch: int
    epochs: int | float
    seed: int

    def __len__(self) -> int:
        return math.ceil(self.epochs * self.count / self.batch)

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the images of a step, and the epoch that each is seen in."""
        epochs, places = np.divmod(np.arange(step * self.batch, (step + 1) * self.batch), self.count)
        parts = [shuffled(self.count, self.seed, int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)]
        return np.concatenate(parts), epochs


@lru_cache(maxsize=4)
def shuffled(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the images in an epoch."""
    return np.argsort(np.random.PCG64([seed, epoch]).random_raw(count), kind="stable")
