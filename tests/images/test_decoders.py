"""Every kind of file that a folder of pictures holds, against the numbers that were written into it, byte by byte."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from seealike.images.decode import decode
from seealike.images.indexed import CorruptImage

RNG = np.random.default_rng(0)
COARSE = np.kron(RNG.integers(0, 256, (2, 3, 3)), np.ones((8, 8, 1))).astype(np.uint8)  # survives JPEG
FINE = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
DEEP = np.concatenate([RNG.integers(0, 65536, (5, 7, 3)), [[[0, 65535, 32768]] * 7]]).astype(np.uint16)


def saved(image: Image.Image, format: str, **how) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **how)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(pixels: np.ndarray, depth: int, colour: int, *more: bytes) -> bytes:
    """A PNG of rows as they are: colour 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha."""
    high, wide = pixels.shape[:2]
    rows = np.packbits(pixels, axis=1) if depth == 1 else pixels.astype(">u2" if depth == 16 else "u1")
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", wide, high, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff(pixels: np.ndarray, photometric: int, sign: int = 1, order: str = "<", **more: tuple[int, ...]) -> bytes:
    """A TIFF of rows as they are: 1 grey, 2 RGB, 8 Lab; sign 1 whole, 2 with a sign, 3 floating point."""
    high, wide = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    bits = 8 * pixels.itemsize
    entries = {256: wide, 257: high, 258: (bits,) * samples, 259: 1, 262: photometric, 273: 8, 277: samples, 278: high}
    entries |= {279: pixels.nbytes, 339: (sign,) * samples} | {int(k[1:]): v for k, v in more.items()}
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    data += b"\0" * (len(data) % 2)
    tables, extra, after = b"", b"", 8 + len(data) + 2 + 12 * len(entries) + 4
    for tag, value in sorted(entries.items()):
        values = value if isinstance(value, tuple) else (value,)
        kind, letter = (3, "H") if tag in (258, 259, 262, 277, 339, 274, 338) else (4, "I")
        packed = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(packed) > 4:
            tables += struct.pack(f"{order}HHII", tag, kind, len(values), after + len(extra))
            extra += packed
        else:
            tables += struct.pack(f"{order}HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(entries)) + tables + b"\0" * 4 + extra


def shown(content: bytes) -> np.ndarray:
    image = decode(content, "x")
    assert image.mode == "RGB"
    return np.asarray(image)


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, 2).astype(np.uint8)


def over_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return colours * share + 255 * (1 - share)


LOSSLESS = ("png", "webp", "tiff", "bmp", "ppm", "tga", "qoi", "pcx", "dds")


@pytest.mark.parametrize("format", LOSSLESS)
def test_what_loses_nothing_gives_what_was_written(format):
    how = {"lossless": True, "exact": True} if format == "webp" else {}
    assert np.array_equal(shown(saved(Image.fromarray(FINE), format, **how)), FINE)


@pytest.mark.parametrize("how", [{"compression": kind} for kind in ("raw", "tiff_lzw", "tiff_deflate", "packbits")])
def test_packed_tiffs(how):
    assert np.array_equal(shown(saved(Image.fromarray(FINE), "tiff", **how)), FINE)


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiffs_of_both_orders_of_bytes(order):
    assert np.array_equal(shown(tiff(FINE, 2, order=order)), FINE)
    assert np.array_equal(shown(tiff(GREY, 1, order=order)), grey(GREY))
    assert np.array_equal(shown(tiff(DEEP[..., 0], 1, order=order)), grey(np.rint(DEEP[..., 0] / 257)))


@pytest.mark.parametrize(
    ("format", "how"),
    [
        ("jpeg", {}),
        ("jpeg", {"progressive": True}),
        ("jpeg", {"subsampling": 0, "optimize": True}),
        ("webp", {}),
        ("jpeg2000", {"quality_mode": "dB", "quality_layers": [50]}),
        pytest.param("avif", {}, marks=pytest.mark.skipif(not features.check("avif"), reason="PIL without AVIF")),
    ],
)
def test_what_loses_a_little_is_near(format, how):
    best = {} if format == "jpeg2000" else {"quality": 98}
    found = shown(saved(Image.fromarray(COARSE), format, **best, **how))
    assert np.median(np.abs(found.astype(int) - COARSE)) <= 3 and found.shape == COARSE.shape


def test_a_progressive_jpeg_is_what_the_plain_one_is():
    plain, progressive = (saved(Image.fromarray(COARSE), "jpeg", quality=95, progressive=p) for p in (False, True))
    assert plain != progressive and np.array_equal(shown(plain), shown(progressive))


def test_grey_jpeg():
    coarse = COARSE[..., 0]
    assert np.abs(shown(saved(Image.fromarray(coarse), "jpeg", quality=98)).astype(int) - grey(coarse)).max() <= 4


def test_a_cmyk_jpeg_has_ink_where_there_is_none_of_a_colour():
    """Adobe writes the complement of the ink; the file says so, and PIL turns it."""
    ink = np.concatenate([255 - COARSE, np.zeros_like(COARSE[..., :1])], 2)  # no black: the colours are 255 - ink
    found = shown(saved(Image.fromarray(ink, "CMYK"), "jpeg", quality=98, subsampling=0)).astype(int)
    assert np.abs(found - COARSE).max() <= 6
    assert np.array_equal(shown(saved(Image.fromarray(ink, "CMYK"), "tiff")), COARSE)


# ---- depths of bits


@pytest.mark.parametrize("colour", [0, 4])
def test_sixteen_bit_grey_png(colour):
    values = DEEP[..., 0]
    if colour == 0:
        assert np.array_equal(shown(png(values, 16, 0)), grey(np.rint(values / 257)))
    else:  # PIL keeps the upper eight bits of grey with alpha
        opaque = np.stack([values, np.full_like(values, 65535)], -1)
        assert np.array_equal(shown(png(opaque, 16, 4)), grey(values >> 8))


def test_sixteen_bit_grey_with_one_transparent_value():
    values = np.array([[0, 1000, 65535, 1000]], np.uint16)
    found = shown(png(values, 16, 0, chunk(b"tRNS", struct.pack(">H", 1000))))
    assert found[0, :, 0].tolist() == [0, 255, 255, 255]


def test_sixteen_bit_colours_keep_their_upper_eight_bits():
    assert np.array_equal(shown(png(DEEP, 16, 2)), DEEP >> 8)
    opaque = np.concatenate([DEEP, np.full_like(DEEP[..., :1], 65535)], 2)
    assert np.array_equal(shown(png(opaque, 16, 6)), DEEP >> 8)
    for order in "<>":
        assert np.array_equal(shown(tiff(DEEP, 2, order=order)), DEEP >> 8)


def test_sixteen_bit_colours_with_a_transparent_one():
    values = np.array([[[65535, 0, 256], [10, 20, 30]]], np.uint16)
    found = shown(png(values, 16, 2, chunk(b"tRNS", struct.pack(">HHH", 65535, 0, 256))))
    assert found[0, 1].tolist() == [0, 0, 0] and found[0, 0].tolist() in ([255, 255, 255], [255, 0, 1])


def test_one_bit():
    bits = RNG.integers(0, 2, (5, 7), dtype=np.uint8)
    assert np.array_equal(shown(png(bits, 1, 0)), grey(255 * bits))
    for format in ("png", "tiff", "ppm", "bmp"):
        assert np.array_equal(shown(saved(Image.fromarray(bits.astype(bool)), format)), grey(255 * bits))


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_grey_that_counts_from_white(dtype):
    values = (GREY if dtype == "u1" else DEEP[..., 0]).astype(dtype)
    most = 255 if dtype == "u1" else 65535
    assert np.array_equal(shown(tiff(values, 0)), grey(255 - np.rint(values / (most / 255))))


# ---- transparency


def test_alpha_is_over_white():
    alpha = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
    expected = over_white(FINE.astype(float), alpha)
    whole = np.concatenate([FINE, alpha[..., None]], 2)
    for content in (png(whole, 8, 6), saved(Image.fromarray(whole), "webp", lossless=True, exact=True)):
        assert np.abs(shown(content) - expected).max() <= 1
    both = np.stack([GREY, alpha], -1)
    assert np.abs(shown(png(both, 8, 4)) - over_white(grey(GREY).astype(float), alpha)).max() <= 1


def test_a_palette_with_transparency():
    palette, index = RNG.integers(0, 256, (4, 3), dtype=np.uint8), RNG.integers(0, 4, (5, 7), dtype=np.uint8)
    alphas = np.array([255, 0, 128, 255], np.uint8)
    content = png(index, 8, 3, chunk(b"PLTE", palette.tobytes()), chunk(b"tRNS", alphas.tobytes()))
    assert np.abs(shown(content) - over_white(palette[index].astype(float), alphas[index])).max() <= 1
    assert np.array_equal(shown(png(index, 8, 3, chunk(b"PLTE", palette.tobytes()))), palette[index])


@pytest.mark.parametrize("depth", [1, 8])
def test_grey_and_colours_with_one_transparent_value(depth):
    values = np.array([[0, 1, 0, 1]], np.uint8)
    found = shown(png(values, depth, 0, chunk(b"tRNS", struct.pack(">H", 0))))
    assert found[0, :, 0].tolist() == ([255] * 4 if depth == 1 else [255, 1, 255, 1])
    colours = np.array([[[1, 2, 3], [9, 8, 7]]], np.uint8)
    found = shown(png(colours, 8, 2, chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))))
    assert found[0].tolist() == [[255, 255, 255], [9, 8, 7]]


# ---- several pictures, turned ones, colours of other kinds


@pytest.mark.parametrize("format", ["gif", "webp", "png", "tiff", "mpo"])
def test_of_several_pictures_the_first_is_shown(format):
    pictures = [Image.fromarray(np.full((8, 8, 3), c, np.uint8)) for c in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    how = {"lossless": True} if format == "webp" else {}
    content = saved(pictures[0], format, save_all=True, append_images=pictures[1:], **how)
    with Image.open(io.BytesIO(content)) as opened:
        assert getattr(opened, "n_frames", 1) == 3
    assert np.abs(shown(content).astype(int) - [250, 0, 0]).max() <= 6


TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", TURNED)
def test_every_orientation_is_turned_upright(orientation):
    """What a camera stores is the upright picture turned; the number says how to turn it back."""
    stored, exif = np.ascontiguousarray(TURNED[orientation](FINE)), Image.Exif()
    exif[0x0112] = orientation
    for format, how in {"png": {}, "webp": {"lossless": True}}.items():
        assert np.array_equal(shown(saved(Image.fromarray(stored), format, exif=exif, **how)), FINE)
    assert np.array_equal(shown(tiff(stored, 2, t274=(orientation,))), FINE)
    coarse = np.ascontiguousarray(TURNED[orientation](COARSE))
    found = shown(saved(Image.fromarray(coarse), "jpeg", quality=98, subsampling=0, exif=exif))
    assert found.shape == COARSE.shape and np.abs(found.astype(int) - COARSE).max() <= 6


def test_an_orientation_that_is_none_turns_nothing():
    exif = Image.Exif()
    exif[0x0112] = 77
    assert np.array_equal(shown(saved(Image.fromarray(FINE), "png", exif=exif)), FINE)


def test_profiles_of_colours_are_not_applied():
    """As torchvision, timm and every data set's own reader: numbers are taken as they are."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    assert np.array_equal(shown(saved(Image.fromarray(FINE), "png", icc_profile=profile)), FINE)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff(FINE[..., 0].astype("f4"), 1, sign=3), "floating-point pixels have no agreed range"),
        (tiff(FINE[..., 0].astype("f8"), 1, sign=3), "not in an image format that PIL knows"),
        (tiff(FINE[..., 0].astype("u4"), 1), "whole numbers of 32 bits, or with a sign, have no agreed range"),
        (tiff(FINE[..., 0].astype("i2"), 1, sign=2), "whole numbers of 32 bits, or with a sign, have no agreed range"),
        (tiff(FINE, 8), "its colours are Lab, which are not converted; save it in RGB"),
        (saved(Image.fromarray(FINE), "tiff")[:100], "truncated|cut|end|file"),
        (saved(Image.fromarray(COARSE), "jpeg")[:-150], "truncated"),
        (saved(Image.fromarray(COARSE), "png")[:-40], "truncated|broken"),
        (saved(Image.fromarray(COARSE), "webp")[:-10], "could not|failed|truncated|format"),
        (saved(Image.fromarray(COARSE), "gif")[:40], "truncated|format|not processed"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not in an image format that PIL knows"),
    ],
)
def test_what_cannot_be_shown_is_named_with_its_reason(content, reason):
    with pytest.raises(CorruptImage, match=f"(?i)image 'x' cannot be read: .*({reason})"):
        decode(content, "x")


def test_a_picture_of_one_pixel():
    assert shown(png(np.array([[[1, 2, 3]]], np.uint8), 8, 2)).tolist() == [[[1, 2, 3]]]
