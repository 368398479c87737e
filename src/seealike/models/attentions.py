"""Attentions: fused ones, and those written out as a softmax and a matrix product over its axis.

What its queries and keys are decides what an attention is:

- `token`: queries and keys stand for parts of the image;
- `class`: the queries stand for no part of it (CLS, learned queries, a pooled image);
- `talking heads`: as `token` or `class`, but heads are mixed between softmax and product (CaiT);
- `channel`: queries and keys are channels (XCiT);
- `linear`: one of them is channels, the other parts of the image;
- `split`: the softmax weighs the branches of a split, no product follows (ResNeSt);
- `unplaced`: the places of its queries or keys could not be found.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from torch.fx import Node

from seealike.models.names import calls
from seealike.models.operands import Operand, alike
from seealike.models.operations import (
    ATTENTION,
    MIXING,
    PART,
    PRODUCT,
    SOFTMAX,
    WHOLE,
    arguments,
    inputs,
    is_identity,
    operation,
    shape,
    tensor,
)
from seealike.models.places import ImageAxis, Places

NOWHERE, CHANNELS, PLACES, UNKNOWN = "nowhere", "channels", "places", "unknown"


@dataclass(frozen=True)
class Attention:
    """One attention: named by the module that owns its product; `kind` says what attends to what.

    `weights` is the node of the written-out softmax, or of the fused attention itself; `product` is the node that
    applies them. Token attention knows which of its operands has the queries in it and which the keys.
    """

    name: str
    heads: int
    queries: int
    keys: int
    kind: str
    weights: Node
    product: Node
    asking: Operand | None = field(default=None, repr=False)
    asked: Operand | None = field(default=None, repr=False)

    @property
    def owner(self) -> str:
        """The path of the module that owns the product."""
        return owner(self.product)


def find(graph, places: dict[Node, Places], axes: dict[Node, ImageAxis]) -> list[Attention]:
    """Every attention of a graph, in the order of execution; repeated names get `@k` like tensors."""
    facts = _Facts(places, axes)
    found = []
    for node in graph.nodes:
        if node.target in ATTENTION and node in axes:
            found.append(facts.fused(node))
        elif node.target in SOFTMAX and node in axes:
            found += facts.written(node)
    return _numbered(found)


def _numbered(found: list[Attention]) -> list[Attention]:
    """A module that attends more than once (a reused one) has its later attentions as `name@k`, like tensors."""
    used: Counter[str] = Counter()
    named = []
    for attention in found:
        k = used[attention.name]
        used[attention.name] += 1
        named.append(replace(attention, name=f"{attention.name}@{k}") if k else attention)
    return named


def owner(node: Node) -> str:
    """The path of the innermost module around a node."""
    around = calls(node)
    return around[-1].path if around else ""


@dataclass(frozen=True)
class _Facts:
    places: dict[Node, Places]
    axes: dict[Node, ImageAxis]

    def along(self, node: Node, dim: int) -> str:
        """What lies along a dimension of a tensor."""
        if node not in self.axes:
            return NOWHERE
        if node not in self.places:
            return UNKNOWN
        where = self.places[node]
        if where.nowhere.all():
            return NOWHERE
        return PLACES if self.axes[node].of_one(dim % len(shape(node))) in where.dims else CHANNELS

    def fused(self, node: Node) -> Attention:
        query, key = arguments(node)[:2]
        queries, keys = shape(query)[-2], shape(key)[-2]
        kind = _kind(self.along(query, -2), self.along(key, -2), queries)
        found = Attention(_name(node), _heads(query), int(queries), int(keys), kind, node, node)
        return _placed(found, self.operand(query, -2, -1), self.operand(key, -2, -1))

    def operand(self, node: Node, dim: int, other: int | None) -> Operand | None:
        return Operand.of(node, dim, other, self.axes.get(node), self.places.get(node))

    def written(self, node: Node) -> list[Attention]:
        path, product = _way_to_product(node, self.axes)
        if product is None:
            return [] if self.along(node, arguments(node)[1]) == PLACES else _split(node, path)
        value, query_dim, key_dim, value_dim, channel_dim = _contraction(product, path[-1])
        if value is None or len(shape(path[-1])) < 3:
            return []
        sizes = shape(path[-1])
        kind = _kind(self.along(path[-1], query_dim), self.along(value, value_dim), sizes[query_dim])
        if kind in ("token", "class") and any(n.target in MIXING for n in path):
            kind = "talking heads"
        found = Attention(
            _name(product), _heads(path[-1]), int(sizes[query_dim]), int(sizes[key_dim]), kind, node, product
        )
        operands = self.operand(path[-1], query_dim, key_dim), self.operand(value, value_dim, channel_dim)
        return [_placed(found, *operands)]


def _placed(found: Attention, asking: Operand | None, asked: Operand | None) -> Attention:
    """With its operands if it is token attention; unplaced if they cannot be laid beside each other."""
    if found.kind != "token":
        return found
    if asking is None or asked is None or not alike(asking, asked):
        return replace(found, kind="unplaced")
    return replace(found, asking=asking, asked=asked)


def _name(product: Node) -> str:
    """The module that owns the product; the root has no name, so there its operation."""
    return owner(product) or operation(product)


def _kind(queries: str, keys: str, count) -> str:
    if keys == UNKNOWN:
        return "unplaced"
    if keys == CHANNELS:
        return "linear" if queries == PLACES else "channel"
    if queries == NOWHERE or count == 1:
        return "class"
    if queries == UNKNOWN:
        return "unplaced"
    return "token" if queries == PLACES else "linear"


def _heads(node: Node) -> int:
    sizes = shape(node)
    return sizes[-3] if len(sizes) > 3 and isinstance(sizes[-3], int) else 1


def _way_to_product(node: Node, axes) -> tuple[list[Node], Node | None]:
    """From a softmax through dropout, rearrangements, scalings and mixed heads to the product over its axis."""
    path = [node]
    while True:
        users = [u for u in path[-1].users if tensor(u) is not None]
        product = next((u for u in users if u.target in PRODUCT), None)
        onward = [u for u in users if is_identity(u) or u.target in WHOLE | PART | MIXING or _scales(u, path[-1], axes)]
        if product is not None or len(onward) != 1:
            return path, product
        path.append(onward[0])


def _scales(node: Node, weights: Node, axes) -> bool:
    """Does the node scale or shift weights by what no image reaches, or by a sum of themselves?"""
    others = [_whole(n) for n in inputs(node) if n is not weights and n in axes]
    return operation(node) in ("mul", "div", "add") and all(weights in n.all_input_nodes for n in others)


def _whole(node: Node) -> Node:
    """What a tensor is a mere rearrangement of."""
    while node.target in WHOLE:
        node = inputs(node)[0]
    return node


def _contraction(product: Node, weights: Node) -> tuple[Node | None, int, int, int, int | None]:
    """The other operand; then the axes of queries and keys in `weights`, of keys and channels in the other."""
    if operation(product) == "einsum":
        return _einsum(product, weights)
    a, b = arguments(product)[:2]
    return (b, -2, -1, -2, -1) if a is weights else (a, -1, -2, -1, -2)


def _einsum(product: Node, weights: Node) -> tuple[Node | None, int, int, int, int | None]:
    terms, result = arguments(product)[0].replace(" ", "").split("->")
    terms, operands = terms.split(","), list(arguments(product)[1])
    if len(operands) != 2:
        return None, 0, 0, 0, 0
    mine = terms[operands.index(weights)]
    other = terms[1 - operands.index(weights)]
    keys = [c for c in mine if c in other and c not in result]
    queries = [c for c in mine if c in result and c not in other]
    if len(keys) != 1 or len(queries) != 1:
        return None, 0, 0, 0, 0
    value = operands[1 - operands.index(weights)]
    channels = [c for c in other if c not in mine]
    groups, its = ([c for c in term if c not in (*keys, *queries, *channels)] for term in (mine, other))
    channel = other.index(channels[0]) if len(channels) == 1 and groups == its else None
    return value, mine.index(queries[0]) - len(mine), mine.index(keys[0]) - len(mine), other.index(keys[0]), channel


def _split(node: Node, path: list[Node]) -> list[Attention]:
    weighs = any(operation(u) == "mul" for u in path[-1].users)
    if not weighs:
        return []
    return [Attention(owner(path[-1]), 1, 1, int(shape(node)[arguments(node)[1]]), "split", node, path[-1])]
