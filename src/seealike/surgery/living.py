"""What a graph computes for its output, and what nothing needs any more after an edit."""

from collections import defaultdict

import torch.fx
from torch.fx import Node

from seealike.models.names import Call, calls
from seealike.models.operations import overwrites, written
from seealike.models.overwriting import behind


def living(graph: torch.fx.Graph) -> set[Node]:
    """The nodes that the output comes from, and those that overwrite what it comes from.

    What a module only keeps count of (batches seen, running means) lives as long as anything of the module does.
    """
    overwriting, counting = _writers(graph)
    living: set[Node] = set()
    todo = [graph.output_node()]
    while todo:
        node = todo.pop()
        if node not in living:
            living.add(node)
            todo += [*node.all_input_nodes, *overwriting[behind(node)]]
            if any(n.op == "get_attr" for n in node.all_input_nodes):
                todo += counting[calls(node)]
    return living


def _writers(graph: torch.fx.Graph) -> tuple[dict[Node, list[Node]], dict[tuple[Call, ...], list[Node]]]:
    """The nodes that overwrite a tensor, by that tensor; those that overwrite what a module keeps, by its call."""
    overwriting, counting = defaultdict(list), defaultdict(list)
    for node in graph.nodes:
        for target in map(behind, written(node) if overwrites(node) else ()):
            overwriting[target].append(node)
            if target.op == "get_attr":
                counting[calls(node)].append(node)
    return overwriting, counting


def bury(graph: torch.fx.Graph, before: set[Node]) -> set[Node]:
    """Takes out what lived before and does not now; what was idle from the start stays. What was taken out."""
    gone: set[Node] = set()
    now = living(graph)
    for node in reversed(list(graph.nodes)):
        if node in before and node not in now and not node.users and node.op != "placeholder":
            graph.erase_node(node)
            gone.add(node)
    return gone
