"""A network with edits, to be trained in place of the network itself."""

import copy
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.fx import GraphModule, Node

from seealike.errors import RunError, StudyError
from seealike.models.graph import Graph
from seealike.models.names import calls
from seealike.models.trace import trace
from seealike.surgery.binding import STATE, bound, follow
from seealike.surgery.changes import Change
from seealike.surgery.edit import Edit
from seealike.surgery.editing import change, edited
from seealike.surgery.finding import found
from seealike.surgery.twins import Twins


def trainable(module: nn.Module, size: tuple[int, ...], edits: Iterable[Edit], name: str = "the model") -> nn.Module:
    """A network with edits that trains the weights of `module`, for images of `size` (channels, height, width).

    Its parameters and buffers are the module's own, under the module's names: what it learns, the module has. It
    begins in training mode; in evaluation mode it is the edited network as a study runs it. Weights that an edit
    leaves without use get no gradient.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    >>> plain = trainable(net, (3, 8, 8), [Edit("without_norm", "1")])
    >>> torch.equal(plain(torch.ones(2, 3, 8, 8)), net[0](torch.ones(2, 3, 8, 8)).relu())
    True
    >>> list(plain.state_dict()) == list(net.state_dict())
    True
    """
    edits = tuple(edits)
    graph = Graph.of(module, size, name)
    learning = trace(module, size, name, training=True).module
    change(learning.graph, _twins(graph, learning, found(graph, edits)))
    return Trainable(module, edits, size, name, {True: learning, False: edited(graph, edits).module})


class Trainable(nn.Module):
    """A network that runs as edited graphs, one for each mode. All that it learns is kept by the `network`."""

    network: nn.Module
    edits: tuple[Edit, ...]
    size: tuple[int, ...]
    name: str
    runs: dict[bool, GraphModule]  # by mode: is it training?

    def __init__(
        self,
        network: nn.Module,
        edits: tuple[Edit, ...],
        size: tuple[int, ...],
        name: str,
        traced: dict[bool, GraphModule],
    ):
        nn.Module.__init__(self)
        # One dict and not two equal ones: what `to` or `load_state_dict` puts in the one is in the other.
        vars(self).update({key: vars(network)[key] for key in STATE})
        runs = {mode: bound(run, network) for mode, run in traced.items()}
        # past `__setattr__`, which would make them children of this module
        vars(self).update(network=network, edits=edits, size=tuple(size), name=name, runs=runs)

    def forward(self, images: Tensor) -> Any:
        if tuple(images.shape[1:]) != self.size:
            seen, traced = ("x".join(map(str, s)) for s in (images.shape[1:], self.size))
            raise RunError(f"{self.name} was traced for images of size {traced}, but was given {seen}.")
        run = self.runs[self.training]
        follow(run, images.device)
        return run.forward(images)

    def train(self, mode: bool = True) -> "Trainable":
        """Chooses the graph; the network's own modes mean nothing here and stay."""
        self.training = mode
        return self

    def __deepcopy__(self, memo: dict) -> "Trainable":
        network = copy.deepcopy(self.network, memo)
        copied = Trainable(network, self.edits, self.size, self.name, self.runs)
        return copied.train(self.training)


def _twins(graph: Graph, learning: GraphModule, changes: dict[tuple[Node, Change], Edit]) -> list[tuple[Node, Change]]:
    twins = Twins(graph.module.graph, learning.graph)
    found = []
    for (node, one), edit in changes.items():
        twin = twins.of(node)
        if twin is None or not one.fits(twin):
            where = calls(node)[-1].path if calls(node) else ""
            raise StudyError(
                f"{graph.name}: {edit}: in training mode {where or graph.name} runs other operations than in "
                "evaluation mode, so what the edit means there is not known. What to try: turn off what only training "
                "does (stochastic depth over part of a batch, noise, auxiliary outputs)."
            )
        found.append((twin, one))
    return found
