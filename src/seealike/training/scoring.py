"""How many images a network names right, or knows again in another view."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from seealike.images.crops import Normalised
from seealike.images.loading import load
from seealike.images.order import batches
from seealike.images.preprocessing import Preprocessing
from seealike.training.examples import Labelled
from seealike.training.feeding import Feed
from seealike.training.objective import recognised
from seealike.training.pixels import kept

BATCH = 500


def accuracy(
    answers: Callable[[Tensor], Tensor],
    preprocessing: Preprocessing,
    examples: Labelled,
    device: torch.device,
    workers: int,
) -> float:
    """The share of the images that the network names right, each seen as its own preprocessing shows it."""
    right = seen = 0
    with torch.no_grad():
        for images, labels in _batches(preprocessing, examples, workers):
            right += int((answers(images.to(device)).argmax(1).cpu() == labels).sum())
            seen += len(labels)
    return right / seen


def agreement(
    answers: Callable[[Tensor], Tensor], preprocessing: Preprocessing, views: Feed, device: torch.device
) -> float:
    """The share of views that are nearest, of all others of their batch, to the other view of their image."""
    with torch.no_grad():
        seen = (normalised(images.to(device), preprocessing) for images, _ in views.since(0))
        return float(torch.cat([recognised(answers(each)) for each in seen]).float().mean())


def _batches(preprocessing: Preprocessing, examples: Labelled, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    transform = preprocessing.transform
    found = (
        kept(examples.images, examples.indices, transform.resize, workers)
        if isinstance(transform, Normalised)
        else None
    )
    label = dict(zip(examples.indices, examples.labels, strict=True))
    if found is None:
        plan = batches(examples.indices, BATCH)
        for batch in filter(len, load(examples.images, plan, {"network": preprocessing}, workers)):
            yield batch.inputs["network"], torch.tensor([label[i] for i in batch.indices])
        return
    there = [i for i in examples.indices if i in found.row]
    for part in batches(there, BATCH):
        pixels = found.pixels[[found.row[i] for i in part]].permute(0, 3, 1, 2)
        yield normalised(pixels, preprocessing), torch.tensor([label[i] for i in part])


def normalised(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Colours from 0 to 255 as the network wants them: to [0, 1], and to (colour - mean) / std."""
    images = pixels.float().contiguous(memory_format=torch.channels_last) / 255
    mean, std = preprocessing.colours or ((0.0,) * 3, (1.0,) * 3)
    mean, std = (torch.tensor(colour, device=pixels.device)[:, None, None] for colour in (mean, std))
    return (images - mean) / std
