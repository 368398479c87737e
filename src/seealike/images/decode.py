"""From bytes to the pixels that every model is shown: upright, 8-bit RGB."""

from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile, ImageOps

from seealike.images.indexed import CorruptImage

NOT_IMAGES = ("EPS", "MPEG", "PDF")  # formats that PIL registers but cannot turn into pixels by itself
LONGEST = 100  # times the shorter side
PHOTOMETRIC, FROM_WHITE = 262, 0  # of a TIFF: PIL turns 8 bits that count from white, and 16 bits it does not
WHOLE = ("PNG", "PPM")  # where "I" means 16 bits
SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # "I" is how PIL opens 16-bit PGM files and older PNGs


def decode(file: bytes | Path, id: str) -> Image.Image:
    """The whole image in RGB, turned as its EXIF orientation says; CorruptImage with PIL's reason if it cannot be."""
    try:
        if isinstance(file, Path) and file.exists() and not file.is_file():
            raise ValueError("this is no file that can be read to its end")  # a pipe would be waited for
        with Image.open(BytesIO(file) if isinstance(file, bytes) else file, formats=formats()) as image:
            _refuse_what_has_no_meaning(image)
            inverted = image.mode in SIXTEEN_BIT and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == FROM_WHITE
            image.load()
            shown = rgb(ImageOps.exif_transpose(image))
            return ImageOps.invert(shown) if inverted else shown
    except Exception as error:  # PIL's readers raise whatever broken bytes make them raise
        raise CorruptImage(id, _reason(error)) from error


@cache
def formats() -> tuple[str, ...]:
    """What PIL can turn into pixels by itself, whatever a file is called: another program is never started."""
    Image.init()
    readers = {name: opener[0] for name, opener in Image.OPEN.items() if name not in NOT_IMAGES}
    return tuple(name for name, reader in readers.items() if not _only_recognises(reader))


def _only_recognises(reader: Any) -> bool:
    return isinstance(reader, type) and issubclass(reader, ImageFile.StubImageFile)


def _refuse_what_has_no_meaning(image: Image.Image) -> None:
    """Looked at before the pixels are there: a few bytes may say that there are millions."""
    long, short = max(image.size), min(image.size)
    if long > LONGEST * short:
        raise ValueError(
            f"it is {image.width} x {image.height} pixels: one side is more than {LONGEST} times the other, so a "
            "square of it would be enlarged beyond all memory"
        )
    if image.mode == "I" and image.format not in WHOLE:
        raise ValueError("whole numbers of 32 bits, or with a sign, have no agreed range; save it with 8 or 16 bits")


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
    if image.mode == "LAB":
        raise ValueError("its colours are Lab, which are not converted; save it in RGB")
    return _over_white(image) if image.has_transparency_data else image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64).clip(0, 65535)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        values[values == clear] = 65535
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
