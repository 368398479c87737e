"""What a network calls pictures that were reconstructed, and the images they came from."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from seealike.kernel import Given, State, Trial, by_index
from seealike.maths.colours import Colours, normalised
from seealike.models.gradients import rows, through
from seealike.models.graph import Graph
from seealike.statistics.spectra import Reached

AT_ONCE = 256  # pictures


@dataclass(frozen=True)
class Judged(Trial):
    """{"index", "class", "original"}: one row an image; the class of each reconstruction (layer, start), of the image.

    The class is the largest number of the network's last tensor, `tensor`.
    """

    joins: ClassVar[bool] = True

    source: str  # the network that judges
    tensor: str
    reached: tuple[Reached, ...]  # from each layer
    colours: Colours | None

    def run(self, given: Given) -> State:
        indices = given.indices.tolist()
        pictures = torch.stack([torch.stack([one.pictures[i] for one in self.reached]) for i in indices])
        flat = normalised(pictures.flatten(0, 2).to(given.images), self.colours)
        named = self._named(given.graph, flat).unflatten(0, pictures.shape[:3])
        original = self._named(given.graph, given.images)
        return by_index({"index": given.indices.cpu(), "class": named, "original": original})

    def _named(self, graph: Graph, images: Tensor) -> Tensor:
        take = rows(graph.by_name[self.tensor])
        with torch.no_grad():
            parts = [through(graph, some, [take])[0].argmax(1) for some in images.split(AT_ONCE)]
        return torch.cat(parts).cpu()
