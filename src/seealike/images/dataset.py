"""Images from the user's own dataset object."""

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL import Image
from torch import Tensor

from seealike.errors import StudyError, closest
from seealike.images.decode import rgb
from seealike.images.indexed import CorruptImage, Images
from seealike.images.tensors import content, image_or_tensor, number

SAMPLE = 32  # items whose content is hashed, beside the object's own state


@dataclass(frozen=True, eq=False)
class Dataset(Images):
    """Any object with a length and an index, whose items are an image, (image, label), or a dict with an image.

    An image is a PIL image or a (C, H, W) tensor (uint8: preprocessed; floating point: taken as it is). What reading it
    raises as OSError is a corrupt image, any other error is the user's to see. Ids are the index.
    """

    dataset: Any
    image_column: str = "image"
    label_column: str = "label"

    def __post_init__(self):
        if not hasattr(self.dataset, "__len__") or not hasattr(self.dataset, "__getitem__"):
            raise StudyError(f"{self.text} has no length and index. Give it as batches, through a DataLoader.")

    def __len__(self) -> int:
        return len(self.dataset)

    def id(self, index: int) -> str:
        return str(index)

    def item(self, index: int) -> tuple[Image.Image | Tensor, int | None]:
        try:
            image, label = self._parts(self.dataset[index])
            return self._image(image), number(label)
        except (OSError, SyntaxError) as error:  # SyntaxError: PIL, of a broken PNG
            raise CorruptImage(str(index), str(error) or type(error).__name__) from error

    def label(self, index: int) -> int | None:
        return self.item(index)[1]

    @property
    def classes(self) -> tuple[str, ...]:
        """The object's own `classes`, as torchvision's datasets have them."""
        return tuple(map(str, getattr(self.dataset, "classes", None) or ()))

    @cached_property
    def fingerprint(self) -> str:
        """The object's state, and the content of items spread over it, as code that changed leaves the state equal.

        An object that cannot be pickled is hashed item by item, all of them.
        """
        state = _state(self.dataset)
        digest = hashlib.sha256(self.text.encode() + (state or b""))
        step = max(1, len(self) // SAMPLE) if state else 1
        for index in range(0, len(self), step):
            digest.update(self._content(index))
        return digest.hexdigest()

    @property
    def text(self) -> str:
        size = f" of {len(self.dataset)}" if hasattr(self.dataset, "__len__") else ""
        return f"{type(self.dataset).__name__}{size}"

    def _parts(self, item: Any) -> tuple[Any, Any]:
        if isinstance(item, Mapping):
            if self.image_column not in item:
                near = closest(self.image_column, map(str, item))
                raise StudyError(f"image_column = {self.image_column!r}: no such key in {self.text}. {near}")
            return item[self.image_column], item.get(self.label_column)
        return (
            (item[0], item[1] if len(item) > 1 else None) if isinstance(item, tuple | list) and item else (item, None)
        )

    def _image(self, image: Any) -> Image.Image | Tensor:
        if isinstance(image, Image.Image):
            image.load()
            return rgb(image)
        if isinstance(image, Tensor) and image.ndim == 3:
            return image_or_tensor(image)
        shape = f" of shape {tuple(image.shape)}" if hasattr(image, "shape") else ""
        raise StudyError(
            f"{self.text}: an image is a {type(image).__name__}{shape}. Give PIL images or (C, H, W) tensors."
        )

    def _content(self, index: int) -> bytes:
        try:
            image, label = self.item(index)
        except CorruptImage as error:
            return str(error).encode()
        pixels = bytes(content(image)) if isinstance(image, Tensor) else image.tobytes()
        return repr((tuple(image.shape) if isinstance(image, Tensor) else image.size, label)).encode() + pixels


def _state(dataset: Any) -> bytes | None:
    try:
        return pickle.dumps(dataset)
    except Exception:  # lambdas, open files, locks: each refuses in its own way
        return None
