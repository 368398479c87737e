"""Answers of the measures of Raghu et al. 2021 as their files hold them, made up: for what reads and draws them."""

from typing import Any

import numpy as np
import xarray as xr


def attributes(measure: str, models=("vit",), **more: Any) -> dict[str, Any]:
    return {
        "measure": measure,
        "meaning": f"What {measure} means, in a line.",
        "citation": "Raghu et al. 2021",
        "models": {name: {"source": f"zoo:{name}", "parameters": 100702} for name in models},
        "images": {"name": "test", "source": "scenes:1024", "count": 1024},
        "batch": 64,
        "question": {"model": models[0]},
        "notes": [],
    } | more


def with_errors(found: dict[str, tuple], coords: dict, attrs: dict) -> xr.Dataset:
    """A standard error of a twentieth beside every variable."""
    errors = {f"{name}_se": (dims, np.abs(values) / 20, *rest) for name, (dims, values, *rest) in found.items()}
    return xr.Dataset(found | errors, coords, attrs)


def centres(grid: int, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """y and x of a grid's tokens in pixels, in raster order."""
    at = (np.arange(grid) + 0.5) * size / grid
    return np.repeat(at, grid), np.tile(at, grid)


def skip_ratio(blocks: int = 6, grid: int = 8) -> xr.Dataset:
    """A ViT: attention and MLP in turn, CLS first; CLS is carried in the lower half, the others in the upper."""
    count, tokens = 2 * blocks, grid * grid + 1
    depth, rng = np.linspace(0.05, 0.95, count), np.random.default_rng(0)
    log = np.where(np.arange(tokens) == 0, 3 - 4 * depth[:, None], 3 * depth[:, None] - 0.5)
    log = log + rng.normal(0, 0.15, (count, tokens)) + 0.3 * (np.arange(count)[:, None] % 2)
    y, x = (np.tile(np.append(np.nan, at), (count, 1)) for at in centres(grid))
    dims = ("residual", "token")
    ratio = {"long_name": "norm ratio of skip connection to branch", "units": "1"}
    found = {
        "ratio": (dims, np.exp(log), ratio),
        "ratio_median": (dims, np.exp(log - 0.05)),
        "log_ratio": (dims, log - 0.02),
        "cosine_branch": (dims, np.tanh(log / 4)),
        "cosine_output": (dims, np.tanh(np.abs(log))),
    }
    coords = {
        "residual": [f"vit:blocks.{i // 2}.add{'_1' * (i % 2)}" for i in range(count)],
        "depth": ("residual", depth),
        "kind": ("residual", ["attention", "mlp"] * blocks),
        "token": np.arange(tokens),
        "place_y": (dims, y),
        "place_x": (dims, x),
    }
    return with_errors(found, coords, attributes("skip_ratio"))


def skip_ratio_of_stages(grids=(8, 8, 4, 4, 2)) -> xr.Dataset:
    """A ResNet: no token stands nowhere, and later residuals have fewer: the rest is NaN."""
    rng, most = np.random.default_rng(1), max(grids) ** 2
    ratio, y, x = (np.full((len(grids), most), np.nan) for _ in range(3))
    for i, grid in enumerate(grids):
        ratio[i, : grid**2] = rng.uniform(0.5, 1.5, grid**2)
        y[i, : grid**2], x[i, : grid**2] = centres(grid)
    dims = ("residual", "token")
    coords = {
        "residual": [f"resnet:layer{i}.0.add" for i in range(len(grids))],
        "depth": ("residual", np.linspace(0.1, 0.9, len(grids))),
        "kind": ("residual", [""] * len(grids)),
        "token": np.arange(most),
        "place_y": (dims, y),
        "place_x": (dims, x),
    }
    return with_errors({"ratio": (dims, ratio)}, coords, attributes("skip_ratio", ("resnet",)))


def drift(layers: int = 8, models=("scenes-3", "scenes-10", "scenes-30")) -> xr.Dataset:
    depth = np.linspace(0, 1, layers)
    values = np.stack([np.clip(1 - depth * (1 - share), 0, 1) for share in np.linspace(0.1, 0.8, len(models))])
    coords = {"model": list(models), "layer": [f"blocks.{i}" for i in range(layers)], "depth": ("layer", depth)}
    attrs = attributes("drift", (*models, "scenes-100"), reference="scenes-100")
    said = {"long_name": "CKA with the reference", "units": "1"}
    return with_errors({"drift": (("model", "layer"), values, said)}, coords, attrs)


def head_cka(heads: int = 6, layers: int = 10) -> xr.Dataset:
    """Every window of heads in the order of their distance; the more distant, the less alike."""
    order, rng = np.random.default_rng(2).permutation(heads), np.random.default_rng(3)
    windows = [(first, size) for size in range(1, heads + 1) for first in range(heads - size + 1)]
    windows.sort(key=lambda window: (window[0] > 0, *window[::-1]))
    each = np.linspace(6, 18, heads)
    distance = np.array([each[first : first + size].mean() for first, size in windows])
    depth = np.linspace(0, 1, layers)
    values = np.clip(
        0.95 - 0.03 * distance[:, None] * (0.4 + depth) + rng.normal(0, 0.01, (len(windows), layers)), 0, 1
    )
    found = {
        "products": (("head", "head_b"), rng.random((heads, heads))),
        "cross": (("head", "layer_b"), rng.random((heads, layers))),
        "own_b": ("layer_b", rng.random(layers)),
        "head_cka": (("subset", "layer_b"), values, {"long_name": "CKA", "units": "1"}),
        "distance": ("subset", distance, {"long_name": "mean attention distance", "units": "pixel"}),
    }
    coords = {
        "subset": [f"{s} most local" if not f else f"{f + 1} to {f + s} of {heads}" for f, s in windows],
        "heads": ("subset", [",".join(str(h) for h in order[f : f + s]) for f, s in windows]),
        "size": ("subset", [size for _, size in windows]),
        "first": ("subset", [first for first, _ in windows]),
        "layer_b": [f"resnet:layer{1 + i // 4}.{i % 4}" for i in range(layers)],
        "depth_b": ("layer_b", depth),
        "head": np.arange(heads),
        "head_b": np.arange(heads),
    }
    return with_errors(found, coords, attributes("head_cka", ("vit", "resnet"), attention="vit:blocks.0.attn"))


def receptive_field(layers: int = 5, size: int = 32) -> xr.Dataset:
    """A blob around the centre that grows with depth."""
    at, depth = np.arange(size) - size // 2, np.linspace(0, 1, layers)
    blobs = [np.exp(-(at[:, None] ** 2 + at**2) / (2 * (1 + 12 * d) ** 2)) for d in depth]
    found = {
        "receptive_field": (("layer", "y", "x"), np.stack(blobs) / 100, {"long_name": "mean absolute gradient"}),
        "area": (("mass", "layer"), np.stack([0.2 * depth**2, 0.05 + 0.8 * depth]), {"units": "1"}),
        "width": ("layer", 1 + 12 * depth, {"units": "pixel"}),
        "own_patch": ("layer", 0.9 - 0.8 * depth),
    }
    coords = {
        "layer": [f"vit:blocks.{i // 2}.{('attn', 'mlp')[i % 2]}.add" for i in range(layers)],
        "depth": ("layer", depth),
        "mass": [0.5, 0.95],
    }
    return with_errors(found, coords, attributes("receptive_field"))


def localization(grids=(4, 4, 2)) -> xr.Dataset:
    """Each token is most like its own patch; coarser layers are padded with NaN."""
    side, depth = max(grids), np.linspace(0, 1, len(grids))
    values = np.full((len(grids), side**2, side, side), np.nan)
    for i, grid in enumerate(grids):
        y, x = centres(grid, grid)
        apart = np.hypot(y[:, None] - y, x[:, None] - x)
        values[i, : grid**2, :grid, :grid] = (0.6 * np.exp(-apart / (1 + 2 * depth[i]))).reshape(-1, grid, grid)
    found = {
        "localization": (("layer", "token", "y", "x"), values, {"long_name": "CKA", "units": "1"}),
        "own_patch": ("layer", 1 - 0.6 * depth),
        "own_patch_interior": ("layer", 1 - 0.4 * depth),
        "distance": ("layer", 0.2 + 2 * depth),
        "entropy": ("layer", 2 + depth),
    }
    coords = {
        "layer": [f"vit:blocks.{i}" for i in range(len(grids))],
        "depth": ("layer", depth),
        "token": np.arange(side**2),
        "rows": ("layer", list(grids)),
        "columns": ("layer", list(grids)),
    }
    return with_errors(found, coords, attributes("localization"))


def probe(layers: int = 6, grid: int = 4, cls: bool = True) -> xr.Dataset:
    """Accuracy of every token; `grid=0` is a probe of one vector."""
    tokens, depth, rng = grid * grid + cls or 1, np.linspace(0, 1, layers), np.random.default_rng(4)
    test = 0.1 + 0.7 * depth[:, None] + rng.normal(0, 0.03, (layers, tokens))
    if cls:
        test[:, 0] = 0.1 + 0.85 * depth**3
    y, x = (np.tile(np.append([np.nan] * int(cls or not grid), at), (layers, 1)) for at in centres(grid))
    dims = ("layer", "token")
    found = {
        "accuracy": ((*dims, "split"), np.stack([test + 0.02, test], -1), {"units": "1"}),
        "penalty": (dims, 10.0 ** rng.integers(-3, 4, (layers, tokens))),
    }
    coords = {
        "layer": [f"vit:blocks.{i}" for i in range(layers)],
        "depth": ("layer", depth),
        "token": np.arange(tokens),
        "split": ["validation", "test"],
        "place_y": (dims, y),
        "place_x": (dims, x),
    }
    question = {"model": "vit", "view": "tokens" if grid else "mean"}
    return with_errors(found, coords, attributes("probe", question=question))


def image_statistics(layers: int = 6) -> xr.Dataset:
    """All told by the input; the less, the deeper."""
    names = ["luminance", "contrast", "slope", "octave_2", "images:hue"]
    depth, rng = np.linspace(0, 1, layers), np.random.default_rng(5)
    ridge = 1 - depth[:, None] * np.array([0.2, 0.5, 0.9, 1.1, 0.6])
    dims, units = ("layer", "statistic"), {"units": "1"}
    found = {
        "r2_ridge": (dims, ridge, {"long_name": "R² of ridge regression", **units}),
        "r2_knn": (dims, 0.8 * ridge - 0.1 + rng.normal(0, 0.01, ridge.shape), units),
        "imbalance": (dims, 1 - 0.5 * ridge, units),
        "imbalance_all": ("layer", 0.3 + 0.6 * depth, units),
    }
    coords = {"layer": [f"vit:blocks.{i}" for i in range(layers)], "depth": ("layer", depth), "statistic": names}
    return with_errors(found, coords, attributes("image_statistics", question={"model": "vit", "view": "mean"}))


def trajectory(layers: tuple[int, ...] = (7, 5), models: tuple[str, ...] = ("vit", "resnet")) -> xr.Dataset:
    """Two networks on arcs of a circle that lie beside each other: as the measure tells it, from their distances."""
    from seealike.maths.mapping import flat
    from seealike.maths.paths import gini, length, steps, straightness, structure, turning, unevenness

    depth = [np.linspace(0, 1, n) for n in layers]
    places = [np.stack([np.cos(d + i), np.sin(d + i), np.full(len(d), 0.4 * i)], 1) for i, d in enumerate(depth)]
    every, names = (
        np.concatenate(places),
        [f"{m}:blocks.{i}" for m, n in zip(models, layers, strict=True) for i in range(n)],
    )
    far = np.linalg.norm(every[:, None] - every, axis=2)
    own = [np.linalg.norm(p[:, None] - p, axis=2) for p in places]
    lags, of_layer, of_model = (0.25, 0.5, 1.0), ("layer",), ("model",)
    angle = {"long_name": "CKA angle", "units": "radian"}
    lagged = np.array([[structure(d, at, lag) for lag in lags] for d, at in zip(own, depth, strict=True)])
    found = {
        "distance": (("layer_a", "layer_b"), far, angle),
        "step": (of_layer, np.concatenate([np.append(steps(d), np.nan) for d in own]), angle),
        "turning": (of_layer, np.concatenate([turning(d, False) for d in own]), {"units": "degree"}),
        "from_input": (of_layer, np.linalg.norm(every, axis=1), angle),
        "to_output": (of_layer, np.concatenate([d[:, -1] for d in own]), angle),
        "structure": (("model", "lag"), lagged, angle),
        "structure_work": (("model", "lag"), lagged, angle),
        "length": (of_model, np.array([length(d) for d in own]), angle),
        "straightness": (of_model, np.array([straightness(d) for d in own]), {"units": "1"}),
        "unevenness": (of_model, np.array([unevenness(steps(d)) for d in own]), {"units": "1"}),
        "gini": (of_model, np.array([gini(steps(d)) for d in own]), {"units": "1"}),
        "total_turning": (of_model, np.array([np.nansum(turning(d, False)) for d in own]), {"units": "degree"}),
    }
    coords = {f"layer{side}": names for side in ("", "_a", "_b")}
    coords |= {f"depth{side}": (f"layer{side}", np.concatenate(depth)) for side in ("", "_a", "_b")}
    coords |= {"map": (("layer", "axis"), flat(far), {"long_name": "map of the layers (MDS)", "units": "1"})}
    coords |= {"axis": ["x", "y"], "model": list(models), "lag": list(lags)}
    question = {"models": "*", "layers": "@block", "distance": "cka"}
    return with_errors(found, coords, attributes("trajectory", models, question=question, distance="cka"))


def accuracy() -> xr.Dataset:
    """Two repeats of a ViT, what departs from it in no order, a ResNet, and one that was fine-tuned."""
    vit = {"family": "transformer"}
    pre = vit | {"pretrained": "some factors"}
    tags = {
        "resnet": {"family": "CNN", "seed": "0"},
        "data-3": vit | {"data": "3 %", "seed": "0"},
        "vit": vit | {"seed": "0"},
        "cut-3": vit | {"without_skip": "3", "seed": "0"},
        "data-10": vit | {"data": "10 %", "seed": "0"},
        "cut-1": vit | {"without_skip": "1", "seed": "0"},
        "vit-s1": vit | {"seed": "1"},
        "tuned": pre | {"finetuned": "far"},
        "pre": pre,
    }
    values = np.linspace(0.5, 0.9, len(tags))
    said = {"long_name": "accuracy", "units": "1"}
    found = {"accuracy": ("model", values, said), "accuracy_top5": ("model", values**0.5, said)}
    attrs = attributes("accuracy", tuple(tags), question={"models": "*"})
    attrs["models"] = {name: facts | {"tags": tags[name]} for name, facts in attrs["models"].items()}
    return with_errors(found, {"model": list(tags)}, attrs)


ALL = (skip_ratio, drift, head_cka, receptive_field, localization, probe, image_statistics, trajectory, accuracy)
