"""Pictures that a layer cannot tell from an image: which are shown, in which colours, and what was found of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from seealike.figures.choosing import evenly

UNKNOWN = "colours are those of the network's input"  # how an answer notes that they are not known to be in [0, 1]
FOUND = ("m_i", "m_g", "rho_in", "rho_out", "psnr", "ssim", "slope", "nearest")


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, (y, x, red green blue) in [0, 1], and what a search came to; of an image itself nothing is found."""

    pixels: np.ndarray
    layer: str = ""
    start: int = 0
    verdict: str = ""
    found: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Row:
    """An image, by its number in the set, and the nearest picture of each layer."""

    image: str
    original: Picture
    pictures: tuple[Picture, ...]


def reconstructions(dataset: xr.Dataset, images: int, layers: int) -> list[Row]:
    """For some images and layers, evenly chosen, the picture of the start that came nearest in the layer."""
    columns = evenly(dataset.sizes["layer"], layers)
    return [_row(dataset.isel(image=image), columns) for image in evenly(dataset.sizes["image"], images)]


def known(dataset: xr.Dataset) -> bool:
    """Whether colours are those of pictures, in [0, 1]."""
    return not any(str(note).startswith(UNKNOWN) for note in dataset.attrs.get("notes", ()))


def coloured(values: np.ndarray, span: tuple[float, float] = (0.0, 1.0)) -> np.ndarray:
    """(channel, y, x) as red, green and blue in [0, 1]; where there are not three channels, their mean as grey.

    What is beyond the span is cut off.

    >>> coloured(np.array([[[0.0]], [[1.0]]])).tolist(), coloured(np.array([[[-2.0]], [[3.0]], [[0.25]]])).tolist()
    ([[[0.5, 0.5, 0.5]]], [[[0.0, 1.0, 0.25]]])
    """
    least, most = span
    colours = values if len(values) == 3 else np.repeat(values.mean(0, keepdims=True), 3, 0)
    spread = most - least if most > least else 1.0
    return np.clip(np.nan_to_num((colours - least) / spread), 0, 1).transpose(1, 2, 0)


def _row(dataset: xr.Dataset, layers: list[int]) -> Row:
    """Colours that are unknown go, in all pictures of an image, from its least to its greatest number."""
    original = dataset["original"].transpose("channel", "y", "x").values.astype(float)
    span = (0.0, 1.0) if known(dataset) else (float(original.min()), float(original.max()))
    pictures = tuple(_nearest(dataset.isel(layer=layer), span) for layer in layers)
    return Row(str(dataset["image"].values), Picture(coloured(original, span)), pictures)


def _nearest(dataset: xr.Dataset, span: tuple[float, float]) -> Picture:
    """The picture of one image and layer whose search came nearest in the layer."""
    far = dataset["m_g"].values
    start = int(np.where(np.isfinite(far), far, np.inf).argmin())
    one = dataset.isel(start=start)
    pixels = coloured(one["reconstruction"].transpose("channel", "y", "x").values.astype(float), span)
    found = {name: float(one[name]) for name in FOUND if name in one}
    return Picture(pixels, str(one["layer"].values), start, str(one["verdict"].values), found)
