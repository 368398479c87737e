"""The same operation in two traces of one network: in evaluation mode, and as it is trained."""

from collections import defaultdict

import torch.fx
from torch.fx import Node

from seealike.models.names import calls
from seealike.models.operations import operation
from seealike.surgery.images import images_in, of_images

Key = tuple[tuple[str, ...], str]


class Twins:
    """For a node of one graph the one of another: as many of its kind ran before it in the same call of a module."""

    def __init__(self, here: torch.fx.Graph, there: torch.fx.Graph):
        self.here, self.there = _kinds(here), _kinds(there)

    def of(self, node: Node) -> Node | None:
        """None where the two do not run the same operations there."""
        own, others = self.here[_key(node)], self.there[_key(node)]
        if [*map(images_in, own)] != [*map(images_in, others)]:
            return None
        return others[own.index(node)]


def _kinds(graph: torch.fx.Graph) -> dict[Key, list[Node]]:
    """Nodes with numbers of the images; what a module counts, or draws by chance alone, is nobody's twin."""
    found: dict[Key, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        if node.op == "call_function" and of_images(node):
            found[_key(node)].append(node)
    return found


def _key(node: Node) -> Key:
    """The innermost call of a module around a node, and its operation."""
    around = calls(node)
    return around[-1].chain if around else (), operation(node)
