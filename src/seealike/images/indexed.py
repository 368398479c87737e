"""An indexed set of images: what every source gives, and what an image that cannot be read raises."""

from abc import ABC, abstractmethod

from PIL import Image
from torch import Tensor

from seealike.errors import RunError


class CorruptImage(RunError):
    """One image that cannot be decoded; its batch goes on without it."""

    def __init__(self, id: str, reason: str):
        self.id, self.reason = id, reason

    def __str__(self) -> str:
        return f"image {self.id!r} cannot be read: {self.reason}"


class Images(ABC):
    """Images by their number. What is frozen in it never changes, so an index means the same image in every process.

    An image is a PIL image in RGB, still to be preprocessed for each model, or a tensor that every model takes as it
    is. A label is the number of a class, None where an image has none. Factors are numbers recorded of every image.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def id(self, index: int) -> str:
        """What names this image in answers and failures, the same in every run."""

    @abstractmethod
    def item(self, index: int) -> tuple[Image.Image | Tensor, int | None]:
        """The image and its label, decoded once. Raises CorruptImage."""

    @abstractmethod
    def label(self, index: int) -> int | None:
        """The label alone, without decoding wherever the source allows it."""

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """The name of every label, empty where there are no labels."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hex digest of what the set is; equal only for equal images, ids and labels."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The source in words, as an answer records it."""

    @property
    def factors(self) -> tuple[str, ...]:
        """The names of what is recorded of every image: each is a tensor of the images, such as `images:hue`."""
        return ()

    def factor(self, index: int, name: str) -> float:
        """What is recorded of an image under one of these names; NaN where it was not."""
        raise KeyError(name)

    @property
    def labelled(self) -> bool:
        """Whether there are labels, as far as the first image tells."""
        try:
            return self.label(0) is not None or bool(self.classes)
        except CorruptImage:
            return bool(self.classes)

    def read(self, index: int) -> Image.Image | Tensor:
        """The image alone. Raises CorruptImage."""
        return self.item(index)[0]
