"""States of rows: tensors with the images as first dimension, "index" saying which, sorted by it."""

import torch
from torch import Tensor


def by_index(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Its rows in the order of the images' own index."""
    order = state["index"].argsort(stable=True)
    return {key: value[order] for key, value in state.items()}


def joined(*states: dict[str, Tensor]) -> dict[str, Tensor]:
    """The rows of all of them, in the order of the images' own index."""
    order = torch.cat([state["index"] for state in states]).argsort(stable=True)
    # key by key: no more than one is there unsorted, beside what is made
    return {key: torch.cat([state[key] for state in states])[order] for key in states[0]}
