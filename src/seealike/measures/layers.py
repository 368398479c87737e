"""The coordinates of a layer dimension, and values of which some layers have more than others."""

from collections.abc import Callable, Sequence

import numpy as np

from seealike.errors import StudyError
from seealike.kernel import Selected, Sources

Pixels = Sequence[tuple[float, float]]


def chosen(
    sources: Sources,
    model: str,
    layers: str | tuple[str, ...],
    usual: str = "@block",
    refuses: Callable | None = None,
) -> tuple[Selected, ...]:
    """The layers of one model that patterns select, each once; `usual` is what a question takes that names none.

    `refuses`: as `Sources.select` has it.
    """
    patterns = sources.within(model, (layers,) if isinstance(layers, str) else layers)
    if not patterns:
        raise StudyError(f'layers = []: name at least one, or leave layers out for "{usual}".')
    return tuple(dict.fromkeys(s for pattern in patterns for s in sources.select(pattern, refuses)))


def layer_coordinates(**sides: tuple[Selected, ...]) -> dict[str, tuple[str, list]]:
    """`layer_a` ("model:tensor") and `depth_a` (0 to 1) for a side called `a`, and so on."""
    found: dict[str, tuple[str, list]] = {}
    for side, selected in sides.items():
        found[f"layer_{side}"] = (f"layer_{side}", [str(s) for s in selected])
        found[f"depth_{side}"] = (f"layer_{side}", [s.depth for s in selected])
    return found


def ragged(layers: Sequence[np.ndarray]) -> np.ndarray:
    """... x layer x token (or head), NaN for those that a layer has not.

    >>> ragged([np.array([1.0]), np.array([2.0, 3.0])])
    array([[ 1., nan],
           [ 2.,  3.]])
    """
    most = max(values.shape[-1] for values in layers)
    room = ([(0, 0)] * (values.ndim - 1) + [(0, most - values.shape[-1])] for values in layers)
    padded = [np.pad(values.astype(float), r, constant_values=np.nan) for values, r in zip(layers, room, strict=True)]
    return np.stack(padded, -2)


def placed(layers: Sequence[Pixels], tokens: int) -> np.ndarray:
    """2 x layer x token: row and column in pixels, NaN for tokens that stand for no part of the image.

    >>> placed([[], [(-np.inf, -np.inf), (4.0, 12.0)]], 2)[0]
    array([[nan, nan],
           [nan,  4.]])
    """
    yx = np.full((2, len(layers), tokens), np.nan)
    for i, where in enumerate(layers):
        yx[:, i, : len(where)] = np.array(where).reshape(-1, 2).T
    yx[np.isinf(yx)] = np.nan
    return yx
