"""Small untrained convolutional networks that draw pictures, one a row: the prior of "deep image prior".

An hourglass of four scales, as in Ulyanov, Vedaldi & Lempitsky 2018 but narrower: convolutions of 3 x 3, numbers
normalised over the picture, leaky ReLUs, nearest neighbours upwards beside what was seen on the way down, a sigmoid.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import vmap

from seealike.maths.chance import seeded

WIDTHS = (16, 32, 64)
SLOPE = 0.2


def weights(pictures: Tensor, seed: int) -> tuple[Tensor, ...]:
    """The first weights and biases of each row, alike for all (He et al. 2015)."""
    generator = seeded(seed, "deep image prior")
    found: list[Tensor] = []
    for out, into, side in _shapes(pictures.shape[1]):
        drawn = torch.randn(out, into, side, side, generator=generator) * (2 / (into * side * side)) ** 0.5
        found += [drawn, torch.zeros(out)]
    return tuple(one.to(pictures).expand(len(pictures), *one.shape).clone() for one in found)


def draw(weights: Sequence[Tensor], starts: Tensor) -> Tensor:
    """What the network of each row makes of its start."""
    return vmap(_drawn)(tuple(weights), starts)


def _shapes(channels: int) -> list[tuple[int, int, int]]:
    """Of each convolution: channels out, channels in, side. Down, up again, and to colours."""
    down = [(out, into, 3) for into, out in pairwise((channels, *WIDTHS))]
    up = [(into, out + into, 3) for into, out in pairwise(WIDTHS)][::-1]
    return [*down, *up, (channels, WIDTHS[0], 1)]


def _drawn(weights: tuple[Tensor, ...], start: Tensor) -> Tensor:
    layers = list(zip(weights[::2], weights[1::2], strict=True))
    seen = [start]
    for i, layer in enumerate(layers[: len(WIDTHS)]):
        seen.append(_layer(seen[-1], layer, stride=1 if i == 0 else 2))
    numbers = seen.pop()
    for layer in layers[len(WIDTHS) : -1]:
        beside = seen.pop()
        large = F.interpolate(numbers[None], size=beside.shape[-2:], mode="nearest")[0]
        numbers = _layer(torch.cat([large, beside]), layer)
    weight, bias = layers[-1]
    return F.conv2d(numbers[None], weight, bias)[0].sigmoid()


def _layer(numbers: Tensor, layer: tuple[Tensor, Tensor], stride: int = 1) -> Tensor:
    weight, bias = layer
    numbers = F.conv2d(numbers[None], weight, bias, stride=stride, padding=1)[0]
    centred = numbers - numbers.mean((1, 2), keepdim=True)
    return F.leaky_relu(centred / (centred.square().mean((1, 2), keepdim=True) + 1e-5).sqrt(), SLOPE)
