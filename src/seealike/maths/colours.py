"""Between the colours of a picture, in [0, 1], and what a network is given: (colour - mean) / std of each channel."""

from collections.abc import Sequence

from torch import Tensor

Colours = tuple[Sequence[float], Sequence[float]]  # the mean and the deviation of each channel


def normalised(pictures: Tensor, colours: Colours | None) -> Tensor:
    """What a network is given of pictures; with None, the pictures as they are."""
    if colours is None:
        return pictures
    mean, std = (_each(pictures, values) for values in colours)
    return (pictures - mean) / std


def restored(images: Tensor, colours: Colours | None) -> Tensor:
    """The pictures of which a network was given `images`.

    >>> import torch
    >>> grey = torch.full((1, 3, 1, 1), 0.5)
    >>> colours = (0.4, 0.5, 0.6), (0.2, 0.2, 0.2)
    >>> bool(torch.allclose(restored(normalised(grey, colours), colours), grey))
    True
    """
    if colours is None:
        return images
    mean, std = (_each(images, values) for values in colours)
    return images * std + mean


def _each(images: Tensor, values: Sequence[float]) -> Tensor:
    return images.new_tensor(list(values))[:, None, None]
