"""The names of a graph's tensors: the modules that return them, in the order of execution.

A tensor is shown under the outermost module that returns it, containers excepted (`blocks.3`,
`blocks.3.attn.qkv`); what no module returns, under its parent and operation (`blocks.3.add`). The
k-th later occurrence of a name, module or operation, is `name@k`. Every other name is an alias.
"""

from collections import Counter
from dataclasses import dataclass

from torch.fx import Node

from seealike.models.operations import carries_tensors, operation

INPUT = "input"  # the tensor the network is given: a module of that name is a later occurrence of it
CONTAINERS = {f"torch.nn.modules.container.{c}" for c in ("Sequential", "ModuleList", "ModuleDict")}


@dataclass(frozen=True)
class Call:
    """One call of a module: where it stands, and of what class it is."""

    chain: tuple[str, ...]  # the calls around it, outermost first, itself last
    path: str
    kind: str

    @property
    def is_container(self) -> bool:
        return self.kind in CONTAINERS or not self.path


@dataclass(frozen=True)
class Label:
    """A name that a tensor has."""

    text: str
    call: Call | None  # None: the name of an operation

    @property
    def depth(self) -> int:
        return len(self.call.chain) if self.call else 0


def calls(node: Node) -> tuple[Call, ...]:
    """The module calls around a node, outermost first."""
    found, chain = [], ()
    for key, entry in (node.meta.get("nn_module_stack") or {}).items():
        if isinstance(entry, tuple):
            chain = (*chain, key)
            kind = entry[1] if isinstance(entry[1], str) else f"{entry[1].__module__}.{entry[1].__qualname__}"
            found.append(Call(chain, entry[0], kind))
    return tuple(found)


def label(nodes: list[Node], roots: dict[Node, Node]) -> dict[Node, list[Label]]:
    """Every name of every tensor among `nodes`, the shown one first.

    `roots` leads from a rearranged tensor to the one it is a rearrangement of, which gets its names.
    """
    returned = _returned(nodes, roots)
    used = Counter({INPUT: 1})
    labels: dict[Node, list[Label]] = {}
    for node in nodes:
        mine = labels.setdefault(roots[node], [])
        for call, index in returned.get(node, []):
            mine.append(Label(_occurrence(call.path + index, used), call))
        around = calls(node)
        parent = around[-1].path if around else ""
        mine.append(Label(_occurrence(".".join(filter(None, (parent, operation(node)))), used), None))
    return {node: _shown_first(node, mine) for node, mine in labels.items()}


def _occurrence(name: str, used: Counter[str]) -> str:
    k = used[name]
    used[name] += 1
    return f"{name}@{k}" if k else name


def _shown_first(node: Node, labels: list[Label]) -> list[Label]:
    """Outermost module around the tensor that returns it; else the first that passes it on; else its operation."""
    around = {call.chain for call in calls(node)}
    modules = [one for one in labels if one.call and not one.call.is_container]
    own = [one for one in modules if one.call and one.call.chain in around]
    shown = min(own, key=lambda one: one.depth) if own else modules[0] if modules else labels[0]
    return [shown, *(one for one in labels if one is not shown)]


def _returned(nodes: list[Node], roots: dict[Node, Node]) -> dict[Node, list[tuple[Call, str]]]:
    """For each node the calls that return it, innermost first, with `[i]` where a call returns several."""
    inside: dict[Call, list[Node]] = {}
    for node in nodes:
        for call in calls(node):
            if call.path:
                inside.setdefault(call, []).append(node)
    found: dict[Node, list[tuple[Call, str]]] = {}
    for call, members in inside.items():
        leaving = [n for n in members if _leaves(n, call)] or members[-1:]
        leaving = list({roots[n]: n for n in leaving}.values())
        for i, node in enumerate(leaving):
            found.setdefault(node, []).append((call, f"[{i}]" if len(leaving) > 1 else ""))
    for names in found.values():
        names.sort(key=lambda entry: -len(entry[0].chain))
    return found


def _leaves(node: Node, call: Call) -> bool:
    """Is the tensor used outside the call that made it? Asking for its shape is no use."""
    return any(user.op == "output" or (carries_tensors(user) and call not in calls(user)) for user in node.users)
