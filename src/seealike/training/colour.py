"""The colours of images changed, all of a batch at once; what torchvision's functions do one by one."""

import numpy as np
import torch
from torch import Tensor

GREY = (0.2989, 0.587, 0.114)  # how much of red, green and blue


def factors(u: np.ndarray, strength: float) -> np.ndarray:
    """Of brightness, contrast and saturation, from draws in [0, 1): as torchvision's ColorJitter chooses them.

    >>> factors(np.array([[0.0, 0.5, 0.75]]), 0.4).tolist()
    [[0.6, 1.0, 1.2]]
    """
    low, high = max(0.0, 1 - strength), 1 + strength
    return low + (high - low) * u


def jittered(pixels: Tensor, factors: np.ndarray) -> Tensor:
    """Brightness, contrast and saturation of each image times its factors, in this order; colours from 0 to 255.

    `pixels` are images x height x width x colours, `factors` images x 3; the answer is float32.
    """
    brightness, contrast, saturation = torch.from_numpy(factors.astype(np.float32)).to(pixels.device).T[..., None, None]
    images = (pixels.float() * brightness[..., None]).clamp(0, 255)
    images = _between(_grey(images).mean((1, 2), keepdim=True), images, contrast)
    return _between(_grey(images), images, saturation)


def _grey(images: Tensor) -> Tensor:
    return images @ torch.tensor(GREY, device=images.device)


def _between(grey: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    """From grey to the image, or beyond it."""
    return (factor[..., None] * images + (1 - factor[..., None]) * grey[..., None]).clamp(0, 255)
