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
    """{"index", "class", "original"}: one row an image; the class of each reconstruction (start) and of the image.

    The class is the largest number of the network's last tensor, `tensor`.
    """

    joins: ClassVar[bool] = True

    source: str  # the network that judges
    tensor: str
    reached: Reached
    colours: Colours | None

    def run(self, given: Given) -> State:
        pictures = torch.stack([self.reached.pictures[i] for i in given.indices.tolist()])
        named = self._named(given.graph, pictures.flatten(0, 1).to(given.images)).unflatten(0, pictures.shape[:2])
        with torch.no_grad():
            original = through(given.graph, given.images, [rows(given.graph.by_name[self.tensor])])[0].argmax(1)
        return by_index({"index": given.indices.cpu(), "class": named.cpu(), "original": original.cpu()})

    def _named(self, graph: Graph, pictures: Tensor) -> Tensor:
        take = rows(graph.by_name[self.tensor])
        with torch.no_grad():
            parts = [
                through(graph, normalised(some, self.colours), [take])[0].argmax(1) for some in pictures.split(AT_ONCE)
            ]
        return torch.cat(parts)
