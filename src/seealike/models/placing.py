"""How places follow an operation: rearrangements carry them, grids rescale them, the rest leaves them.

The places of a tensor are a tensor `yx` of shape 2 x (its shape): pixel row and column of each element.
They are sent through the very rearrangements that the numbers go through. None: not known.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.fx import Node
from torch.fx.node import map_arg

from seealike.models import grids
from seealike.models.operations import (
    ATTENTION,
    LINEAR,
    NORM,
    PRODUCT,
    REARRANGEMENT,
    SOFTMAX,
    arguments,
    aten,
    is_identity,
    is_pointwise,
    operation,
)
from seealike.models.places import NOWHERE, PADDING, constant, shrunk

REDUCTIONS = {"mean", "sum", "amax", "amin", "var", "std", "norm", "linalg_vector_norm", "logsumexp", "var_mean"}
JOINS = {aten.cat.default, aten.stack.default, aten.gather.default}


def pixels(images: Tensor) -> Tensor:
    """The places of the images themselves: the centres of their pixels."""
    height, width = images.shape[-2:]
    grid = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack(grid)[:, None, None].expand(2, *images.shape)


def follow(node: Node, value: Callable[[Node], object], places: dict, output) -> Tensor | tuple | None:
    """The places of a node's output, from the values and the places of its inputs."""
    known = [places[n] for n in node.all_input_nodes if places.get(n) is not None]
    if not known:
        return None
    rule = _rule(node)
    try:
        found = rule(node, value, places, output) if rule else None
    except (RuntimeError, IndexError, TypeError, ValueError):
        return None  # an unusual form of the operation: not known is always right
    return found if not isinstance(found, Tensor) or found.shape[1:] == getattr(output, "shape", None) else None


def _rule(node: Node):
    target = node.target
    if is_identity(node) or target in SOFTMAX:
        return _leave
    if target in NORM:
        return _norm
    if target in REARRANGEMENT or target in JOINS:
        return _rearrange
    if target in grids.RULES:
        return _grid
    if target in LINEAR:
        return _linear
    if target in ATTENTION:
        return _attend
    if target in PRODUCT:
        return _product
    if operation(node) in REDUCTIONS:
        return _reduce
    if is_pointwise(node):
        return _combine
    return None


def _leave(node, value, places, output):
    return places[arguments(node)[0]]


def _norm(node, value, places, output):
    """A layer norm makes one position of what it normalises together (the four pixels of a patch merging)."""
    yx = places[arguments(node)[0]]
    if operation(node) in ("layer_norm", "rms_norm"):
        for dim in range(1, len(arguments(node)[1]) + 1):
            yx = _mean(yx, -dim)
    return yx.expand(2, *output.shape)


def _rearrange(node, value, places, output):
    def component(c):
        def of(n):
            if places.get(n) is not None:
                return places[n][c] if isinstance(places[n], Tensor) else [p[c] for p in places[n]]
            held = value(n)
            fill = isinstance(held, Tensor) and held.is_floating_point()
            return torch.full(held.shape, NOWHERE) if fill else held

        args, kwargs = map_arg(arguments(node), of), map_arg(node.kwargs, of)
        if _fills(node):
            return torch.nn.functional.pad(args[0], args[1], value=PADDING)
        return node.target(*args, **kwargs)

    y, x = component(0), component(1)
    if isinstance(y, Tensor):
        return torch.stack([y, x]) if y.numel() else None
    return tuple(torch.stack(pair) for pair in zip(y, x, strict=True))


def _fills(node: Node) -> bool:
    """A padding with a constant, not with the image's own edge."""
    mode = (*arguments(node), "constant", "constant", "constant")[2]
    return node.target is aten.constant_pad_nd.default or (node.target is aten.pad.default and mode == "constant")


def _grid(node, value, places, output):
    yx = places[arguments(node)[0]]
    return grids.rescale(node.target, map_arg(arguments(node), value), yx, output)


def _linear(node, value, places, output):
    yx = places.get(arguments(node)[0] if node.target is aten.linear.default else arguments(node)[1])
    return None if yx is None else _mean(yx, -1).expand(2, *output.shape)


def _mean(yx: Tensor, dim: int) -> Tensor:
    """One place for a whole dimension: the middle of what it covers."""
    first = yx.narrow(dim, 0, 1)
    if constant(yx, dim):
        return first
    known = yx.isfinite()
    mean = torch.where(known, yx, 0).sum(dim, keepdim=True) / known.sum(dim, keepdim=True)
    return torch.where(known.any(dim, keepdim=True), mean, first)


