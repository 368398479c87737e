"""Image statistics against plain NumPy, pixel by pixel or bin by bin, and against images whose value is known."""

import colorsys

import numpy as np
import pytest
import torch
from scipy import ndimage

from seealike.maths.image_statistics import STATISTICS

SIZES = [(16, 16), (20, 33), (48, 36)]


def noise(h, w, n=3, seed=0):
    return torch.rand(n, 3, h, w, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def grey(values):
    """Images of one luma each pixel: the luma's weights add up to 1."""
    return torch.as_tensor(values, dtype=torch.float64)[None, None].expand(1, 3, -1, -1)


def luma(image):
    return 0.2126 * image[0] + 0.7152 * image[1] + 0.0722 * image[2]


def wave(h, w, y, x, amplitude=0.25, phase=0.3):
    """A grating of y cycles down and x cycles across."""
    at = 2 * np.pi * (y * np.arange(h)[:, None] / h + x * np.arange(w) / w)
    return 0.5 + amplitude * np.cos(at + phase)


# ---- each against another way of computing it


def colourfulness(image):
    r, g, b = (255 * image).reshape(3, -1)
    rg, yb = r - g, 0.5 * (r + g) - b
    return (np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())) / 255


def lab(image):
    """CIE 1976, pixel by pixel, from the standard's own numbers."""
    a, b = [], []
    for pixel in image.reshape(3, -1).T:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in pixel]
        matrix = [(0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.072175), (0.0193339, 0.119192, 0.9503041)]
        white = (0.95047, 1.0, 1.08883)
        ratio = [sum(m * c for m, c in zip(row, linear, strict=True)) / n for row, n in zip(matrix, white, strict=True)]
        f = [t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in ratio]
        a.append(500 * (f[0] - f[1]))
        b.append(200 * (f[1] - f[2]))
    return np.mean(a), np.mean(b)


def entropy(image):
    levels = np.rint(luma(image) * 255).astype(int).ravel()
    shares = [np.mean(levels == level) for level in set(levels)]
    return -sum(p * np.log2(p) for p in shares)


def gradient(image):
    inner = (slice(1, -1), slice(1, -1))
    return [ndimage.sobel(luma(image), axis)[inner] / 8 for axis in (1, 0)]


def orientation(image):
    x, y = gradient(image)
    low, high = np.linalg.eigvalsh([[np.sum(x * x), np.sum(x * y)], [np.sum(x * y), np.sum(y * y)]])
    return (high - low) / (high + low)


def slope(image):
    y = luma(image)
    h, w = y.shape
    y = (y - y.mean()) * np.hanning(h)[:, None] * np.hanning(w)
    amplitude = np.abs(np.fft.fft2(y))
    rings = {}
    for i, fy in enumerate(np.fft.fftfreq(h)):
        for j, fx in enumerate(np.fft.fftfreq(w)):
            rings.setdefault(int(np.rint(np.hypot(fy, fx) * min(h, w))), []).append(amplitude[i, j])
    k = range(1, min(h, w) // 2 + 1)
    return np.polyfit(np.log(list(k)), np.log([np.mean(rings[each]) for each in k]), 1)[0]


def octave(wavelength):
    def energy(image):
        y = luma(image)
        power = np.abs(np.fft.fft2(y) / y.size) ** 2
        f = np.hypot(np.fft.fftfreq(y.shape[0])[:, None], np.fft.fftfreq(y.shape[1]))
        return power[(f * 2 * wavelength > 1 + 1e-9) & (f * wavelength <= 1 + 1e-9)].sum()

    return energy


ORACLES = {
    "luminance": lambda image: luma(image).mean(),
    "contrast": lambda image: luma(image).std(),
    "colourfulness": colourfulness,
    "lab_a": lambda image: lab(image)[0],
    "lab_b": lambda image: lab(image)[1],
    "saturation": lambda image: np.mean([colorsys.rgb_to_hsv(*p)[1] for p in image.reshape(3, -1).T]),
    "entropy": entropy,
    "edges": lambda image: np.mean(np.hypot(*gradient(image)) > 0.1),
    "orientation": orientation,
    "slope": slope,
    **{f"octave_{n}": octave(n) for n in (2, 4, 8, 16)},
}


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("size", SIZES)
def test_another_way_gives_the_same(name, size):
    images = noise(*size) ** torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)[:, None, None, None]
    found = STATISTICS[name](images)
    tolerance = {"lab_a": 1e-3, "lab_b": 1e-3}.get(name, 1e-9)  # the standard's white is rounded
    np.testing.assert_allclose(found, [ORACLES[name](image) for image in images.numpy()], rtol=1e-6, atol=tolerance)
    single = STATISTICS[name](images.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), found, rtol=1e-3, atol=1e-4)


