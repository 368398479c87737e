"""Whether a token still speaks of its own patch of the image."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import prod
from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from seealike.errors import StudyError
from seealike.kernel import FOUND, Measure, Selected, Sources, State, Tap
from seealike.maths.hsic import cka_from_products
from seealike.models.graph import Layer
from seealike.models.names import INPUT
from seealike.models.raster import Raster
from seealike.statistics.hsic import HSIC
from seealike.views.parts import Patches, Tokens
from seealike.views.pooling import Pool

MOST = 256  # tokens of a layer that is not named
SCALARS = {
    "own_patch": ("share of tokens whose best patch is their own", "1"),
    "own_patch_interior": ("share of tokens inside the border whose best patch is their own", "1"),
    "distance": ("mean distance to the best patch", "steps of the grid"),
    "entropy": ("mean entropy of the maps, 1 = uniform", "1"),
}


@dataclass(frozen=True)
class Gridded:
    """A layer whose tokens form a grid, and the patches of the image that lie as they do."""

    layer: Selected
    patches: Patches
    cropped: str = ""  # why the patches are not the whole image


@dataclass(frozen=True)
class Localization(Measure):
    """Where in the image a token's content comes from: its CKA with every patch of pixels, as a map.

    `localization` (layer, token, y, x): over the images, the CKA of one position of a layer (all its channels) with
    the pixels of each block of the network's input, blocks lying as the tokens do; tokens are counted row by row.
    Raghu et al. 2021, figures 9, 10, D.1 to D.3. Of each layer, means over its tokens: `own_patch`, 1 where the patch
    that a token resembles most is its own; `own_patch_interior`, the same without the border of the grid; `distance`
    from the token to that patch, in steps of the grid; `entropy` of the map, negative values taken as 0 and the rest
    scaled to a sum of 1, over the logarithm of the number of patches: 1 for a map that favours no place.
    `layers` left out are the blocks. Layers of more than 256 tokens are left out unless they are named one by one.

    >>> Localization("vit", layers="blocks.11").estimator
    'unbiased'
    """

    name: ClassVar[str] = "localization"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Raghu et al. 2021, figs 9, 10, D.1-D.3"

    model: str
    layers: str | tuple[str, ...] = ()
    estimator: Literal["unbiased", "biased"] = "unbiased"
    bound: tuple[Gridded, ...] = field(default=(), metadata={FOUND: True})
    left_out: tuple[Selected, ...] = field(default=(), metadata={FOUND: True})

    def bind(self, sources: Sources) -> "Localization":
        found: dict[Selected, Gridded] = {}
        large: dict[Selected, Gridded] = {}
        for pattern in self._patterns(sources):
            named = "*" not in pattern and "@" not in pattern
            for selected in sources.select(pattern, without_grid):
                gridded = _gridded(selected, sources.layer(selected.source, selected.tensor))
                (found if named or prod(gridded.patches.grid) <= MOST else large)[selected] = gridded
        left_out = [s for s in large if s not in found]
        if not found:
            raise StudyError(
                f"{left_out[0]} has more than {MOST} tokens: layers so large are seen if named one by one."
            )
        return replace(self, model="", layers=(), bound=tuple(found.values()), left_out=tuple(left_out))

    def _patterns(self, sources: Sources) -> Iterator[str]:
        """With the model's name before each."""
        models = sources.models(self.model)
        for pattern in (self.layers,) if isinstance(self.layers, str) else self.layers or ("@block",):
            of, colon, _ = pattern.partition(":")
            if colon and of not in models:
                raise StudyError(f'"{pattern}" is a layer of {of}, but model = "{self.model}".')
            yield from (pattern,) if colon else (f"{model}:{pattern}" for model in models)

    def needs(self, *earlier: xr.Dataset) -> tuple[HSIC, ...]:
        return tuple(self._products(one.layer, one.patches) for one in self.bound)

    def _products(self, layer: Selected, patches: Patches) -> HSIC:
        tokens, pixels = Tap(layer.source, layer.tensor, Tokens()), Tap(layer.source, INPUT, patches)
        return HSIC((tokens,), (pixels,), self.estimator)

    def read(self, *totals: State) -> xr.Dataset:
        maps = [cka_from_products(t["cross"], t["a"], t["b"]).cpu().numpy() for t in totals]
        grids = [one.patches.grid for one in self.bound]
        name = {"long_name": "CKA of a token with a patch", "units": "1"}
        answer = xr.Dataset({"localization": (("layer", "token", "y", "x"), _padded(maps, grids), name)})
        scalars = np.array([_scalars(of, *grid) for of, grid in zip(maps, grids, strict=True)])
        for (short, (long, units)), values in zip(SCALARS.items(), scalars.T, strict=True):
            answer[short] = "layer", values, {"long_name": long, "units": units}
        layers = [one.layer for one in self.bound]
        rows, columns = zip(*grids, strict=True)
        along = {dim: np.arange(answer.sizes[dim]) for dim in ("token", "y", "x")}
        return answer.assign_coords(
            {
                **along,
                "layer": [str(s) for s in layers],
                "depth": ("layer", [s.depth for s in layers]),
                "rows": ("layer", list(rows)),
                "columns": ("layer", list(columns)),
            }
        ).assign_attrs(notes=self._notes(totals))

    def _notes(self, totals: tuple[State, ...]) -> list[str]:
        notes = [one.cropped for one in self.bound if one.cropped]
        for one, total in zip(self.bound, totals, strict=True):
            tokens, patches = (int((total[side] == 0).sum()) for side in "ab")
            count = prod(one.patches.grid)
            if tokens:
                notes.append(f"{one.layer}: {tokens} of its {count} tokens are the same for all images: undefined")
            if patches:
                where = f"{one.layer.source}:{INPUT}: {patches} of its {count} patches"
                notes.append(f"{where} are the same for all images: undefined")
            if min(one.patches.grid) < 3:
                notes.append(f"{one.layer}: all its tokens are at the border, so own_patch_interior is undefined")
        if self.left_out:
            large = ", ".join(map(str, self.left_out))
            notes.append(f"left out, as they have more than {MOST} tokens and were not named: {large}")
        return list(dict.fromkeys(notes))


