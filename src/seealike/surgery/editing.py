"""A graph with edits: what runs is changed, what is known of it stays as it was."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch.fx
from torch.fx import GraphModule, Node

from seealike.models.attentions import Attention
from seealike.models.graph import Graph, Layer
from seealike.models.operands import Operand
from seealike.surgery.changes import Branch, Change
from seealike.surgery.edit import Edit
from seealike.surgery.finding import found
from seealike.surgery.living import bury, living


def edited(graph: Graph, edits: Iterable[Edit]) -> Graph:
    """The same network with edits, the given graph untouched; its weights are shared.

    Tensors keep the names, kinds, places and depths of the intact network, so that a pattern selects the same ones in
    both. What nothing needs any more (the projection of a skip) is gone.
    """
    changes = found(graph, edits)
    nodes = copy.deepcopy(graph.module.graph)
    new = dict(zip(graph.module.graph.nodes, nodes.nodes, strict=True))
    gone = change(nodes, [(new[node], one) for node, one in changes])
    left = {old: node for old, node in new.items() if node not in gone}
    skips = {node for node, one in changes if isinstance(one, Branch)}
    return _known(graph, GraphModule(graph.module, nodes), left, skips)


def change(graph: torch.fx.Graph, changes: Iterable[tuple[Node, Change]]) -> set[Node]:
    """Make changes to nodes of a graph, and take out what they leave without use: those nodes."""
    before = living(graph)
    for node, one in changes:
        one.make(node)
    gone = bury(graph, before)
    graph.lint()
    return gone


def _known(graph: Graph, module: GraphModule, left: Mapping[Node, Node], skips: set[Node]) -> Graph:
    """The facts of a graph, of the nodes that are left in its copy, whose residuals are fewer by `skips`."""
    attentions = {a: _attention(a, left) for a in graph.attentions if a.product in left}
    tensors = tuple(_layer(layer, left, attentions) for layer in graph.tensors if layer.node in left)
    names = {layer.name for layer in tensors}
    return replace(
        graph,
        module=module,
        tensors=tensors,
        residuals=tuple(_moved(r, left) for r in graph.residuals if r.node in left and r.node not in skips),
        attentions=tuple(attentions.values()),
        kinds={kind: named & names for kind, named in graph.kinds.items()},
    )


def _layer(layer: Layer, left: Mapping[Node, Node], attentions: Mapping[Attention, Attention]) -> Layer:
    attention = attentions[layer.attention] if layer.attention else None
    return replace(layer, node=left[layer.node], attention=attention)


def _attention(attention: Attention, left: Mapping[Node, Node]) -> Attention:
    operands = {"asking": _operand(attention.asking, left), "asked": _operand(attention.asked, left)}
    return replace(_moved(attention, left), **operands)


def _operand(operand: Operand | None, left: Mapping[Node, Node]) -> Operand | None:
    return _moved(operand, left) if operand else None


def _moved(fact: Any, left: Mapping[Node, Node]) -> Any:
    """The fact with the nodes of the copy in the place of its own."""
    return replace(fact, **{key: left[node] for key, node in vars(fact).items() if isinstance(node, Node)})
