"""A graph run under autograd, up to the layers that are asked for: gradients with respect to the images alone.

A gradient is that of the function that the network computes: where its forward stops gradients (`no_grad`, `detach`),
they pass here, as the layer depends on the images all the same. No gradient of a weight is taken: the weights are
detached for the run, and what they, their `grad` and the buffers hold is as before.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Interpreter, Node
from torch.utils._pytree import tree_map

from seealike.errors import RunError
from seealike.models.graph import Graph, Layer
from seealike.models.operations import aten
from seealike.models.run import check_images, leaves

# A layer, and what to keep of its output, whose first dimension are the images.
Take = tuple[Layer, Callable[[Tensor], Tensor]]


class _Open(Interpreter):
    """`double`: the whole network in float64, its weights and what it casts to."""

    def __init__(self, graph: Graph, takes: Sequence[Take], double: bool = False):
        super().__init__(graph.module, garbage_collect_values=True)
        self.extra_traceback = False  # an error of ours is a message to the user, not about the graph
        self.double = double
        self.takes = {layer.node: (layer, take) for layer, take in takes}
        self.taken: dict[Node, Tensor] = {}
        self.own: dict[int, Tensor] = {}

    def run_node(self, n: Node):
        if len(self.taken) == len(self.takes):  # nothing more is needed, but regions that were entered are left
            return super().run_node(n) if leaves(n, self.env) else None
        output = super().run_node(n)
        if n in self.takes:
            layer, take = self.takes[n]
            self.taken[n] = take(layer.axis.rows(output))  # now: the next operation may overwrite it
        return output

    def get_attr(self, target, args, kwargs):
        """Weights without their gradients; a copy of anything else, which a forward may overwrite."""
        value = super().get_attr(target, args, kwargs)
        if not isinstance(value, Tensor):
            return value
        if id(value) not in self.own:
            own = value.detach() if isinstance(value, nn.Parameter) else value.detach().clone()
            self.own[id(value)] = own.double() if self.double and own.is_floating_point() else own
        return self.own[id(value)]

    def call_function(self, target, args, kwargs):
        if target is torch._C._set_grad_enabled:
            return None
        if self.double:
            args, kwargs = tree_map(_doubled, (args, kwargs))
        if target is aten.detach.default:
            return aten.alias.default(*args)
        return args[0] if target is aten.detach_.default else super().call_function(target, args, kwargs)


def opened(graph: Graph, images: Tensor, takes: Sequence[Take]) -> tuple[Tensor, list[Tensor]]:
    """The images as a leaf of autograd, and what was taken of each layer. What lies behind the last is not run."""
    leaf = images.detach().clone().requires_grad_()
    with torch.enable_grad():
        return leaf, through(graph, leaf, takes)


def through(graph: Graph, images: Tensor, takes: Sequence[Take], double: bool = False) -> list[Tensor]:
    """What is taken of each layer, as a function of the images that autograd can follow, if it is switched on.

    With `double` the network computes in float64, whatever its weights are kept in; give it such images.
    """
    check_images(graph, images)
    run = _Open(graph, takes, double)
    with _in_words(graph):
        run.run(images.clone(), enable_io_processing=False)  # a copy: a network may overwrite its images
    return [run.taken[layer.node] for layer, _ in takes]


def rows(layer: Layer) -> Take:
    """All of a layer, images x numbers: a view, which what runs after it may overwrite, so to be taken alone."""
    return layer, lambda output: output.flatten(1)


def gradients(graph: Graph, taken: Tensor, leaf: Tensor, weights: Tensor) -> Tensor:
    """Of sum(taken * weights), with respect to the images: of their shape, zero where nothing depends on them.

    As no image reaches another, each image gets the gradient of its own row of `taken` (images x channels).
    """
    if not taken.requires_grad:
        return torch.zeros_like(leaf, requires_grad=False)
    with _in_words(graph):
        return torch.autograd.grad(taken, leaf, weights, retain_graph=True, materialize_grads=True)[0]


def held(graph: Graph, layers: Sequence[Layer]) -> int:
    """About how many bytes an image holds until its gradients are taken: all tensors up to the deepest of `layers`."""
    deepest = max(layer.depth for layer in layers)
    numbers = sum(torch.Size(layer.shape).numel() for layer in graph.layers if layer.depth <= deepest)
    return max(numbers, 1) * graph.dtype.itemsize


def _doubled(value: Any) -> Any:
    return torch.float64 if value in (torch.float32, torch.bfloat16, torch.float16) else value


@contextmanager
def _in_words(graph: Graph) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if "inplace operation" not in str(error) and "modified inplace" not in str(error):
            raise
        raise RunError(
            f"{graph.name}: no gradient can be taken through it: an operation in place (`add_`, `x[...] = `) "
            "overwrites what the gradient needs. Write that operation without changing its input."
        ) from error
