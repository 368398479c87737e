"""Answers in which an effect is planted: values that are means over groups of batches, so that leave-outs are exact."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from seealike.claims.evidence import Answer

GROUPS = 16
TRANSFORMER, CNN = {"family": "transformer"}, {"family": "CNN"}
IMAGES = {"name": "test", "source": "scenes:2048", "count": 2048, "fingerprint": "ab12", "order": "seeded"}


def facts(tags: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """What an answer holds of a model."""
    return {"source": "zoo:net", "weights": "zoo: trained", "input": [3, 32, 32], "tags": dict(tags)} | more


def planted(
    name: str,
    measure: str,
    groups: Mapping[str, tuple[tuple[str, ...], np.ndarray]],
    coords: Mapping[str, Any],
    models: Mapping[str, Mapping[str, Any]],
    question: Mapping[str, Any],
    left: bool = True,
    **attrs: Any,
) -> Answer:
    """`groups`: of each variable its dimensions and its value in every group of images (group first)."""
    whole = xr.Dataset({k: (dims, values.mean(0)) for k, (dims, values) in groups.items()}, dict(coords))
    count = len(next(iter(groups.values()))[1])
    without = {
        k: (("group", *dims), np.stack([np.delete(values, g, 0).mean(0) for g in range(count)]))
        for k, (dims, values) in groups.items()
    }
    attributes = {
        "measure": measure,
        "models": dict(models),
        "question": dict(question),
        "images": IMAGES,
        "batch": 128,
    }
    whole = whole.assign_attrs(attributes | {"seed": 0, "claims": ["raghu2021"]} | attrs)
    return Answer(name, whole, xr.Dataset(without, {"images": ("group", [128] * count)}) if left else None)


def around(values: Any, spread: float = 0.001, seed: int = 0) -> np.ndarray:
    """Values of sixteen groups whose mean is exactly these."""
    values = np.asarray(values, float)
    noise = np.random.default_rng(seed).normal(size=(GROUPS, *values.shape))
    return values + spread * (noise - noise.mean(0))


def names(model: str, count: int) -> list[str]:
    return [f"{model}:blocks.{i}" for i in range(count)]


def blocks(model: str, cka: Any, tags: Mapping[str, str], name: str = "", noise=None, **more: Any) -> Answer:
    """CKA between all blocks of one model."""
    values = around(cka) if noise is None else noise
    layers = names(model, values.shape[-1])
    depth = np.linspace(0, 1, len(layers))
    coords = {"layer_a": layers, "layer_b": layers, "depth_a": ("layer_a", depth), "depth_b": ("layer_b", depth)}
    pair = {"cka": (("layer_a", "layer_b"), values)}
    asked = {"layers": f"{model}:@block", "view": "flatten"}
    return planted(name or f"blocks-of-{model}", "cka", pair, coords, {model: facts(tags)}, asked, **more)


def staged(count: int, far: float) -> np.ndarray:
    """A CKA map: 1 on the diagonal, `far` between the two ends."""
    apart = np.abs(np.subtract.outer(range(count), range(count))) / (count - 1)
    return 1 - apart * (1 - far)
