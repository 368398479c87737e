"""Ten shapes as inequalities on the plane: u to the right, v downwards, about within the unit circle."""

from collections.abc import Callable

import numpy as np

Plane = np.ndarray


def disc(u: Plane, v: Plane) -> Plane:
    return u * u + v * v <= 0.8


def ring(u: Plane, v: Plane) -> Plane:
    r = u * u + v * v
    return (r <= 1) & (r >= 0.3)


def crescent(u: Plane, v: Plane) -> Plane:
    return (u * u + v * v <= 1) & ((u - 0.5) * (u - 0.5) + v * v > 0.7)


def square(u: Plane, v: Plane) -> Plane:
    return np.maximum(abs(u), abs(v)) <= 0.8


def diamond(u: Plane, v: Plane) -> Plane:
    return abs(u) + abs(v) <= 1.05


def triangle(u: Plane, v: Plane) -> Plane:
    return (v <= 0.75) & (1.7 * abs(u) <= v + 1)


def star(u: Plane, v: Plane) -> Plane:
    """A triangle and the same upside down."""
    up = (v <= 0.5) & (1.732 * abs(u) <= v + 1)
    down = (v >= -0.5) & (1.732 * abs(u) <= 1 - v)
    return up | down


def cross(u: Plane, v: Plane) -> Plane:
    return (np.minimum(abs(u), abs(v)) <= 0.3) & (np.maximum(abs(u), abs(v)) <= 1)


def heart(u: Plane, v: Plane) -> Plane:
    x, y = 1.2 * u, 0.15 - 1.2 * v
    a = x * x + y * y - 1
    return a * a * a - x * x * y * y * y <= 0


def arch(u: Plane, v: Plane) -> Plane:
    return (np.maximum(abs(u), abs(v)) <= 0.9) & ((abs(u) >= 0.4) | (v <= -0.35))


SHAPES: dict[str, Callable[[Plane, Plane], Plane]] = {
    shape.__name__: shape for shape in (disc, ring, crescent, square, diamond, triangle, star, cross, heart, arch)
}
