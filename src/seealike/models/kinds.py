"""Kinds of tensors that a selection can ask for: @block @residual @branch @attention @mlp @norm."""

import re
from collections import Counter
from itertools import pairwise

from torch import SymInt
from torch.fx import Node

from seealike.models.names import Call, Label, calls
from seealike.models.operations import (
    LINEAR,
    NORM,
    WHOLE,
    arguments,
    inputs,
    is_identity,
    is_pointwise,
    operation,
    shape,
    tensor,
)
from seealike.models.residuals import Residual

# LayerNorm2d and RMSNorm are norms; ConvNormAct and BatchNormAct2d return an activation.
NAMED_NORM = re.compile(r"norm(\dd)?$", re.IGNORECASE)
KINDS = ("block", "residual", "branch", "attention", "mlp", "norm")


def blocks(labels: dict[Node, list[Label]], residuals: list[Residual]) -> list[Node]:
    """Outputs of the outermost modules that own a residual addition; without residuals, of the composite modules.

    A composite module is one whose operations belong to several modules below it, and whose class occurs more
    than once: an Inception or dense block.
    """
    owners = {calls(r.node)[-1] for r in residuals if calls(r.node) and not calls(r.node)[-1].is_container}
    if not owners:
        owners = _composites(labels)
    owners = {c for c in owners if not any(o is not c and o.chain == c.chain[: len(o.chain)] for o in owners)}
    return [node for node, names in labels.items() if any(one.call in owners for one in names)]


def _composites(labels: dict[Node, list[Label]]) -> set[Call]:
    below: dict[Call, set[Call]] = {}
    for node in labels:
        around = calls(node)
        for outer, inner in pairwise(around):
            below.setdefault(outer, set()).add(inner)
    found = [call for call, inner in below.items() if len(inner) > 1 and not call.is_container]
    classes = Counter(call.kind for call in found)
    return {call for call in found if classes[call.kind] > 1}


def mlps(labels: dict[Node, list[Label]]) -> list[Node]:
    """Outputs of linear maps that follow another through elementwise operations alone; a gate is none."""
    return [node for node in labels if _is_map(node) and not _is_gate(node) and _through_elementwise(node)]


def _is_gate(node: Node) -> bool:
    """Does the output only weigh another tensor of the network, as in squeeze-and-excitation?"""
    for user in node.users:
        others = [n for n in inputs(user) if n is not node and _of_images(n)]
        if operation(user) == "mul" and others:
            return True
        if "sigmoid" in operation(user) or is_identity(user):
            return _is_gate(user)
    return False


def _of_images(node: Node) -> bool:
    """Does the shape hold the number of images? That of a scale which is learned (ConvNeXt's) does not."""
    return tensor(node) is not None and any(isinstance(size, SymInt) for size in shape(node))


def _is_map(node: Node) -> bool:
    """A linear map of channels: a linear layer or a 1 x 1 convolution."""
    if operation(node) in ("conv2d", "conv1d"):
        return all(k == 1 for k in shape(arguments(node)[1])[2:])
    return node.target in LINEAR


def _through_elementwise(node: Node) -> list[Node]:
    """What feeds a map through activations, gates and norms, at least one of them no mere rearrangement."""
    found, active, todo = [], False, [arguments(node)[0]]
    seen = set()
    while todo:
        now = todo.pop()
        if now in seen or not isinstance(now, Node):
            continue
        seen.add(now)
        if _is_map(now):
            found += [] if _is_gate(now) else [now]
        elif _elementwise(now) or (node.target in LINEAR and _is_depthwise(now)):
            active = active or not (is_identity(now) or now.target in WHOLE)
            todo += inputs(now)
    return found if active else []


def _is_depthwise(node: Node) -> bool:
    """A convolution of each channel by itself, as between the two maps of a PVT's MLP."""
    return operation(node) == "conv2d" and len(arguments(node)) > 6 and arguments(node)[6] == shape(node)[1] > 1


def _elementwise(node: Node) -> bool:
    if operation(node) in ("add", "sub"):
        return False
    return (
        is_pointwise(node)
        or is_identity(node)
        or node.target in WHOLE
        or operation(node) in ("getitem", "chunk", "split", "split_with_sizes")
    )


def norms(labels: dict[Node, list[Label]]) -> list[Node]:
    """Outputs of normalisations, by their operation or by the class of a module that returns them."""

    def is_norm(node: Node, names: list[Label]) -> bool:
        return node.target in NORM or any(one.call and NAMED_NORM.search(one.call.kind) for one in names)

    return [node for node, names in labels.items() if is_norm(node, names)]
