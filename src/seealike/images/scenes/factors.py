"""What is drawn by lot of a scene, and the ranges it is drawn from."""

from dataclasses import dataclass, fields
from typing import Any

from seealike.images.scenes.backgrounds import BACKGROUNDS, Uniforms
from seealike.images.scenes.shapes import SHAPES

CLUTTER = 6  # most distractors


@dataclass(frozen=True)
class Drawn:
    """What is drawn by lot of a scene, independently of each other."""

    shape: int
    x: float
    y: float
    size: float
    hue: float
    texture: float
    luminance: float
    contrast: float
    clutter: int
    background: int


FACTORS = tuple(field.name for field in fields(Drawn) if field.name != "shape")
PLACES = ("x", "y")  # where the shape may be depends on its size: all of it is in the picture
REAL = {  # from where on, and how far
    "size": (0.17, 0.15),
    "hue": (0.0, 1.0),
    "texture": (0.0, 1.0),
    "luminance": (0.35, 0.3),
    "contrast": (0.03, 0.15),
}
WHOLE = {"clutter": CLUTTER + 1, "background": len(BACKGROUNDS)}  # how many numbers from 0 on

# The lowest and the highest value of the factors that are limited, sorted by name.
Within = tuple[tuple[str, tuple[float, float]], ...]


def drawn_from(lots: Uniforms, within: Within = ()) -> Drawn:
    """The factors of a scene. A limit moves its own factor, whose lot stays, and leaves the others where they are."""
    shape, *others = lots(1 + len(FACTORS)).tolist()
    lot, limits = dict(zip(FACTORS, others, strict=True)), dict(within)
    found: dict[str, Any] = {name: start + length * lot[name] for name, (start, length) in REAL.items()}
    found |= {name: int(count * lot[name]) for name, count in WHOLE.items()}
    found |= {name: _limited(name, lot[name], *ends) for name, ends in within if name not in PLACES}
    size = found["size"]
    for place in PLACES:
        low, high = limits.get(place, (0.0, 1.0))
        free = size + lot[place] * (1 - 2 * size)
        found[place] = _between(lot[place], max(low, size), min(high, 1 - size)) if place in limits else free
    return Drawn(shape=int(shape * len(SHAPES)), **found)


def _limited(name: str, lot: float, low: float, high: float) -> int | float:
    return int(low) + int(lot * (high - low + 1)) if name in WHOLE else _between(lot, low, high)


def _between(lot: float, low: float, high: float) -> float:
    return min(low + lot * (high - low), high)  # the last bit could be beyond