def _reduce(node, value, places, output):
    yx = places[arguments(node)[0]]
    at = 2 if operation(node) == "linalg_vector_norm" or operation(node) == "norm" else 1
    dims = arguments(node)[at] if len(arguments(node)) > at else node.kwargs.get("dim")
    dims = [dims] if isinstance(dims, int) else list(dims)
    rank = yx.ndim - 1
    for dim in dims:
        yx = _mean(yx, dim % rank + 1)
    first = output[0] if isinstance(output, tuple) else output
    if first.ndim < rank:
        for dim in sorted((d % rank + 1 for d in dims), reverse=True):
            yx = yx.squeeze(dim)
    return (yx,) * len(output) if isinstance(output, tuple) else yx


def _attend(node, value, places, output):
    query, key = (places.get(n) for n in arguments(node)[:2])
    return None if query is None or _shared(query, key) else _mean(query, -1).expand(2, *output.shape)


def _product(node, value, places, output):
    if node.target is aten.einsum.default:
        return _einsum(node, places, output)
    a, b = (places.get(n) for n in arguments(node)[:2])
    if a is not None and _shared(a, b):
        return None
    rows = a.narrow(-1, 0, 1) if a is not None and a.ndim > 2 and constant(a, -1) else None
    columns = b.narrow(-2, 0, 1) if b is not None and b.ndim > 2 and constant(b, -2) else None
    return _first_informative([rows, columns], output)


def _shared(queries: Tensor, keys: Tensor | None) -> bool:
    """Do windows at places of their own share queries that are at the same places in all of them (GCViT)?"""
    if keys is None or queries.ndim != keys.ndim:
        return False
    return any(constant(queries, d) and not constant(keys, d) for d in range(1, queries.ndim - 2))


def _einsum(node, places, output):
    terms, result = arguments(node)[0].replace(" ", "").split("->")
    found = []
    for term, operand in zip(terms.split(","), arguments(node)[1], strict=True):
        yx = places.get(operand)
        if yx is not None and all(constant(yx, 1 + i) for i, c in enumerate(term) if c not in result):
            kept = [c for c in term if c in result]
            for i in range(len(term) - 1, -1, -1):
                yx = yx if term[i] in result else yx.select(1 + i, 0)
            order = sorted(kept, key=result.index)
            yx = yx.permute(0, *(1 + kept.index(c) for c in order))
            found.append(yx.reshape(2, *(yx.shape[1 + order.index(c)] if c in order else 1 for c in result)))
    return _first_informative(found, output)


def _first_informative(candidates: list[Tensor | None], output) -> Tensor | None:
    known = [c.broadcast_to(2, *output.shape) for c in candidates if c is not None]
    telling = [c for c in known if _varies(c) or (c == NOWHERE).any()]
    return next(iter(telling or known), None)


def _varies(yx: Tensor) -> bool:
    return shrunk(yx).numel() > 2


def _combine(node, value, places, output):
    """Elementwise: the places of the operands, which must agree where both vary (a gate's do not)."""
    shape = (2, *output.shape)
    known = {id(p): p for n in node.all_input_nodes if isinstance(p := places.get(n), Tensor)}
    if len(known) == 1:
        return next(iter(known.values())).broadcast_to(shape)
    candidates = [p.broadcast_to(shape) for p in known.values()]
    varying = [p for p in candidates if _varies(p)]
    if not varying:
        return candidates[0]
    return _agreed(varying)


def _agreed(varying: list[Tensor]) -> Tensor | None:
    """The mean of places that differ by less than a step of their grid (paths through other strides do); else none."""
    shape = varying[0].shape
    first, *others = map(shrunk, varying)
    for other in others:
        apart = (first - other).abs()
        if bool((apart[apart.isfinite()] >= _step(first)).any()):
            return None
        either = torch.where(first.isfinite(), first, other)
        first = torch.where(first.isfinite() & other.isfinite(), (first + other) / 2, either)
    return first.broadcast_to(shape)


def _step(yx: Tensor) -> float:
    """The smallest distance between neighbouring rows or columns."""
    steps = [torch.unique(c[c.isfinite()]).diff() for c in yx]
    return min((float(s[s > 1e-2].min()) for s in steps if (s > 1e-2).any()), default=0.0)
