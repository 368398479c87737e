"""How a scene comes from its number: what is drawn of it by lot, and the picture."""

import numpy as np

from seealike.images.scenes.backgrounds import BACKGROUNDS, Uniforms
from seealike.images.scenes.factors import CLUTTER, Drawn, Within, drawn_from
from seealike.images.scenes.shapes import SHAPES

VERSION = 1  # raised when the same number would give another picture
FINER = 3  # samples a pixel and axis at the shape's edge


def drawn(split: str, index: int, within: Within = ()) -> Drawn:
    """The factors of a scene, without painting it."""
    return drawn_from(_lots(split, index), within)


def paint(split: str, index: int, size: int, within: Within = ()) -> np.ndarray:
    """The scene, size x size x 3 of uint8."""
    lots = _lots(split, index)
    scene = drawn_from(lots, within)
    side, *spots = lots(1 + 4 * CLUTTER)  # before the background, which takes more for a larger picture
    picture = scene.luminance + scene.contrast * BACKGROUNDS[scene.background](lots, size)
    for spot in np.reshape(spots, (CLUTTER, 4))[: scene.clutter]:
        _put(picture, _spot(spot, size), _colour(spot[3], scene.luminance, 1 - spot[2]))
    _put(picture, _coverage(scene, size), _object(scene, side, size))
    return np.floor(np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _lots(split: str, index: int) -> Uniforms:
    """Numbers in [0, 1) that depend on the split's name and the scene's number only."""
    source = np.random.PCG64([VERSION, index, *split.encode()])
    return lambda n: (source.random_raw(n) >> np.uint64(11)) * 2.0**-53


def _put(picture: np.ndarray, coverage: np.ndarray, colour: np.ndarray) -> None:
    """Paint over the picture, in place, as far as each pixel is covered."""
    picture += coverage[..., None] * (colour - picture)


def _coverage(scene: Drawn, size: int) -> np.ndarray:
    """How much of each pixel the shape covers."""
    at = (np.arange(FINER * size) + 0.5) / (FINER * size)
    u, v = ((at - place) / scene.size for place in (scene.x, scene.y))
    inside = list(SHAPES.values())[scene.shape](u[None, :], v[:, None])
    return inside.reshape(size, FINER, size, FINER).sum((1, 3)) / FINER**2


def _spot(lots: np.ndarray, size: int) -> np.ndarray:
    """A small disc somewhere."""
    at = (np.arange(size) + 0.5) / size
    dy, dx, radius = at - lots[0], at - lots[1], 0.03 + 0.05 * lots[2]
    return ((dy * dy)[:, None] + (dx * dx)[None, :] <= radius * radius).astype(float)


def _object(scene: Drawn, side: float, size: int) -> np.ndarray:
    """The shape's colour at each pixel: brighter or darker than the scene, striped as far as its texture says."""
    at = (np.arange(size) + 0.5) / size
    phase = (at[:, None] + at[None, :]) * (1.2 / scene.size)
    stripes = abs(2 * (phase - np.floor(phase)) - 1) - 0.5
    return _colour(scene.hue, scene.luminance, side) + (0.4 * scene.texture * stripes)[..., None]


def _colour(hue: float, luminance: float, side: float) -> np.ndarray:
    """A saturated colour, above the given luminance in one half of the cases and below it in the other."""
    level = luminance + (0.25 if side < 0.5 else -0.25)
    ramp = 6 * hue + np.array([0.0, 4.0, 2.0])
    wheel = np.clip(abs(ramp - 6 * np.floor(ramp / 6) - 3) - 1, 0, 1)
    return level + 0.3 * (wheel - 0.5)
