"""Which figures fit a variable, by its dimensions: a heatmap, points, lines, maps; none where a table says more."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from seealike.figures.accuracy import rows
from seealike.figures.choosing import evenly
from seealike.figures.head_cka import most_local
from seealike.figures.tokens import SPATIAL, by_kind, unplaced
from seealike.report import drawing, maps
from seealike.report.alike import Pair, alike
from seealike.report.naming import called, numbered

CELLS = 1_000_000  # a larger variable is described, not drawn: the page would not open
TOKENS = 400  # columns of a heatmap
LINES = 12  # layers of the other network, for subsets of heads
ALONG = ("layer", "residual", "subset")  # what a single row of values is a line along
LINED = ("model", "mass", "split")  # what has a line each
SHOWN = {  # of a measure's many variables by layer, those that have figures
    "inversion": (
        *("mean_m_i", "mean_psnr", "non_unique", "not_converged"),
        *("mean_slope", "mean_nearest", "agreement", "mean_null_share"),
    ),
}
POINTS = 101  # of a line along iterations
PICTURE = "From an open ring, the first layer of a network, to a square, its last. A picture, and no evidence."
BOUND = "The error of a mean over tokens is given as the mean of theirs, the most that it can be."


@dataclass(frozen=True, eq=False)
class Panel:
    """One figure: of which values, and what there is to say of what it leaves out."""

    figure: drawing.Figure
    array: xr.DataArray
    error: xr.DataArray | None
    key: str = ""  # sets it apart from the other figures of its variable
    what: str = ""
    left_out: str = ""
    table: tuple[tuple[str, ...], ...] = ()  # its head, then its rows


def fitting(
    array: xr.DataArray, error: xr.DataArray | None, scale: drawing.Scale | None, answer: xr.Dataset
) -> list[Panel]:
    """The figures of one variable; `scale` is that of all heatmaps of its name, where there is one."""
    dims = {str(dim) for dim in array.dims}
    if array.dtype.kind not in "fiu" or not array.size:
        return []
    shown = SHOWN.get(str(answer.attrs.get("measure")), (array.name,))
    if "image" in dims or (dims == {"layer"} and array.name not in shown):
        return []
    if dims == {"layer", "point"} and "iteration" in array.coords:
        return [_along_iterations(array, error)]
    if dims == {"layer", "y", "x"}:
        found = maps.of_layers(array, error)
        return [Panel(found.figure, found.array, found.error, left_out=found.left_out)]
    if dims == {"layer", "token", "y", "x"}:
        return [_tokens_of_a_layer(found) for found in maps.of_tokens(array, error)]
    if "token" in dims and set(answer.get("place_y", xr.DataArray()).dims) == dims - {"split"}:
        return _tokens(array, error, answer["place_y"])
    if array.size > CELLS:
        return []
    if dims == {"model"}:
        return [_networks(array, answer)]
    if dims == {"subset", "layer_b"}:
        return _subsets(array, error, answer)
    return _plain(array, error, scale)


def _plain(array: xr.DataArray, error: xr.DataArray | None, scale: drawing.Scale | None) -> list[Panel]:
    """One and two dimensions."""
    if array.ndim == 1 and str(array.dims[0]).startswith(ALONG):
        return [Panel(drawing.curve(array, error), array, error)]
    if array.ndim != 2:
        return []
    if set(array.dims) == {"layer", "axis"}:
        return [Panel(drawing.path(array), array, error, left_out=PICTURE)]
    if set(array.dims) == {"model", "lag"}:
        array, error = _ordered(array, error, "model", "lag")
        return [Panel(drawing.curve(array, error, array["lag"].assign_attrs(long_name="lag")), array, error)]
    if set(array.dims) == {"layer", "head"}:
        array, error = _ordered(array, error, "layer", "head")
        return [Panel(drawing.points(array, error), array, error)]
    lined = next((name for name in LINED if name in array.dims), None)
    if lined and "layer" in array.dims:
        array, error = _ordered(array, error, lined, "layer")
        return [Panel(drawing.curve(_told(array), error), array, error)]
    return [Panel(drawing.heatmap(array, error, scale), array, error)]


def _along_iterations(array: xr.DataArray, error: xr.DataArray | None) -> Panel:
    """A line a layer, from the first iteration to the last."""
    chosen = evenly(array.sizes["point"], POINTS)
    some = alike(array, error, lambda one: one.isel(point=chosen).swap_dims(point="iteration"))
    array, error = alike(*some, lambda one: one.transpose("layer", "iteration"))
    at = array["iteration"].assign_attrs(long_name="iteration")
    return Panel(drawing.curve(array, error, at), array, error, what="along iterations")


def _ordered(array: xr.DataArray, error: xr.DataArray | None, *dims: str) -> Pair:
    return alike(array, error, lambda one: one.transpose(*dims))


def _told(array: xr.DataArray) -> xr.DataArray:
    """Rows that are numbers are named with their dimension: `mass 0.5`."""
    dim = str(array.dims[0])
    if not numbered(array, dim):
        return array
    return array.assign_coords({dim: [f"{dim} {name}" for name in array[dim].values]})


def _tokens_of_a_layer(found: maps.Drawn) -> Panel:
    layer = str(found.array.layer.values)
    array, error = alike(found.array, found.error, lambda one: one.drop_vars("layer"))
    return Panel(found.figure, array, error, layer.replace(":", "-"), layer, found.left_out)


def _tokens(array: xr.DataArray, error: xr.DataArray | None, place: xr.DataArray) -> list[Panel]:
    """Lines along the layers, of CLS and of the mean of spatial tokens; and every layer and token as a heatmap."""
    along = next(str(dim) for dim in array.dims if dim not in ("token", "split"))
    if array.sizes["token"] == 1:
        return _plain(*alike(array, error, lambda one: one.isel(token=0, drop=True)), None)
    means = _lines(by_kind(array, place), along)
    bounds = None if error is None else _lines(by_kind(error, place), along).reindex_like(means)
    what = f"by {along}" if means.sizes["line"] > 1 else f"by {along}, mean over {means.line.values[0]}"
    lines = Panel(drawing.curve(means, bounds), means, bounds, "lines", what, BOUND if error is not None else "")
    return [lines, _every_token(array, error, place, along)]


def _lines(means: xr.DataArray, along: str) -> xr.DataArray:
    """(line, layer): the kinds of token, and of each its splits; the mean of spatial tokens first."""
    means = means.isel(tokens=np.argsort(means.tokens.values != SPATIAL, kind="stable"))
    if "split" not in means.dims:
        return means.rename(tokens="line").transpose("line", along)
    named = [f"{kind}, {split}" for kind in means.tokens.values for split in means.split.values]
    stacked = means.transpose("tokens", "split", along)
    values = stacked.values.reshape(len(named), -1)
    coords = {"line": named, along: means[along].values}
    return xr.DataArray(values, coords, ("line", along), name=means.name, attrs=means.attrs)


def _every_token(array: xr.DataArray, error: xr.DataArray | None, place: xr.DataArray, along: str) -> Panel:
    """Test images where there are splits; tokens that stand nowhere, and evenly chosen others where they are many."""
    split = "test" if "split" in array.dims and "test" in array.split.values else None
    at = {"split": list(array.split.values).index(split) if split else -1}
    array, error = alike(array, error, lambda one: one.isel(at, drop=True, missing_dims="ignore"))
    array, error = _ordered(array, error, along, "token")
    chosen = _chosen(array, place)
    nowhere = unplaced(array, place)
    array = array.assign_coords(token=[nowhere.get(t, f"token {t}") for t in range(array.sizes["token"])])
    shown, bars = array.isel(token=chosen), None if error is None else error.isel(token=chosen)
    shown = shown.assign_coords(token=[nowhere.get(t, str(t)) for t in chosen])
    left_out = f"Shown: {len(chosen)} of {array.sizes['token']:,} tokens." if len(chosen) < array.sizes["token"] else ""
    what = f"{along} by token{f', {split} images' if split else ''}"
    return Panel(drawing.heatmap(shown, bars), array, error, "tokens", what, left_out)


def _chosen(array: xr.DataArray, place: xr.DataArray) -> list[int]:
    return sorted({*evenly(array.sizes["token"], TOKENS), *unplaced(array, place)})


def _networks(array: xr.DataArray, answer: xr.Dataset) -> Panel:
    """A point a repeat above its network; in the table what each lost against the whole one."""
    found = rows(answer, str(array.name))
    most = max(len(row.values) for row in found)
    coords = {"model": [row.line.label for row in found], "repeat": np.arange(1, most + 1)}
    values, errors = (
        xr.DataArray(_padded(several, most), coords, ("model", "repeat"), array.name, array.attrs)
        for several in ([row.values for row in found], [row.errors for row in found])
    )
    known = errors if bool(errors.notnull().any()) else None
    told = [(row.line.label, str(len(row.values)), f"{row.mean:.4f}", _lost(row.lost)) for row in found]
    table = (("network", "repeats", called(array), "lost"), *told)
    return Panel(drawing.points(values, known), values, known, table=table)


def _padded(several: list[np.ndarray], most: int) -> np.ndarray:
    return np.stack([np.append(values, [np.nan] * (most - len(values))) for values in several])


def _lost(lost: float) -> str:
    return "" if np.isnan(lost) else f"{lost:.4f}"


def _subsets(array: xr.DataArray, error: xr.DataArray | None, answer: xr.Dataset) -> list[Panel]:
    """The most local heads against their distance, for some layers of the other network; then every subset."""
    subsets = [str(subset) for subset in array.subset.values]
    named = [_heads(subset, str(heads)) for subset, heads in zip(subsets, answer.heads.values, strict=True)]
    array, error = alike(array, error, lambda one: one.transpose("layer_b", "subset").assign_coords(subset=named))
    every = drawing.heatmap(array, error)
    every["columns"]["ticks"] = drawing.ticks(subsets)  # which heads they are is read, not written
    at = {"subset": most_local(answer), "layer_b": evenly(array.sizes["layer_b"], LINES)}
    some, bars = alike(array, error, lambda one: one.isel(at))
    count, layers = some.sizes["layer_b"], array.sizes["layer_b"]
    left_out = f"Shown: {count} of {layers} layers." if count < layers else ""
    figure = drawing.curve(some, bars, answer.distance.isel(subset=at["subset"]))
    lines = Panel(figure, some, bars, "lines", "the most local heads", left_out)
    return [lines, Panel(every, array, error, "subsets", "every subset of heads")]


def _heads(subset: str, heads: str) -> str:
    """`2 most local (heads 3, 0)`."""
    several = "heads" if "," in heads else "head"
    return f"{subset} ({several} {heads.replace(',', ', ')})"
