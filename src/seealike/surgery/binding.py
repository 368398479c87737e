"""A traced graph that runs on what a network holds: its weights and buffers, wherever they are moved."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.fx.node import map_aggregate

STATE = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")


def bound(run: GraphModule, network: nn.Module) -> GraphModule:
    """A copy of `run` that reads its weights from `network`; what that does not hold (constants) stays its own."""
    graph = copy.deepcopy(run.graph)
    own = GraphModule(run, graph)
    constants: dict[str, Any] = {}
    for node in graph.nodes:
        if node.op == "get_attr" and not isinstance(_reached(network, node.target), Tensor):
            constants[f"constant_{len(constants)}"] = _reached(run, node.target)
            node.target = f"constant_{len(constants) - 1}"
    own.recompile()
    # Not copies: what `to` or `load_state_dict` puts into the network is what runs.
    vars(own).update({key: vars(network)[key] for key in STATE})
    vars(own).update(constants, constants=list(constants), device=None)
    return own


def follow(run: GraphModule, device: torch.device) -> None:
    """A trace holds the device it was made on; from here on it is this one."""

    def here(value: Any) -> Any:
        return device if isinstance(value, torch.device) else value

    if vars(run)["device"] == device:
        return
    vars(run)["device"] = device
    for name in vars(run)["constants"]:
        if isinstance(value := vars(run)[name], Tensor):
            vars(run)[name] = value.to(device)
    for node in run.graph.nodes:
        node.args, node.kwargs = map_aggregate(node.args, here), map_aggregate(node.kwargs, here)
    run.recompile()


def _reached(module: Any, path: str) -> Any:
    for part in path.split("."):
        module = getattr(module, part, None)
    return module
