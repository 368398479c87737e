"""Opens the regions that tracing wraps away, so that their tensors have names again.

`torch.export` puts what runs under `torch.no_grad()` or `torch.autocast()` inside a forward into a
submodule of its own. Opening one puts its nodes back between the calls that enter and leave the mode.
"""

from typing import Any

import torch
from torch.amp.autocast_mode import _enter_autocast, _exit_autocast
from torch.fx import GraphModule, Node
from torch.fx.graph_module import _get_attr

from seealike.models.operations import arguments

# name of the wrapper -> which argument is the wrapped module
WRAPPERS = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}


def open_regions(module: GraphModule) -> GraphModule:
    """The same network with every wrapped region opened, the nested ones too."""
    while wrapped := [n for n in module.graph.nodes if _wrapper(n)]:
        for node in wrapped:
            _open(module, node)
    module.graph.lint()
    module.recompile()
    return module


def _wrapper(node: Node) -> str | None:
    if node.op != "call_function":
        return None
    name = getattr(node.target, "__name__", str(node.target))
    return name if name in WRAPPERS else None


def _open(module: GraphModule, node: Node) -> None:
    graph, name = module.graph, str(_wrapper(node))
    at = WRAPPERS[name]
    inner: Any = module.get_submodule(arguments(node)[at].target)
    with graph.inserting_before(node):
        leave = _enter(graph, name, node)
        outputs = _copy(module, inner, dict(zip(_placeholders(inner), arguments(node)[at + 1 :], strict=True)))
        leave()
    for user in list(node.users):
        user.replace_all_uses_with(outputs[arguments(user)[1]])
        graph.erase_node(user)
    graph.erase_node(node)


def _enter(graph, name, node):
    if name == "wrap_with_autocast":
        state = graph.call_function(_enter_autocast, arguments(node)[:4])
        return lambda: graph.call_function(_exit_autocast, (state,))
    before = graph.call_function(torch.is_grad_enabled)
    graph.call_function(torch._C._set_grad_enabled, (arguments(node)[0],))
    return lambda: graph.call_function(torch._C._set_grad_enabled, (before,))


def _placeholders(module: GraphModule) -> list[Node]:
    return [n for n in module.graph.nodes if n.op == "placeholder"]


def _copy(module: GraphModule, inner: GraphModule, new: dict[Node, Any]) -> tuple:
    for node in inner.graph.nodes:
        if node.op == "output":
            return tuple(new[n] for n in arguments(node)[0])
        if node.op != "placeholder":
            new[node] = copy = module.graph.node_copy(node, lambda n: new[n])
            if node.op == "get_attr":
                copy.target = copy.name
                setattr(module, copy.name, _get_attr(inner, node.target))
    return ()
