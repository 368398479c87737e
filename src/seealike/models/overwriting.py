"""What a forward overwrites: buffers are put back after it, and a batch of images is copied before it."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.fx import GraphModule, Node

from seealike.models.operations import REARRANGEMENT, is_identity, overwrites, written


def overwrites_images(module: GraphModule) -> bool:
    """Does the network change the images it is given?"""
    return any(n.op == "placeholder" for n in _overwritten(module))


@contextmanager
def restored(module: GraphModule) -> Iterator[None]:
    """Buffers that a forward changes are as before: the next batch must not depend on this one."""
    names = {n.target for n in _overwritten(module) if n.op == "get_attr"}
    buffers = [b for name, b in module.named_buffers() if name in names]
    before = [b.clone() for b in buffers]
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.data.copy_(value)


def _overwritten(module: GraphModule) -> list[Node]:
    return [behind(n) for node in module.graph.nodes if overwrites(node) for n in written(node)]


def behind(node: Node) -> Node:
    """The tensor whose memory a view looks at."""
    while node.op == "call_function" and (node.target in REARRANGEMENT or is_identity(node)):
        node = node.all_input_nodes[0]
    return node
