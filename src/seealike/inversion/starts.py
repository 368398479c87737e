"""Where a search begins, and what it is measured by: noise drawn for each image by itself, whatever comes with it."""

import torch
from torch import Tensor

DEVIATION = 1 / 20
BRIGHTNESS = {"bright": 0.7, "grey": 0.5}


def draw(kind: str, image: Tensor, shift: float, generator: torch.Generator) -> Tensor:
    """Where to begin: "bright", N(0.7, 1/20), as published; "grey", N(0.5, 1/20); "near", the image with noise."""
    if kind == "near":
        return shifted(image, shift, generator)
    return BRIGHTNESS[kind] + DEVIATION * _noise(image, generator)


def shifted(image: Tensor, shift: float, generator: torch.Generator) -> Tensor:
    """The image with a little noise, N(0, shift): its distance in a layer is what counts as near there."""
    return image + shift * _noise(image, generator)


def _noise(image: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(image.shape, generator=generator, dtype=torch.float64).to(image)