def test_there_is_an_oracle_for_every_statistic():
    assert ORACLES.keys() == STATISTICS.keys()


# ---- images whose value is known


@pytest.mark.parametrize("colour", [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5)])
def test_one_grey_has_nothing_but_luminance(colour):
    image = torch.tensor(colour)[None, :, None, None].expand(2, 3, 32, 32)
    for name, statistic in STATISTICS.items():
        expected = colour[0] if name == "luminance" else 0.0
        torch.testing.assert_close(statistic(image), torch.full((2,), expected), atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("colour", "a", "b"), [((1, 0, 0), 80.09, 67.20), ((0, 1, 0), -86.18, 83.18), ((0, 0, 1), 79.19, -107.86)]
)
def test_lab_of_the_primaries(colour, a, b):
    """As every table of sRGB in CIE Lab (D65) gives them."""
    image = torch.tensor(colour, dtype=torch.float64)[None, :, None, None].expand(1, 3, 4, 4)
    assert float(STATISTICS["lab_a"](image)) == pytest.approx(a, abs=0.02)
    assert float(STATISTICS["lab_b"](image)) == pytest.approx(b, abs=0.02)
    assert float(STATISTICS["saturation"](image)) == 1


def test_as_many_levels_as_are_used():
    values = np.tile(np.arange(16) / 255 * 10, (16, 1))
    assert float(STATISTICS["entropy"](grey(values))) == pytest.approx(4)


def test_half_black_half_white():
    halves = grey(np.repeat([0.0, 1.0], 16)[None].repeat(32, 0))
    found = {name: float(statistic(halves)) for name, statistic in STATISTICS.items()}
    assert (found["luminance"], found["contrast"], found["entropy"]) == pytest.approx((0.5, 0.5, 1))
    assert found["edges"] == pytest.approx(2 / 30) and found["orientation"] == pytest.approx(1)


@pytest.mark.parametrize(("y", "x"), [(3, 0), (0, 5), (4, 4), (2, 7)])
def test_a_grating_has_one_orientation_and_one_octave(y, x):
    image = grey(wave(32, 32, y, x))
    assert float(STATISTICS["orientation"](image)) == pytest.approx(1, abs=0.02)
    wavelength = 32 / np.hypot(y, x)
    for name in (2, 4, 8, 16):
        expected = 0.25**2 / 2 if name <= wavelength < 2 * name else 0
        assert float(STATISTICS[f"octave_{name}"](image)) == pytest.approx(expected, abs=1e-9)


def test_two_crossed_gratings_have_no_orientation():
    image = grey((wave(32, 32, 4, 0, phase=0) + wave(32, 32, 0, 4, phase=0)) / 2)
    assert float(STATISTICS["orientation"](image)) == pytest.approx(0, abs=0.002)


def test_octaves_are_parts_of_the_contrast():
    images = noise(64, 64)
    parts = sum(STATISTICS[f"octave_{n}"](images) for n in (2, 4, 8, 16))
    assert (parts < STATISTICS["contrast"](images) ** 2).all()


@pytest.mark.parametrize("exponent", [0.0, -1.0, -2.0])
def test_the_slope_of_noise_made_with_it(exponent):
    rng = np.random.default_rng(0)
    f = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128))
    f[0, 0] = np.inf if exponent else 1
    made = [np.fft.ifft2(np.fft.fft2(rng.standard_normal((128, 128))) * f**exponent).real for _ in range(8)]
    images = torch.cat([grey(0.5 + 0.1 * each / each.std()) for each in made])
    assert float(STATISTICS["slope"](images).mean()) == pytest.approx(exponent, abs=0.1)


def test_every_statistic_says_what_it_means():
    assert all((s.__doc__ or "").strip() for name, s in STATISTICS.items() if not name.startswith("octave"))
