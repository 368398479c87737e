"""Maps over the image as plain data: a few of the many, and small enough for a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import xarray as xr

from seealike.figures.choosing import evenly
from seealike.figures.maps import span
from seealike.figures.tiles import tiles
from seealike.report.alike import alike
from seealike.report.drawing import Figure, packed
from seealike.report.naming import called, names, unit

LAYERS = 24  # maps of layers
FINEST = 56  # cells a side of a layer's map
TOKENS_OF = 4  # layers whose tokens' maps are shown
FINEST_OF_TOKEN = 16  # cells a side of a token's map


@dataclass(frozen=True, eq=False)
class Drawn:
    """Maps as the page wants them: what they are of, the figure, and what was left out of it."""

    array: xr.DataArray
    error: xr.DataArray | None
    figure: Figure
    left_out: str


def of_layers(array: xr.DataArray, error: xr.DataArray | None) -> Drawn:
    """(layer, y, x): a map a layer, each in its own colours, in lines from the upper left."""
    array, error = alike(array, error, lambda one: one.transpose("layer", "y", "x"))
    chosen = evenly(array.sizes["layer"], LAYERS)
    values, side = coarse(array.values[chosen], FINEST)
    errors = None if error is None else coarse(error.values[chosen], FINEST)[0]
    scales = [span(one) for one in values]
    more = {"scales": scales, "names": [names(array, 0)[i] for i in chosen], "across": 0, "what": "pixel", "side": side}
    fewer = f"{len(chosen)} of {array.sizes['layer']} layers" if len(chosen) < array.sizes["layer"] else ""
    left_out = said("Each map has colours of its own", fewer, _averaged(side, "pixels"))
    return Drawn(array, error, _figure(array, values, errors, more), left_out)


def of_tokens(array: xr.DataArray, error: xr.DataArray | None) -> list[Drawn]:
    """(layer, token, y, x): for some layers, a token's map at the token's place, all in the same colours."""
    array, error = alike(array, error, lambda one: one.transpose("layer", "token", "y", "x"))
    chosen = evenly(array.sizes["layer"], TOKENS_OF)
    fewer = f"{len(chosen)} of {array.sizes['layer']} layers" if len(chosen) < array.sizes["layer"] else ""
    return [_of_layer(*alike(array, error, itemgetter(i)), fewer) for i in chosen]


def _of_layer(array: xr.DataArray, error: xr.DataArray | None, fewer: str) -> Drawn:
    found = tiles(array)
    high, wide = found.grid
    values, side = coarse(found.values.reshape(-1, high, wide), FINEST_OF_TOKEN)
    errors = None
    if error is not None:
        errors = coarse(_at(error.values, found.tokens, found.grid), FINEST_OF_TOKEN)[0]
    named = [f"token {t} (row {t // wide}, column {t % wide})" for t in found.tokens]
    more = {"scales": [span(values)] * len(named), "names": named, "across": len(found.columns), "what": "patch"}
    tokens = "" if found.whole else f"{len(found.tokens)} of {high * wide} tokens"
    left_out = said("Each map stands at its token's place", fewer, tokens, _averaged(side, "patches"))
    own = {"token": slice(high * wide), "y": slice(high), "x": slice(wide)}  # without the padding of smaller layers
    return Drawn(
        *alike(array, error, lambda one: one.isel(own)), _figure(array, values, errors, more | {"side": side}), left_out
    )


def _at(values: np.ndarray, tokens: Sequence[int], grid: tuple[int, int]) -> np.ndarray:
    return values[list(tokens), : grid[0], : grid[1]]


def _figure(array: xr.DataArray, values: np.ndarray, errors: np.ndarray | None, more: Figure) -> Figure:
    matrices = {"values": packed(values), "errors": None if errors is None else packed(errors)}
    return (
        {"kind": "maps", "label": called(array), "unit": unit(array), "size": list(values.shape[1:])} | more | matrices
    )


def coarse(maps: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Maps of at most `most` cells a side, each the mean of so many by so many (the second value) of the given.

    Of standard errors the mean is the most that the error of a mean can be.

    >>> coarse(np.array([[[1.0, 3.0, 5.0], [1.0, 3.0, np.nan]]]), 2)
    (array([[[2., 5.]]]), 2)
    """
    high, wide = maps.shape[1:]
    side = -(-max(high, wide) // most)
    if side == 1:
        return maps, 1
    padded = np.pad(maps, ((0, 0), (0, -high % side), (0, -wide % side)), constant_values=np.nan)
    blocks = padded.reshape(len(maps), padded.shape[1] // side, side, padded.shape[2] // side, side)
    known = np.isfinite(blocks)
    total, count = np.where(known, blocks, 0).sum((2, 4)), known.sum((2, 4))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan), side


def _averaged(side: int, what: str) -> str:
    return f"each cell the mean of {side} × {side} {what}" if side > 1 else ""


def said(first: str, *more: str) -> str:
    """A sentence, and what was left out.

    >>> said("Each map has colours of its own", "24 of 30 layers", ""), said("Nothing left out", "")
    ('Each map has colours of its own. Shown: 24 of 30 layers.', 'Nothing left out.')
    """
    told = ", ".join(filter(None, more))
    return f"{first}. Shown: {told}." if told else f"{first}."
