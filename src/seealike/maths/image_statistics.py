"""Low-level statistics of images: one number an image, of its colours, contrast, edges and spatial frequencies.

Images are n x 3 x h x w in [0, 1], as a screen is given them (sRGB). Where one channel is needed it is the luma
Y = 0.2126 R + 0.7152 G + 0.0722 B (Rec. 709), which screens and papers on natural images call grey.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "n 3 h w"]
Numbers = Float[Tensor, " n"]

LUMA = (0.2126, 0.7152, 0.0722)
XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
EDGE = 0.1  # of the range of luma a pixel: the flank of a step of 0.2
LEVELS = 256
FAINTEST = 1e-5  # far below what 8 bits make of any frequency


def luminance(images: Images) -> Numbers:
    """How bright an image is: the mean of its luma, 0 black, 1 white."""
    return _luma(images).mean((1, 2))


def contrast(images: Images) -> Numbers:
    """RMS contrast: the standard deviation of the luma over the pixels, 0 to 0.5.  Peli 1990."""
    return _luma(images).flatten(1).std(1, correction=0)


def colourfulness(images: Images) -> Numbers:
    """How colourful people find it: sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2).

    Means m and standard deviations s over the pixels of rg = R - G and yb = (R + G) / 2 - B, here of colours in
    [0, 1]: 255 times this is the published scale.  Hasler & Suesstrunk 2003, eq. in section 7.
    """
    r, g, b = images.flatten(2).unbind(1)
    opponent = torch.stack([r - g, (r + g) / 2 - b])
    spread, mean = opponent.std(2, correction=0), opponent.mean(2)
    return spread.square().sum(0).sqrt() + 0.3 * mean.square().sum(0).sqrt()


def lab_a(images: Images) -> Numbers:
    """From green (negative) to red: the mean of a* in CIE 1976 L*a*b*, white point D65."""
    x, y, _ = _lab_roots(images)
    return 500 * (x - y).mean((1, 2))


def lab_b(images: Images) -> Numbers:
    """From blue (negative) to yellow: the mean of b* in CIE 1976 L*a*b*, white point D65."""
    _, y, z = _lab_roots(images)
    return 200 * (y - z).mean((1, 2))


def saturation(images: Images) -> Numbers:
    """How far from grey: the mean over pixels of (max - min) / max of R, G, B, as in HSV; 0 for black."""
    high, low = images.amax(1), images.amin(1)
    return ((high - low) / high.clamp_min(torch.finfo(images.dtype).tiny)).mean((1, 2))


def entropy(images: Images) -> Numbers:
    """How many grey levels are used, and how evenly: - sum p log2 p over 256 levels of luma, 0 to 8 bits."""
    level = (_luma(images) * (LEVELS - 1)).round().long().clamp(0, LEVELS - 1).flatten(1)
    counts = torch.zeros(len(images), LEVELS, dtype=images.dtype, device=images.device)
    counts.scatter_add_(1, level, torch.ones_like(level, dtype=images.dtype))
    share = counts / level.shape[1]
    return -torch.special.xlogy(share, share).sum(1) / torch.log(torch.tensor(2.0))


def edges(images: Images) -> Numbers:
    """How much of it is edge: the share of inner pixels whose luma changes by more than 0.1 a pixel (Sobel)."""
    x, y = _gradient(images)
    return (torch.hypot(x, y) > EDGE).to(images.dtype).mean((1, 2))


def orientation(images: Images) -> Numbers:
    """How much one orientation dominates: (l1 - l2) / (l1 + l2), 1 for a grating, 0 where all are alike.

    l1 >= l2 are the eigenvalues of the structure tensor, the sum over inner pixels of g g' with g the luma's gradient
    (Sobel). 0 for an image without gradients.
    """
    x, y = _gradient(images)
    xx, yy, xy = ((a * b).sum((1, 2)) for a, b in ((x, x), (y, y), (x, y)))
    return torch.hypot(xx - yy, 2 * xy) / (xx + yy).clamp_min(FAINTEST**2)


def slope(images: Images) -> Numbers:
    """How amplitude falls with spatial frequency: about -1 for photographs, 0 for white noise.

    The least-squares slope of log A(k) against log k, where A(k) is the mean amplitude of the luma's Fourier transform
    (mean removed, Hann window) over the frequencies of k cycles over the shorter side, rounded, k = 1 ... half of it.
    0 for an image of one colour.  van der Schaaf & van Hateren 1996.
    """
    h, w = images.shape[2:]
    side = min(h, w)
    amplitude = _power(images, windowed=True).sqrt().clamp_min(FAINTEST).flatten(1)
    ring = (_frequency(h, w).to(images.device) * side).round().long().flatten()
    rings = torch.nn.functional.one_hot(ring, int(ring.max()) + 1).to(images.dtype)[:, 1 : side // 2 + 1]
    log_a = (amplitude @ rings / rings.sum(0)).log()
    log_k = torch.arange(1, side // 2 + 1, dtype=images.dtype, device=images.device).log()
    centred = log_k - log_k.mean()
    return log_a @ centred / centred.square().sum()


def octave(wavelength: int) -> Callable[[Images], Numbers]:
    """The variance of luma in an octave of spatial frequencies: wavelengths from `wavelength` pixels to twice that.

    The sum of |F|^2 / (h w)^2 over frequencies f with 1 / (2 wavelength) < f <= 1 / wavelength cycles a pixel; all
    frequencies but 0 together give the square of the RMS contrast.
    """

    def energy(images: Images) -> Numbers:
        h, w = images.shape[2:]
        f = _frequency(h, w).to(images.device)
        inside = (f > 0.5 / wavelength + 1e-9) & (f <= 1 / wavelength + 1e-9)
        return (_power(images, windowed=False) * inside).sum((1, 2)) / (h * w)

    return energy


STATISTICS: dict[str, Callable[[Images], Numbers]] = {
    "luminance": luminance,
    "contrast": contrast,
    "colourfulness": colourfulness,
    "lab_a": lab_a,
    "lab_b": lab_b,
    "saturation": saturation,
    "entropy": entropy,
    "edges": edges,
    "orientation": orientation,
    "slope": slope,
    "octave_2": octave(2),
    "octave_4": octave(4),
    "octave_8": octave(8),
    "octave_16": octave(16),
}


def _luma(images: Images) -> Float[Tensor, "n h w"]:
    return torch.einsum("nchw,c->nhw", images, images.new_tensor(LUMA))


def _lab_roots(images: Images) -> list[Tensor]:
    """f(X / Xn), f(Y / Yn), f(Z / Zn) of each pixel, the white being what R = G = B = 1 gives."""
    linear = torch.where(images <= 0.04045, images / 12.92, ((images + 0.055) / 1.055) ** 2.4)
    matrix = images.new_tensor(XYZ)
    xyz = torch.einsum("nchw,kc->nkhw", linear, matrix / matrix.sum(1, keepdim=True))
    small = 6 / 29
    return list(torch.where(xyz > small**3, xyz.clamp_min(0) ** (1 / 3), xyz / (3 * small**2) + 4 / 29).unbind(1))


def _gradient(images: Images) -> tuple[Tensor, Tensor]:
    """The luma's change a pixel to the right and downwards, at inner pixels."""
    kernel = images.new_tensor(SOBEL) / 8
    both = torch.nn.functional.conv2d(_luma(images)[:, None], torch.stack([kernel, kernel.T])[:, None])
    return both[:, 0], both[:, 1]


def _power(images: Images, windowed: bool) -> Float[Tensor, "n h w"]:
    """|F|^2 / (h w) of the luma less its mean."""
    luma = _luma(images)
    luma = luma - luma.mean((1, 2), keepdim=True)
    if windowed:
        h, w = (torch.hann_window(n, periodic=False, dtype=luma.dtype, device=luma.device) for n in luma.shape[1:])
        luma = luma * h[:, None] * w
    return torch.fft.fft2(luma, norm="ortho").abs().square()


def _frequency(h: int, w: int) -> Float[Tensor, "h w"]:
    """Cycles a pixel of each place of a two-dimensional Fourier transform."""
    y, x = torch.fft.fftfreq(h, dtype=torch.float64), torch.fft.fftfreq(w, dtype=torch.float64)
    return torch.hypot(y[:, None], x)
