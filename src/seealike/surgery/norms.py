"""Normalisations, fused and written out, and what they are given."""

from torch.fx import Node

from seealike.models.graph import Graph, Layer
from seealike.models.kinds import NAMED_NORM
from seealike.models.names import Call, calls
from seealike.models.operations import NORM, arguments, inputs
from seealike.surgery.images import images_in, of_images


def norms(graph: Graph) -> list[Layer]:
    """The tensors that normalisations hand on, as they run: by their operation or by the class of their module."""
    return [layer for layer in graph.tensors if layer.node.target in NORM or _call(layer.node) is not None]


def given(node: Node) -> Node | None:
    """What a normalisation is given; None where one is written out that takes more than one tensor, or another shape.

    `node` is what it hands on.
    """
    if node.target in NORM:
        return arguments(node)[0]
    call = _call(node)
    inside = [n for n in node.graph.nodes if call in calls(n)]
    entering = {n for member in inside for n in inputs(member) if call not in calls(n) and of_images(n)}
    alike = [n for n in entering if images_in(n) == images_in(node)]
    return alike[0] if len(entering) == len(alike) == 1 else None


def _call(node: Node) -> Call | None:
    """The module of a class named after a norm that hands on this node and holds no operation that is one."""
    for call in calls(node):
        if NAMED_NORM.search(call.kind) and any(call not in calls(user) for user in node.users):
            inside = (n for n in node.graph.nodes if call in calls(n))
            return None if any(n.target in NORM for n in inside) else call
    return None
