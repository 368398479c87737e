"""How a decoded image becomes a network's input: as its authors did it, plainly, or alike for all models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from seealike.errors import StudyError
from seealike.images.crops import (
    CentralSquare,
    CornerSquare,
    Normalised,
    PixelValues,
    ShorterSide,
    Unresized,
    described,
    words,
)

Colours = tuple[float, ...]
PROBES = ((64, 48), (40, 90))  # width and height of two images that no fixed size leaves different
COLOUR = (255, 128, 0)


@dataclass(frozen=True)
class Preprocessing:
    """From a PIL image in RGB to a (C, H, W) tensor. Equal texts do the same: models that share one share the tensor.

    `size` is (height, width) of the output, None if the images' own. `mean` and `std` are for colours in [0, 1], None
    where there are none or they are unknown.
    """

    transform: Callable[[Image.Image], Tensor] = field(compare=False, repr=False)
    text: str
    size: tuple[int, int] | None = None
    mean: Colours | None = None
    std: Colours | None = None

    @property
    def colours(self) -> tuple[Colours, Colours] | None:
        """Mean and deviation of what was done to colours in [0, 1]: 0 and 1 where nothing was, None if unknown."""
        if self.mean is not None and self.std is not None:
            return self.mean, self.std
        return ((0.0,) * 3, (1.0,) * 3) if isinstance(self.transform, Normalised) else None


def from_timm(data_config: Mapping[str, Any]) -> Preprocessing:
    """The evaluation transform of a timm model, from `timm.data.resolve_data_config`."""
    from timm.data.transforms_factory import create_transform

    channels, *_ = data_config.get("input_size", (3,))
    if channels != 3:
        raise StudyError(f"this timm model takes {channels} channels, and images are decoded to 3 (RGB).")
    transform = create_transform(**data_config, is_training=False)
    text = "timm: " + ", ".join(f"{key} {words(value)}" for key, value in sorted(data_config.items()))
    return _checked(transform, text, data_config.get("mean"), data_config.get("std"))


def from_torchvision(weights_transform: Callable) -> Preprocessing:
    """The transform that belongs to torchvision weights: `weights.transforms()`."""
    text = f"torchvision: {described(weights_transform)}"
    return _checked(weights_transform, text, *(getattr(weights_transform, key, None) for key in ("mean", "std")))


def from_huggingface(processor: Any) -> Preprocessing:
    """What a transformers image processor does."""
    settings = {key: value for key, value in sorted(processor.to_dict().items()) if value is not None}
    text = f"transformers: {type(processor).__name__}, " + ", ".join(f"{k} {words(v)}" for k, v in settings.items())
    normalised = settings.get("do_normalize", False)
    mean, std = (settings.get(key) if normalised else None for key in ("image_mean", "image_std"))
    return _checked(PixelValues(processor), text, mean, std)


def plain(
    size: int | Sequence[int] | None = None, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
) -> Preprocessing:
    """Colours in [0, 1], the shorter side resized to cover `size` and the centre cropped, normalised if asked.

    >>> plain(32).text
    'plain: shorter side resized to cover 32x32 (bicubic, antialias), centre crop; colours in [0, 1]'
    """
    fitted = None if size is None else _pair(size)
    how = f"shorter side resized to cover {words(fitted)} (bicubic, antialias), centre crop" if fitted else "own size"
    return _normalised(ShorterSide(fitted) if fitted else Unresized(), f"plain: {how}", fitted, mean, std)


def shared(own: Preprocessing, corner: bool = False) -> Preprocessing:
    """The same part of every image for all models: the central square of 0.875 of the shorter side.

    It is resized to the model's own size (a square seen through a size that is none is stretched) and normalised as the
    model's own preprocessing does. `corner`: as large a square from the upper left corner.
    """
    if own.size is None:
        raise StudyError('crop = "shared" needs the size a model takes, for example size = 224 in [models.NAME]')
    where, square = ("upper left", CornerSquare) if corner else ("central", CentralSquare)
    how = f"shared: {where} square of 0.875 of the shorter side, resized to {words(own.size)} (bicubic, antialias)"
    made = _normalised(square(own.size), how, own.size, own.mean, own.std)
    grey = Image.new("RGB", (own.size[1], own.size[0]), COLOUR)
    if not torch.allclose(_centre(own.transform(grey)), _centre(made.transform(grey)), atol=1e-3):
        raise StudyError(
            'crop = "shared" cannot replace the preprocessing of this model, which does more to the colours than '
            f'subtract a mean and divide by a deviation. Use crop = "own". It is: {own.text}'
        )
    return made


def _normalised(resize: Callable, how: str, size: tuple[int, int] | None, mean, std) -> Preprocessing:
    if (mean is None) != (std is None):
        raise StudyError(f"{'std' if std is None else 'mean'} is missing: give both mean and std, or neither.")
    for key, value in (("mean", mean), ("std", std)):
        if value is not None and len(value) != 3:
            raise StudyError(f"{key} = {list(value)}: give 3 numbers, for red, green and blue in [0, 1].")
    mean, std = _colours(mean), _colours(std)
    end = f"mean {words(mean)}, std {words(std)}" if mean else "colours in [0, 1]"
    return Preprocessing(Normalised(resize, mean, std), f"{how}; {end}", size, mean, std)


def _checked(transform: Any, text: str, mean, std) -> Preprocessing:
    """What somebody else's transform gives, seen by trying it: one (C, H, W) tensor, and of which size."""
    tried = [transform(Image.new("RGB", size, COLOUR)) for size in PROBES]
    for one in tried:
        if not isinstance(one, Tensor) or one.ndim != 3:
            shape = f" of shape {tuple(one.shape)}" if isinstance(one, Tensor) else ""
            raise StudyError(f"{text}: gives a {type(one).__name__}{shape} for an image, not one (C, H, W) tensor.")
    sizes = {tuple(one.shape[1:]) for one in tried}
    return Preprocessing(transform, text, sizes.pop() if len(sizes) == 1 else None, _colours(mean), _colours(std))


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or min(pair) < 1:
        raise StudyError(f"size = {size}: give one number of pixels, for example 224, or [height, width].")
    return pair


def _colours(values: Sequence[float] | None) -> Colours | None:
    return None if values is None else tuple(map(float, values))


def _centre(tensor: Tensor) -> Tensor:
    """The pixel in the middle: some models' own preprocessing adds borders."""
    return tensor[:, tensor.shape[1] // 2, tensor.shape[2] // 2].float()