def without_grid(layer: Layer) -> str | None:
    """Why a layer's positions cannot be laid beside patches of the image; None where they can."""
    raster = Raster.of(layer.places)
    if raster is None:
        return Pool("tokens").refuses(layer) or "its positions form no full grid of rows and columns"
    if raster.rows * raster.columns == 1:
        return "it has a single position"
    if min(_size(layer, raster)) < 1:
        return "its grid is finer than the pixels of the image"
    return None


def _size(layer: Layer, raster: Raster) -> tuple[int, int]:
    """Of a patch, in pixels."""
    height, width = layer.image_size
    return height // raster.rows, width // raster.columns


def _gridded(selected: Selected, layer: Layer) -> Gridded:
    """Patches as large as fit; where they do not fill the image, in the middle of what the tokens lie in."""
    raster = Raster.of(layer.places)
    assert raster is not None
    grid, size = (raster.rows, raster.columns), _size(layer, raster)
    covered = [g * s for g, s in zip(grid, size, strict=True)]
    spare = [n - c for n, c in zip(layer.image_size, covered, strict=True)]
    middle = [round(at - c / 2) for at, c in zip(raster.centre, covered, strict=True)]
    corner = tuple(min(max(at, 0), left) for at, left in zip(middle, spare, strict=True))
    patches = Patches(grid, size, (corner[0], corner[1]))
    return Gridded(selected, patches, _cropped(selected, layer, patches) if any(spare) else "")


def _cropped(selected: Selected, layer: Layer, patches: Patches) -> str:
    grid, size, image = (f"{a} x {b}" for a, b in (patches.grid, patches.size, layer.image_size))
    rows, columns = (
        f"{c} to {c + g * s - 1}" for c, g, s in zip(patches.corner, patches.grid, patches.size, strict=True)
    )
    return (
        f"{selected}: its grid of {grid} does not divide the image of {image} pixels: "
        f"its patches are {size} pixels, in rows {rows} and columns {columns}"
    )


def _padded(maps: list[np.ndarray], grids: list[tuple[int, int]]) -> np.ndarray:
    """layer x token x y x x, NaN beyond the grid of a layer."""
    rows, columns = np.max(grids, 0)
    whole = np.full((len(maps), max(map(len, maps)), rows, columns), np.nan)
    for into, values, (r, c) in zip(whole, maps, grids, strict=True):
        into[: len(values), :r, :c] = values.reshape(-1, r, c)
    return whole


def _scalars(cka: np.ndarray, rows: int, columns: int) -> tuple[float, ...]:
    """Those of `SCALARS`, over tokens whose CKA with their own patch is defined."""
    y, x = np.divmod(np.arange(rows * columns), columns)
    known = np.isfinite(np.diag(cka))
    best = np.where(np.isfinite(cka), cka, -np.inf).argmax(1)
    own, apart = best == np.arange(len(cka)), np.hypot(y[best] - y, x[best] - x)
    inside = (y > 0) & (y < rows - 1) & (x > 0) & (x < columns - 1)
    return _mean(own[known]), _mean(own[known & inside]), _mean(apart[known]), _mean(_entropies(cka[known]))


def _entropies(cka: np.ndarray) -> np.ndarray:
    """Of the maps that are positive anywhere."""
    weights = np.maximum(np.nan_to_num(cka), 0)
    weights = weights[weights.any(1)]
    share = weights / weights.sum(1, keepdims=True)
    return -(share * np.log(np.where(share > 0, share, 1))).sum(1) / np.log(cka.shape[1])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan
