"""Residual additions: where a skip meets its branch.

An addition of two equal shapes is a residual where one operand is an ancestor of the other, which is then
the branch, or where the nearest common ancestor reaches one operand by at most one convolution or linear
(with norm, pool and learned scale) used by nothing else, and the other by more: a projected skip. Other
additions are merges: the average of two heads, a rotation's two terms, branches that meet.
"""

from dataclasses import dataclass

from torch.fx import Graph, Node

from seealike.models.operations import (
    ADD,
    MIXING,
    NORM,
    PART,
    POOL,
    REARRANGEMENT,
    arguments,
    aten,
    inputs,
    is_identity,
    operation,
    shape,
    tensor,
)


@dataclass(frozen=True)
class Residual:
    """`name` = `skip` + `branch`, each the name of a tensor.

    `kind` says what the branch holds: "attention", "mlp", or "" for anything else, both at once included.
    """

    name: str
    skip: str
    branch: str
    node: Node
    skip_node: Node
    branch_node: Node
    projected: bool
    kind: str = ""


def kinds(
    graph: Graph,
    found: list[tuple[Node, Node, Node, bool]],
    roots: dict[Node, Node],
    attentions: list[Node],
    mlps: list[Node],
) -> dict[Node, str]:
    """What the branch of every residual addition holds, by the node of the addition.

    A branch holds what comes from its skip and leads to the addition; one beside a projection, what does not lead to
    the projection too.
    """
    order, above = ancestors(graph)
    kind: dict[Node, str] = {}
    for node, skip, branch, projected in found:
        start = order[_origin(skip, roots)]
        elsewhere = above[skip] | 1 << order[skip] if projected else 0
        inside = (above[branch] | 1 << order[branch]) & ~elsewhere
        held = [
            name
            for name, nodes in (("attention", attentions), ("mlp", mlps))
            if any(inside >> order[n] & 1 and (projected or above[n] >> start & 1) for n in nodes)
        ]
        kind[node] = held[0] if len(held) == 1 else ""
    return kind


def ancestors(graph: Graph) -> tuple[dict[Node, int], dict[Node, int]]:
    """For every node its place in the order and, as a set of bits, the nodes its numbers come from."""
    order = {node: i for i, node in enumerate(graph.nodes)}
    found: dict[Node, int] = {}
    for node in order:
        bits = 0
        for source in inputs(node):
            bits |= found[source] | 1 << order[source]
        found[node] = bits
    return order, found


def find(graph: Graph, reached: set[Node], roots: dict[Node, Node]) -> list[tuple[Node, Node, Node, bool]]:
    """(sum, skip, branch, projected) of every residual addition; `reached` are the nodes the images reach."""
    order, above = ancestors(graph)
    nodes = list(order)
    found = []
    for node in nodes:
        if node.target not in ADD or node not in reached:
            continue
        a, b = arguments(node)[:2]
        if isinstance(a, Node) and isinstance(b, Node) and a is not b and _alike(a, b):
            found += _classified(node, a, b, order, above, nodes, reached, roots)
    return found


def _alike(a: Node, b: Node) -> bool:
    """Equal shapes, that of the batch included."""
    return tensor(a) is not None and tensor(b) is not None and [*map(str, shape(a))] == [*map(str, shape(b))]


def _classified(node, a, b, order, above, nodes, reached, roots):
    for skip, branch in ((a, b), (b, a)):
        # A skip may be a token the images have not reached yet (the first CLS of a class attention).
        if branch in reached and above[branch] >> order[_origin(skip, roots)] & 1:
            return [(node, skip, branch, False)]
    common = above[a] & above[b]
    if a not in reached or b not in reached or not common:
        return []
    sides = {n: _side(n, common, above, order, nodes, reached) for n in (a, b)}
    for skip, branch in ((a, b), (b, a)):
        if _is_projection(sides[skip], node, reached) and _mixers(sides[branch]) > _mixers(sides[skip]):
            return [(node, skip, branch, True)]
    return []


def _origin(node: Node, roots: dict[Node, Node]) -> Node:
    """The tensor whose numbers a node holds: a slice that takes one of several joined ones out whole holds that one."""
    held = _taken_out(node, roots) or node
    return roots.get(held, held)


def _taken_out(node: Node, roots: dict[Node, Node]) -> Node | None:
    """What was joined before a slice took it out, as the residual path of a dual path network."""
    if node.target is not aten.slice.Tensor:
        return None
    joined = roots.get(inputs(node)[0], inputs(node)[0])
    if joined.target is not aten.cat.default:
        return None
    dim, start, end = (*arguments(node)[1:4], 0, None, None)[:3]
    axis, at = (*arguments(joined)[1:], 0)[0] % len(shape(joined)), 0
    for one in arguments(joined)[0]:
        width = shape(one)[axis]
        if axis == dim and (start or 0, end) == (at, at + width):
            return one
        at += width
    return None


def _side(operand, common, above, order, nodes, reached) -> list[Node]:
    """The nodes that lead from the common ancestors to one operand, itself included."""
    bits = (above[operand] | 1 << order[operand]) & ~common
    return [n for i, n in enumerate(nodes) if bits >> i & 1 and n in reached]


def _mixers(side: list[Node]) -> int:
    return sum(n.target in MIXING for n in side)


def _is_projection(side: list[Node], addition: Node, reached: set[Node]) -> bool:
    """At most one convolution or linear, with norms, pools, scales and rearrangements, used by nothing else."""
    plain = MIXING | NORM | POOL | REARRANGEMENT
    if any(_takes_a_part(n) for n in side):
        return False
    private = all(user in side or user is addition for n in side for user in n.users if tensor(user) is not None)
    simple = all(n.target in plain or is_identity(n) or _scales(n, reached) for n in side)
    return _mixers(side) <= 1 and private and simple


def _scales(node: Node, reached: set[Node]) -> bool:
    """Does the node weigh a tensor of the images by what they do not reach, as a learned scale?"""
    return operation(node) == "mul" and len(reached & set(inputs(node))) == 1 and node.args[0] is not node.args[1]


def _takes_a_part(node: Node) -> bool:
    """Some of the channels, as the pieces that Res2Net adds up: not the tensor, and no skip of it."""
    strided = node.target is aten.slice.Tensor and len(arguments(node)) > 4 and arguments(node)[4] > 1
    return node.target in PART - {aten.pad.default, aten.constant_pad_nd.default} and not strided
