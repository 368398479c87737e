"""The steps of a preprocessing, as values that worker processes can be sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from seealike.errors import StudyError

SHARE = 0.875  # of the shorter side: the crop that ImageNet evaluation has always used, 224 of 256


@dataclass(frozen=True)
class Unresized:
    """The image as it is."""

    def __call__(self, image: Image.Image) -> Image.Image:
        return image


@dataclass(frozen=True)
class ShorterSide:
    """The image resized until it just covers (height, width), and its centre; torchvision's Resize and CenterCrop."""

    size: tuple[int, int]

    def __call__(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        cover = [max(height, width * image.height // image.width), max(width, height * image.width // image.height)]
        resized = F.resize(image, cover, InterpolationMode.BICUBIC)  # type: ignore[arg-type]  # images are allowed
        return F.center_crop(resized, [height, width])  # type: ignore[return-value]


@dataclass(frozen=True)
class CentralSquare:
    """The same central square of any image, resized from its exact (fractional) edges to (height, width)."""

    size: tuple[int, int]

    def __call__(self, image: Image.Image) -> Image.Image:
        half = SHARE * min(image.size) / 2
        x, y = image.width / 2, image.height / 2
        height, width = self.size
        return image.resize((width, height), Image.Resampling.BICUBIC, box=(x - half, y - half, x + half, y + half))


@dataclass(frozen=True)
class CornerSquare:
    """As large a square as the central one, from the upper left corner of the image."""

    size: tuple[int, int]

    def __call__(self, image: Image.Image) -> Image.Image:
        side = SHARE * min(image.size)
        height, width = self.size
        return image.resize((width, height), Image.Resampling.BICUBIC, box=(0, 0, side, side))


@dataclass(frozen=True)
class Normalised:
    """Colours from 0 to 255 brought to [0, 1], and to (colour - mean) / std."""

    resize: Callable[[Image.Image], Image.Image]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None

    def __call__(self, image: Image.Image) -> Tensor:
        colours = F.to_tensor(self.resize(image))
        return F.normalize(colours, list(self.mean), list(self.std)) if self.mean and self.std else colours


@dataclass(frozen=True)
class PixelValues:
    """What a transformers image processor makes of one image."""

    processor: Any

    def __call__(self, image: Image.Image) -> Tensor:
        return self.processor(images=image, return_tensors="pt")["pixel_values"][0]


def described(transform: Any) -> str:
    """A torchvision transform with all its settings; `repr` rounds some and leaves others out.

    >>> from torchvision.transforms import CenterCrop, Compose
    >>> described(Compose([CenterCrop(8)]))
    'Compose(CenterCrop(size 8x8))'
    """
    if not type(transform).__module__.startswith("torchvision.") or type(transform).__name__ == "Lambda":
        raise StudyError(f"{type(transform).__name__} is none of torchvision's transforms: nothing says what it does.")
    settings = {key: value for key, value in vars(transform).items() if not key.startswith("_") and key != "training"}
    steps = [described(step) for step in settings.pop("transforms", ())]
    steps += [f"{key} {words(value)}" for key, value in settings.items()]
    return f"{type(transform).__name__}({', '.join(steps)})"


def words(value: Any) -> str:
    """A setting in full: 224x224, [0.5, 0.5, 0.5], bicubic.

    >>> words((3, 224, 224)), words((0.5, 0.25)), words({"height": 32, "width": 32})
    ('3x224x224', '[0.5, 0.25]', '{height: 32, width: 32}')
    """
    if isinstance(value, Enum):
        return words(value.value)
    if isinstance(value, Tensor):
        return words(value.tolist())
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {words(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        whole = len(value) > 1 and all(type(each) is int for each in value)
        return "x".join(map(str, value)) if whole else f"[{', '.join(map(words, value))}]"
    return str(value)
