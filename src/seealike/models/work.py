"""How much of a network's arithmetic is done when a tensor exists: its depth in operations, not in layers.

Counted are the floating-point operations of one image in products (linear, convolution, attention, matrix product), a
multiplication and an addition as two, by the formulas of torch.utils.flop_counter. What is elementwise, normalises or
pools counts nothing, as there.

>>> from seealike.models.graph import Graph
>>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 30), torch.nn.ReLU(), torch.nn.Linear(30, 16))
>>> graph = Graph.of(net, (3, 4, 4), "net")
>>> [(layer.name, graph.work[layer.node]) for layer in graph.layers]
[('0', 0.0), ('1', 0.75), ('2', 0.75), ('3', 1.0)]
"""

import math
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import torch
from torch import SymInt, Tensor
from torch.fx import Graph, Node
from torch.fx.node import map_arg
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count, flop_registry, sdpa_flop_count

from seealike.models.operations import tensor

aten = torch.ops.aten


def shares(graph: Graph) -> dict[Node, float]:
    """The share of all operations of one image that are done once a node has run, as the graph runs.

    0 for the input, 1 once nothing is left to multiply; NaN in a network that multiplies nothing.
    """
    done = list(accumulate(map(operations, graph.nodes)))
    return {node: each / done[-1] if done[-1] else math.nan for node, each in zip(graph.nodes, done, strict=True)}


def operations(node: Node) -> int:
    """The floating-point operations of a node for one image."""
    packet = getattr(node.target, "overloadpacket", None)
    formula = OWN.get(packet)
    if formula is None and packet not in flop_registry:
        return 0
    args: Any = map_arg(node.args, _of_one)
    kwargs: Any = map_arg(dict(node.kwargs), _of_one)
    out = _of_one(node)
    return formula(out, *args, **kwargs) if formula else flop_registry[packet](*args, **kwargs, out_val=out)


def _of_one(node: Node) -> Any:
    """A node's value without its numbers, for one image: a tensor of the traced shape, or a size."""
    value = tensor(node)
    if value is None:
        return _size(node.meta.get("val"))
    return torch.empty([_size(side) for side in value.shape], dtype=value.dtype, device="meta")


def _size(value: Any) -> Any:
    """A size that hangs on how many images there are, for one."""
    if not isinstance(value, SymInt):
        return value
    traced: Any = value.node.expr
    return int(traced.subs(dict.fromkeys(traced.free_symbols, 1)))


def _product(out: Tensor, x: Tensor, *_: Any, **__: Any) -> int:
    """Of rows and columns as long as the last side of `x`: as `mm` and `bmm` count."""
    return 2 * out.numel() * x.shape[-1]


def _convolution(out: Tensor, x: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    return conv_flop_count(list(x.shape), list(weight.shape), list(out.shape))


def _transposed(out: Tensor, x: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    return conv_flop_count(list(x.shape), list(weight.shape), list(out.shape), transposed=True)


def _attention(_: Tensor, *qkv: Any, **__: Any) -> int:
    return sdpa_flop_count(*(x.reshape(-1, *x.shape[-3:]).shape for x in qkv[:3]))


def _taken_apart(operation: Any) -> Callable[..., int]:
    def formula(_: Tensor, *args: Any, **kwargs: Any) -> int:
        with FlopCounterMode(display=False) as counter:
            operation(*args, **kwargs)
        return counter.get_total_flops()

    return formula


# What torch's counter sees only when it has been taken apart into the operations that it has formulas for.
OWN: dict[Any, Callable[..., int]] = {
    aten.linear: _product,
    aten.matmul: _product,
    aten.conv1d: _convolution,
    aten.conv2d: _convolution,
    aten.conv3d: _convolution,
    aten.conv_transpose1d: _transposed,
    aten.conv_transpose2d: _transposed,
    aten.conv_transpose3d: _transposed,
    aten.scaled_dot_product_attention: _attention,
    **{each: _taken_apart(each) for each in (aten.einsum, aten.tensordot, aten.inner, aten.bilinear)},
}
