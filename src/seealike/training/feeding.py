"""The batches of a training, from any step on: pictures with colours from 0 to 255, augmented, and their labels.

Where images have several views, a batch holds the first views of all its images, then the second ones in that order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from seealike.errors import RunError
from seealike.images.crops import ShorterSide, Unresized
from seealike.images.indexed import Images
from seealike.images.loading import loaded
from seealike.training.augmentation import Augmentation, Draw, boxes
from seealike.training.chance import hashed
from seealike.training.examples import Labelled
from seealike.training.pixels import UNCHANGED, Kept, Pixels, kept, pictured
from seealike.training.steps import Steps

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class InMemory:
    """Batches of images that are kept in memory, on the device that trains."""

    pixels: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    ids: np.ndarray = field(repr=False)
    augmentation: Augmentation
    size: tuple[int, int]
    steps: Steps
    views: int = 1

    def since(self, step: int) -> Iterator[Batch]:
        """The batches of this step and all that follow."""
        for k in range(step, len(self.steps)):
            chosen, epochs = self.steps.at(k)
            rows = torch.from_numpy(chosen).to(self.pixels.device)
            draws = [Draw(self.ids[chosen], epochs, self.steps.seed, view) for view in range(self.views)]
            seen = [self.augmentation(self.pixels, rows, draw, self.size) for draw in draws]
            yield torch.cat(seen).permute(0, 3, 1, 2), self.labels[rows]


@dataclass(frozen=True, eq=False)
class Reread:
    """Batches of images that are too many or too different to keep: decoded whenever they are seen."""

    examples: Labelled
    augmentation: Augmentation
    size: tuple[int, int]
    steps: Steps
    workers: int
    views: int = 1

    def since(self, step: int) -> Iterator[Batch]:
        numbers = range(step, len(self.steps))
        reader = Augmented(self.examples, self.augmentation, self.size, self.steps.seed)
        plan = (self._planned(k) for k in numbers)
        for batch in loaded(reader, numbers, plan, UNCHANGED, self.workers):
            if not batch:
                raise RunError(f"no image of step {batch.index} can be read, the first of them {batch.failed[0].id!r}.")
            assert batch.labels is not None
            yield batch.inputs["network"], batch.labels[: len(batch.labels) // self.views]

    def _planned(self, step: int) -> list[tuple[int, int, int]]:
        """The places, epochs and views of a step. What cannot be read is missing in all views alike."""
        chosen, epochs = (part.tolist() for part in self.steps.at(step))
        return [(place, epoch, v) for v in range(self.views) for place, epoch in zip(chosen, epochs, strict=True)]


Feed = InMemory | Reread


def feed(
    examples: Labelled,
    augmentation: Augmentation,
    size: tuple[int, int],
    steps: Steps,
    device: torch.device,
    workers: int,
    views: int = 1,
) -> Feed:
    """The batches of a training on these images: from memory if they fit there and are of one size."""
    resize = Unresized() if "crop" in augmentation.names else ShorterSide(size)
    found = kept(examples.images, examples.indices, resize, workers)
    if found is None:
        return Reread(examples, augmentation, size, steps, workers, views)
    return replace(_in_memory(found, examples, augmentation, size, steps, device), views=views)


def _in_memory(found: Kept, examples: Labelled, augmentation, size, steps: Steps, device: torch.device) -> InMemory:
    """What could not be read is left out of all epochs."""
    there = [k for k, index in enumerate(examples.indices) if index in found.row]
    rows = torch.tensor([found.row[examples.indices[k]] for k in there])
    pixels = found.pixels if torch.equal(rows, torch.arange(len(found.pixels))) else found.pixels[rows]
    return InMemory(
        pixels.to(device),
        torch.tensor([examples.labels[k] for k in there], device=device),
        hashed(examples.images.id(examples.indices[k]) for k in there),
        augmentation,
        size,
        replace(steps, count=len(there)),
    )


@dataclass(frozen=True, eq=False)
class Augmented:
    """Images of training by (place, epoch, view), decoded and augmented one by one."""

    examples: Labelled
    augmentation: Augmentation
    size: tuple[int, int]
    seed: int

    def id(self, index: tuple[int, int, int]) -> str:
        return self.examples.images.id(self.examples.indices[index[0]])

    def item(self, index: tuple[int, int, int]) -> tuple[Tensor, int]:
        images: Images = self.examples.images
        image = pictured(images.read(self.examples.indices[index[0]]), images)
        draw = Draw(hashed([self.id(index)]), np.array([index[1]]), self.seed, index[2])
        seen = self._cut(image, draw).permute(1, 2, 0)[None]
        (moved,) = self.augmentation.uncut(seen, torch.zeros(1, dtype=torch.long), draw)
        return moved.permute(2, 0, 1).contiguous(), self.examples.labels[index[0]]

    def _cut(self, image: Image.Image, draw: Draw) -> Tensor:
        """The part of the picture that is seen, of the network's size."""
        if "crop" not in self.augmentation.names:
            return Pixels(ShorterSide(self.size))(image)
        top, left, height, width = boxes(draw, (image.height, image.width))[0].tolist()
        return F.resized_crop(Pixels(Unresized())(image), top, left, height, width, list(self.size), antialias=True)
