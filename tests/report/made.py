"""Answers as the measures give them, made up: for the report, which reads files and knows no models."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from seealike.results import write

VIT, RESNET = [f"vit:blocks.{i}" for i in range(6)], [f"resnet:stage.{i}" for i in range(9)]
MODELS = {
    "vit": {
        "source": "timm:vit_small_patch16_224",
        "weights": "pretrained",
        "fingerprint": "9f3a01",
        "parameters": 22050664,
        "input": [3, 224, 224],
        "preprocessing": "resize 256, crop 224, bicubic",
        "tags": {"family": "transformer"},
    },
    "resnet": {
        "source": "nets.py:resnet",
        "weights": "untrained, seed 0",
        "fingerprint": "77b2cd",
        "parameters": 1234,
        "input": [3, 32, 32],
        "preprocessing": "as given",
        "tags": {},
    },
}


def attributes(ask: str, measure: str, models=("vit", "resnet"), **more: Any) -> dict[str, Any]:
    return {
        "measure": measure,
        "ask": ask,
        "title": "ViT against ResNet",
        "meaning": f"What {measure} means, in a line.",
        "citation": "Kornblith et al. 2019; Raghu et al. 2021, figs 1, 2",
        "command": "seealike run 'my study.toml' --out out",
        "question": {"a": "vit:@block", "b": "resnet:**", "layers": [], "view": "flatten", "estimator": "unbiased"},
        "models": {name: MODELS[name] for name in models},
        "images": {"name": "test", "source": "folder:photographs", "count": 2048, "fingerprint": "ab12"},
        "batch": 256,
        "seed": 7,
        "dtype": "float32",
        "versions": {"seealike": "0.1.0", "torch": "2.15.0"},
        "notes": [],
        "created": "2026-05-06T10:00:00+00:00",
    } | more


def cka(a=VIT, b=RESNET, seed=0, ask="similarity", **more: Any) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    values = np.clip(rng.random((len(a), len(b))), 0.01, 0.99)
    if a == b:
        values = (values + values.T) / 2
        np.fill_diagonal(values, 1)
    pair, said = ("layer_a", "layer_b"), {"long_name": "CKA", "units": "1"}
    return xr.Dataset(
        {"cka": (pair, values, said), "cka_se": (pair, rng.random(values.shape) / 100 + 1e-4, said)},
        {"layer_a": a, "layer_b": b, "depth_a": ("layer_a", np.linspace(0, 1, len(a)))},
        attributes(ask, "cka", **more),
    )


def distances(layers=6, heads=4, ask="distance", **more: Any) -> xr.Dataset:
    """The last layer has a head less: its values end with NaN."""
    rng = np.random.default_rng(1)
    names = ("attention_distance", "attention_distance_renormalised")
    dims, found = ("layer", "head"), {}
    for name in names:
        values = rng.random((layers, heads)) * 80 + 20
        values[-1, -1] = np.nan
        found[name] = (dims, values, {"units": "pixel"})
        found[f"{name}_se"] = (dims, values / 50, {"units": "pixel"})
    coords = {"layer": [f"vit:blocks.{i}.attn" for i in range(layers)], "head": range(heads)}
    return xr.Dataset(found, coords, attributes(ask, "attention_distance", ("vit",), question={"model": "vit"}, **more))


def study(folder: Path) -> Path:
    """A folder with four answers."""
    answers = {
        "similarity": cka(notes=["resnet: untrained, seed 0"]),
        "within": cka(VIT + RESNET, VIT + RESNET, 3, "within", question={"layers": ["vit:**", "resnet:**"]}),
        "distance": distances(),
        "other": other(),
    }
    answers["similarity"].cka[2, 3] = np.nan
    for i, (name, answer) in enumerate(answers.items()):
        write(folder, name, f"{i}f9a", answer.assign_attrs(created=f"2026-05-06T10:0{i}:00+00:00"))
    return folder


def other() -> xr.Dataset:
    """What no measure of today gives: every shape that the page has to show somehow."""
    rng = np.random.default_rng(2)
    layers = [f"vit:l{i}" for i in range(5)] + ["resnet:l0", "resnet:l1"]
    return xr.Dataset(
        {
            "area": ("layer", rng.random(7), {"units": "pixel"}),
            "area_se": ("layer", rng.random(7) / 9),
            "localization": (("layer", "token"), rng.random((7, 4)) - 0.3),
            "map": (("layer", "y", "x"), rng.random((7, 3, 3))),
            "cube": (("a", "b", "c"), np.ones((2, 2, 2))),
            "length": ((), 12.5, {"units": "pixel"}),
            "length_se": ((), 0.25),
            "verdict": ("claim", ["holds", "fails"]),
            "sound": ("layer", [True] * 7),
        },
        {"layer": layers},
        attributes("other", "something_new", question={"model": "vit", "bound": []}),
    )


class Parsed(HTMLParser):
    """A page as a browser would see it: its elements in order, the attributes of each, and the visible text."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "img"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag

    def handle_data(self, data):
        if self.inside and self.inside[-1] == "script":
            self.scripts.append(data)
        elif self.inside and self.inside[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]
