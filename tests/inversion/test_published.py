"""Badger 2022 found again: what was measured with its published code, of perceptrons and an untrained ResNet-50.

The author's photograph, a Dalmatian, is not at hand; a zebra takes its place. With another picture, and other weights,
distances differ: relations are asserted, and the published magnitudes with a stated margin. Distances: `m_g` of the
picture found in the layer, `m_i` of it from the image; `m_r`, `i_r` of the image with noise, N(0, 1/18).
"""

import io
import math
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import resnet50
from torchvision.transforms.v2.functional import pil_to_tensor, resize

from seealike.inversion import Found, Problem, Settings, draw, search, seeded, shifted
from seealike.kernel import Given
from seealike.models.graph import Graph
from seealike.statistics.inverted import Inverted

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "imagenet-sample.parquet"
ZEBRA, TIGER = 340, 292  # classes, of which there is one photograph each
PERCEPTRON = (0.35 * 0.1, 0.35 * 1e-4)  # the factor of the loss times the rate, first and last
COLOURS = 29 * 29 * 3  # numbers of a picture, 2523


@cache
def photograph(side, label=ZEBRA):
    """All of it squeezed into a square, as published: 1 x 3 x side x side, colours in [0, 1]."""
    if not DATA.exists():
        pytest.skip("the shared image sets are not beside the project")
    table = pyarrow.parquet.read_table(DATA)
    row = table["label"].to_pylist().index(label)
    image = Image.open(io.BytesIO(table["image"][row].as_py()["bytes"])).convert("RGB")
    return resize(pil_to_tensor(image), [side, side])[None].float() / 255


def perceptron(*widths, act=None, seed=999):
    torch.manual_seed(seed)
    layers = [nn.Flatten()]
    for into, out in pairwise(widths):
        layers += [nn.Linear(into, out), *([act] if act else [])]
    return nn.Sequential(*layers).requires_grad_(False)


def searched(net, images, **settings):
    """The search for `images`, its start, and `m_r`, `i_r`: what noise does."""
    settings = Settings(starts=("bright",), **settings)
    start = torch.stack([draw("bright", one, 1 / 18, seeded(0, "start", i)) for i, one in enumerate(images)])
    noisy = torch.stack([shifted(one, 1 / 18, seeded(0, "shift", i)) for i, one in enumerate(images)])
    found = search(Problem(net, images, net(images)), start, settings)
    return found, start, norms(net(noisy) - net(images)), norms(noisy - images)


def norms(rows):
    return rows.flatten(1).norm(dim=1)


@cache
def perceptron_inverted(*widths, relu=False, iterations=2000):
    """As published: {m_g, m_i, m_r, i_r, condition, floor, apart}, all but the network a function of the zebra."""
    net, image = perceptron(*widths, act=nn.ReLU() if relu else None), photograph(29)
    found, start, m_r, i_r = searched(net, image, mode="paper", step=PERCEPTRON, iterations=iterations)
    told = {"m_g": found.near, "m_i": found.far, "m_r": m_r, "i_r": i_r, "apart": norms(start - image)}
    return {key: float(one) for key, one in told.items()} | seen(net, (start - image).flatten().double())


def seen(net, apart):
    """Of the product of all weights: the condition number, and how much of `apart` it maps to nothing."""
    product = math.prod
    matrix = torch.eye(COLOURS, dtype=torch.float64)
    for layer in net:
        if isinstance(layer, nn.Linear):
            matrix = layer.weight.double() @ matrix
    del product
    if len(matrix) < COLOURS:
        basis = torch.linalg.qr(matrix.T)[0]
        return {"floor": float((apart - basis @ (basis.T @ apart)).norm()), "condition": math.inf}
    sigma = torch.linalg.svdvals(matrix)
    return {"floor": 0.0, "condition": float(sigma[0] / sigma[-1])}
