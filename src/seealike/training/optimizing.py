"""What changes the weights at a step, and by how much: AdamW alone, or beside Muon; a rate that rises and falls."""

import math
import re

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

from seealike.errors import StudyError
from seealike.training.recipe import Settings

BLOCK = re.compile(r"(^|\.)[a-zA-Z_]\w*(\.|_)\d+\..*weight$")  # a weight inside something that is numbered


class Together(Optimizer):
    """Several optimizers that step as one: to a trainer there is one, and its groups are all of theirs."""

    def __init__(self, *parts: Optimizer):
        groups = [group for part in parts for group in part.param_groups]
        Optimizer.__init__(self, [p for group in groups for p in group["params"]], {})
        self.parts = parts
        self.param_groups = groups

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict) -> None:
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def optimizer(network: nn.Module, settings: Settings) -> Together:
    """The optimizer of a network; every group remembers its own highest rate as `peak`."""
    named = {name: p for name, p in network.named_parameters() if p.requires_grad}
    inner = [name for name, p in named.items() if p.ndim == 2 and BLOCK.search(name)]
    if settings.optimizer == "adamw":
        inner = []
    elif not inner:
        raise StudyError(
            'training.optimizer = "muon": Muon trains the matrices inside numbered blocks (blocks.0.attn.qkv.weight), '
            'and this network has none. Write optimizer = "adamw".'
        )
    others = [p for name, p in named.items() if name not in inner]
    parts: list[Optimizer] = [AdamW(others, settings.rate, weight_decay=settings.weight_decay)]
    if inner:
        parts.append(Muon([named[name] for name in inner], settings.muon_rate, weight_decay=settings.weight_decay))
    for part in parts:
        for group in part.param_groups:
            group["peak"] = group["lr"]
    return Together(*parts)


def share(step: int, steps: int, settings: Settings) -> float:
    """The share of its highest rate that a step is done at.

    >>> [round(share(step, 10, Settings(warmup=0.2)), 2) for step in range(10)]
    [0.25, 0.75, 0.99, 0.92, 0.78, 0.6, 0.4, 0.22, 0.08, 0.01]
    """
    done = (step + 0.5) / steps
    if done < settings.warmup:
        return done / settings.warmup
    left = (1 - done) / (1 - settings.warmup)
    return left if settings.schedule == "linear" else (1 - math.cos(math.pi * left)) / 2
