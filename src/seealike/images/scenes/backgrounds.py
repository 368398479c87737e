"""Backgrounds whose amplitude spectrum falls as 1/f, as that of photographs does (Field 1987; Lee et al. 2001).

Only additions, products, quotients, roots and comparisons, which IEEE 754 makes equal on every machine.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

LEAVES = 300
SMALLEST_LEAF, LARGEST_LEAF = 0.012, 0.3  # radii, as shares of the image's side
GRAIN = 0.35  # how much noise is on the leaves
FINER = 1.15  # how much stronger each octave of noise is than the one before
CHROMA = 0.4  # colours differ less than brightness does
CHANNELS = 3

# Gives the next `n` numbers, uniform in [0, 1).
Uniforms = Callable[[int], np.ndarray]


def dead_leaves(uniforms: Uniforms, size: int) -> np.ndarray:
    """Grained discs that hide each other, radii distributed as r^-3: size x size x 3, mean 0, spread about 1."""
    y, x, r, *colours = uniforms((3 + CHANNELS) * LEAVES).reshape(-1, LEAVES)
    ratio = (SMALLEST_LEAF / LARGEST_LEAF) ** 2
    radius = SMALLEST_LEAF / np.sqrt(1 - r * (1 - ratio))
    at = (np.arange(size) + 0.5) / size
    dy, dx = ((1.6 * c - 0.3)[:, None] - at for c in (y, x))
    inside = (dy * dy)[:, :, None] + (dx * dx)[:, None, :] <= (radius * radius)[:, None, None]
    inside[-1] = True  # what no leaf covers is the ground
    leaves = _coloured(np.stack(colours, 1)[inside.argmax(0)] * 3.46 - 1.73)
    return 0.95 * (leaves + GRAIN * noise(uniforms, size))


def noise(uniforms: Uniforms, size: int) -> np.ndarray:
    """Octaves of interpolated random lattices: size x size x 3, mean 0, spread about 1. A larger one adds octaves."""
    total = np.zeros((size, size, CHANNELS))
    cells, weight, variance = 1, 1.0, 0.0
    while cells < 1.5 * size:
        lattice = uniforms((cells + 2) ** 2 * CHANNELS).reshape(cells + 2, cells + 2, CHANNELS) - 0.5
        total += weight * _interpolated(lattice, size, cells)
        cells, weight, variance = 2 * cells, weight * FINER, variance + weight * weight
    return _coloured(total * (5 / np.sqrt(variance)))


def _coloured(field: np.ndarray) -> np.ndarray:
    """The first channel is the brightness of all three, the others move them apart."""
    bright, first, second = field[..., 0], CHROMA * field[..., 1], CHROMA * field[..., 2]
    return np.stack([bright + first, bright - 0.5 * first + 0.5 * second, bright - 0.5 * first - 0.5 * second], -1)


def _interpolated(lattice: np.ndarray, size: int, cells: int) -> np.ndarray:
    first, share = _positions(size, cells)
    rows = lattice[first] * (1 - share)[:, None, None] + lattice[first + 1] * share[:, None, None]
    return rows[:, first] * (1 - share)[:, None] + rows[:, first + 1] * share[:, None]


@lru_cache(maxsize=64)
def _positions(size: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel the lattice point before it, and how far it is on the way to the next."""
    at = (np.arange(size) + 0.5) * cells / size + 0.25
    first = at.astype(int)
    return first, at - first


BACKGROUNDS = (dead_leaves, noise)
