"""How a picture is written while it is searched for, and what is thought likely of it.

Every tensor has the rows (an image and a start each) first, and no row reaches another.
"""

from abc import ABC

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from seealike.inversion.deep_image import draw, weights
from seealike.inversion.settings import Settings

Numbers = tuple[Tensor, ...]  # what is moved: a picture, its spectrum, the weights of a network that draws it

SIGMAS = (2.4, 0.4)  # of the blur, in the first and the last iteration
# Colours of natural images, decorrelated: the square root of their covariance, as Olah, Mordvintsev & Schubert 2017
CORRELATION = ((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))
DECAY = 1.0  # amplitudes of natural images fall as 1 / frequency
EDGE = 0.01  # how near black and white a start may be, where pictures are sigmoids


class Prior(ABC):  # noqa: B024 (its methods have defaults)
    """No prior: a picture is its pixels, without bounds."""

    def begin(self, pictures: Tensor) -> Numbers:
        return (pictures,)

    def picture(self, numbers: Numbers) -> Tensor:
        return numbers[0]

    def penalty(self, pictures: Tensor) -> Tensor | float:
        """What is added to the objective of each row."""
        return 0.0

    def moved(self, numbers: Numbers, progress: float) -> Numbers:
        """What becomes of a step; `progress`, 0 to 1, is how many of the iterations are done."""
        return numbers


class Pixels(Prior):
    """Nothing is likely of an image."""


class Blur(Prior):
    """Smooth at first: a Gaussian over 3 x 3 pixels after every step, sigma falling from 2.4 to 0.4.  Badger 2022."""

    def moved(self, numbers: Numbers, progress: float) -> Numbers:
        sigma = SIGMAS[0] * (1 - progress) + SIGMAS[1] * progress
        return (gaussian_blur(numbers[0], [3, 3], [sigma, sigma]),)


class TotalVariation(Prior):
    """Few edges: the mean over pixels of the squared differences to the right and below.

    Mahendran & Vedaldi 2015, eq. 4 with beta = 2.
    """

    def __init__(self, weight: float):
        self.weight = weight

    def penalty(self, pictures: Tensor) -> Tensor:
        down, right = pictures.diff(dim=2), pictures.diff(dim=3)
        return self.weight * (down.square().sum((1, 2, 3)) + right.square().sum((1, 2, 3))) / pictures[0].numel()


class Fourier(Prior):
    """Large forms first: a sigmoid of a spectrum whose numbers are divided by their frequency, in decorrelated colours.

    Olah, Mordvintsev & Schubert 2017, *Feature Visualization*. In [0, 1].
    """

    def __init__(self, like: Tensor):
        high, wide = self.size = (like.shape[-2], like.shape[-1])
        y, x = torch.fft.fftfreq(high, dtype=like.dtype), torch.fft.rfftfreq(wide, dtype=like.dtype)
        frequency = torch.hypot(y[:, None], x).clamp_min(1 / max(high, wide))
        self.scale = (frequency**-DECAY)[..., None].to(like.device)
        colours = like.new_tensor(CORRELATION) if like.shape[-3] == 3 else torch.eye(like.shape[-3]).to(like)
        self.colours = colours / colours.norm(dim=0).max()

    def begin(self, pictures: Tensor) -> Numbers:
        grey = torch.logit(pictures.clamp(EDGE, 1 - EDGE))
        apart = torch.einsum("ij,njhw->nihw", torch.linalg.inv(self.colours), grey)
        return (torch.view_as_real(torch.fft.rfft2(apart, norm="ortho")) / self.scale,)

    def picture(self, numbers: Numbers) -> Tensor:
        spectrum = torch.view_as_complex((numbers[0] * self.scale).contiguous())
        apart = torch.fft.irfft2(spectrum, s=self.size, norm="ortho")
        return torch.einsum("ij,njhw->nihw", self.colours, apart).sigmoid()


class DeepImage(Prior):
    """What a convolutional network draws easily, untrained, one network a row.  Ulyanov, Vedaldi & Lempitsky 2018.

    Its input is the start; the weights, alike for all rows at first, are what is searched.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def begin(self, pictures: Tensor) -> Numbers:
        return (*weights(pictures, self.seed), pictures)

    def picture(self, numbers: Numbers) -> Tensor:
        *weights, start = numbers
        return draw(weights, start.detach())  # it is the network that is searched for, not what it is given


def prior(settings: Settings, like: Tensor) -> Prior:
    """The prior that is asked for, of pictures like these."""
    made = {
        "none": Pixels,
        "blur": Blur,
        "tv": lambda: TotalVariation(settings.weight),
        "fourier": lambda: Fourier(like),
        "dip": lambda: DeepImage(settings.seed),
    }
    return made[settings.prior]()
