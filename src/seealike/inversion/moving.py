"""The rules by which numbers are moved against their gradient, every row by itself."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from seealike.inversion.priors import Numbers

State = dict[str, Tensor]  # one row of each a row

PATIENCE = 10  # iterations without a nearer picture, until a step is halved
SMALLEST = 1e-4  # of its first size: a step so small leads nowhere
BETAS, EPSILON = (0.9, 0.999), 1e-8


class Rule(ABC):
    """`steps` (rows): how far the first step goes; `distance` (rows): how near the layer has come before this step."""

    def begin(self, numbers: Numbers, steps: Tensor) -> State:
        return {"step": steps}

    @abstractmethod
    def moved(self, numbers: Numbers, slopes: Numbers, state: State, distance: Tensor, progress: float) -> Numbers:
        """The numbers after a step; what is remembered in `state` is overwritten."""

    def stalled(self, state: State) -> Tensor:
        """The rows that can move no farther."""
        return torch.zeros_like(state["step"], dtype=torch.bool)


class Plain(Rule):
    """The gradient times a step that goes from the first to the last along a line, as published."""

    def __init__(self, last: float):
        self.last = last  # in units of the first

    def moved(self, numbers: Numbers, slopes: Numbers, state: State, distance: Tensor, progress: float) -> Numbers:
        step = state["step"] * ((1 - progress) + self.last * progress)
        return tuple(n - _along(step, n) * s for n, s in zip(numbers, slopes, strict=True))


class Descent(Rule):
    """The normalised gradient, each number moved by `step` in root mean square, halved where it brings nothing new."""

    def begin(self, numbers: Numbers, steps: Tensor) -> State:
        zeros = torch.zeros_like(steps)
        return {"step": steps, "first": steps, "nearest": zeros + math.inf, "waited": zeros}

    def moved(self, numbers: Numbers, slopes: Numbers, state: State, distance: Tensor, progress: float) -> Numbers:
        nearer = distance < state["nearest"]
        waited = torch.where(nearer, 0, state["waited"] + 1)
        halved = waited >= PATIENCE
        state["nearest"] = torch.where(nearer, distance, state["nearest"])
        state["step"] = torch.where(halved, state["step"] / 2, state["step"])
        state["waited"] = torch.where(halved, 0, waited)
        count = sum(n[0].numel() for n in numbers)
        length = torch.stack([s.flatten(1).square().sum(1) for s in slopes]).sum(0).sqrt()
        step = state["step"] * count**0.5 / length.clamp_min(torch.finfo(length.dtype).tiny)
        return tuple(n - _along(step, n) * s for n, s in zip(numbers, slopes, strict=True))

    def stalled(self, state: State) -> Tensor:
        return state["step"] < SMALLEST * state["first"]


class Adam(Rule):
    """Adam with a rate that falls to 0 along a cosine.  Kingma & Ba 2015; Loshchilov & Hutter 2017."""

    def begin(self, numbers: Numbers, steps: Tensor) -> State:
        moments = {f"{m}{i}": torch.zeros_like(n) for i, n in enumerate(numbers) for m in ("mean", "square")}
        return {"step": steps, "count": torch.zeros_like(steps), **moments}

    def moved(self, numbers: Numbers, slopes: Numbers, state: State, distance: Tensor, progress: float) -> Numbers:
        state["count"] += 1
        rate = state["step"] * (1 + math.cos(math.pi * progress)) / 2
        first, second = (1 - beta ** state["count"] for beta in BETAS)
        found = []
        for i, (n, s) in enumerate(zip(numbers, slopes, strict=True)):
            mean = state[f"mean{i}"].lerp_(s, 1 - BETAS[0])
            square = state[f"square{i}"].mul_(BETAS[1]).addcmul_(s, s, value=1 - BETAS[1])
            found.append(n - _along(rate / first, n) * mean / ((square / _along(second, n)).sqrt() + EPSILON))
        return tuple(found)


def rule(name: str, steps: tuple[float, float]) -> Rule:
    """The rule of a name; `steps` are the first and the last of plain descent."""
    return {"plain": lambda: Plain(steps[1] / steps[0]), "descent": Descent, "adam": Adam}[name]()


def _along(rows: Tensor, like: Tensor) -> Tensor:
    return rows.reshape(-1, *[1] * (like.ndim - 1))
