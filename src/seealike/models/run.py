"""Runs a graph on a batch of images and shows each watched operation, before it runs and after.

Operation by operation, the whole batch at once; a tensor is freed as soon as nothing needs it.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.amp.autocast_mode import _exit_autocast
from torch.fx import Interpreter, Node

from seealike.errors import RunError
from seealike.models.graph import Graph, Layer
from seealike.models.overwriting import overwrites_images, restored


@dataclass
class Operation:
    """One operation of a running graph. `output` is None before it has run."""

    layer: Layer
    inputs: tuple
    keywords: dict
    output: Tensor | None = None

    @property
    def rows(self) -> Tensor:
        """The output with the images as its first dimension."""
        assert self.output is not None, "the operation has not run yet"
        return self.layer.axis.rows(self.output)


# What is to be shown: a layer, "before" or "after", and who looks.
Watch = tuple[Layer, str, Callable[[Operation], None]]


class _Run(Interpreter):
    def __init__(self, graph: Graph, watches: Iterable[Watch]):
        super().__init__(graph.module, garbage_collect_values=True)
        self.extra_traceback = False  # an error of ours is a message to the user, not about the graph
        self.watched: dict[Node, list[Watch]] = {}
        for watch in watches:
            self.watched.setdefault(watch[0].node, []).append(watch)
        self.left = len(self.watched)
        self.seen = False  # was all seen that was to be seen? Then the rest of the graph need not run

    def run_node(self, n: Node):
        if self.seen:
            return super().run_node(n) if leaves(n, self.env) else None
        watches = self.watched.get(n)
        if not watches:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        operation = Operation(watches[0][0], args, kwargs)
        for layer, when, look in watches:
            if when == "before":
                look(_of(layer, operation))
        operation.output = getattr(self, n.op)(n.target, args, kwargs)
        for layer, when, look in watches:
            if when == "after":
                look(_of(layer, operation))
        self.left -= 1
        self.seen = not self.left
        return operation.output


def leaves(node: Node, values: Mapping[Node, Any]) -> bool:
    """Does a node leave an autocast region that was entered? It must, even where nothing else is run any more."""
    return node.target is _exit_autocast and values[node.all_input_nodes[0]] is not None


def _of(layer: Layer, operation: Operation) -> Operation:
    return Operation(layer, operation.inputs, operation.keywords, operation.output)


def run(graph: Graph, images: Tensor, watches: Iterable[Watch], dtype: torch.dtype = torch.float32) -> None:
    """One forward of `images`, each watch called at its moment; nothing of the graph is changed by it."""
    check_images(graph, images)
    with restored(graph.module), _precision(images, dtype), torch.no_grad():
        images = images.clone() if overwrites_images(graph.module) else images
        _Run(graph, watches).run(images, enable_io_processing=False)


def output(graph: Graph, images: Tensor):
    """What the graph returns, in the structure its module returned it."""
    check_images(graph, images)
    with restored(graph.module), torch.no_grad():
        return _Run(graph, ()).run(images.clone() if overwrites_images(graph.module) else images)


def check_images(graph: Graph, images: Tensor) -> None:
    """Refuses images of another size than was traced: constants of the size are baked in."""
    if tuple(images.shape[1:]) != graph.size:
        seen, traced = ("x".join(map(str, s)) for s in (images.shape[1:], graph.size))
        raise RunError(f"{graph.name} was traced for images of size {traced}, but was given {seen}.")


def _precision(images: Tensor, dtype: torch.dtype):
    return nullcontext() if dtype == torch.float32 else torch.autocast(images.device.type, dtype)
