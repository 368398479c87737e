"""From bytes to the pixels that every model is shown: upright, 8-bit RGB."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from seealike.images.indexed import CorruptImage

SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # "I" is how PIL opens 16-bit PGM files and older PNGs


def decode(file: bytes | Path, id: str) -> Image.Image:
    """The whole image in RGB, turned as its EXIF orientation says; CorruptImage with PIL's reason if it cannot be."""
    try:
        with Image.open(BytesIO(file) if isinstance(file, bytes) else file) as image:
            image.load()
            return rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # PIL's readers raise whatever broken bytes make them raise
        raise CorruptImage(id, _reason(error)) from error


def decode_cell(cell: Mapping, id: str) -> Image.Image:
    """The image of one cell of a Hugging Face image column: its bytes, or else the file at its path."""
    if cell and cell.get("bytes") is not None:
        return decode(cell["bytes"], id)
    if cell and cell.get("path"):
        return decode(Path(cell["path"]), id)
    raise CorruptImage(id, "there is no image in this row")


def rgb(image: Image.Image) -> Image.Image:
    """The image in 8-bit RGB: transparency over white, 16-bit grey scaled by 1/257 where PIL would clip at 255."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode in SIXTEEN_BIT:
        return _eight_bit(image).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range; save it with 8 or 16 bits")
    return _over_white(image) if image.has_transparency_data else image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64).clip(0, 65535)
    return Image.fromarray(np.rint(values / 257).astype(np.uint8))


def _over_white(image: Image.Image) -> Image.Image:
    """White, because the drawings and product photographs that come with transparency are made for white pages."""
    colours = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "not in an image format that PIL knows"
    if isinstance(error, FileNotFoundError):
        return "the file is gone"
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
