"""The linear layer that gives a network's answer: what is made anew where a network goes on to another task."""

import torch
from torch import Tensor, nn

from seealike.errors import StudyError
from seealike.models.sources.built import CHANNELS


def head(module: nn.Module, size: tuple[int, int] | None, said: str) -> str:
    """The name of the linear layer whose output the network returns; refused where no such layer does.

    It is found by running the network, which is left in evaluation mode, not by its name.
    """
    if size is None:
        raise StudyError(f"{said}: nothing says which size of images the network takes. Write size = 32, for example.")
    ran: list[tuple[str, Tensor]] = []
    linear = {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear)}
    watched = [part.register_forward_hook(_noting(name, ran)) for name, part in linear.items()]
    try:
        with torch.no_grad():
            answer = module.eval()(torch.zeros(2, CHANNELS, *size))
    finally:
        for watch in watched:
            watch.remove()
    answer = getattr(answer, "logits", answer)
    found = [name for name, out in ran if isinstance(answer, Tensor) and _same(out, answer)]
    if not found:
        raise StudyError(
            f"{said} has no head that could be made anew: what it returns is not what a linear layer gives. Build the "
            "network with a torch.nn.Linear at its end, or load the weights in a file of your own."
        )
    return found[-1]


def _noting(name: str, ran: list[tuple[str, Tensor]]):
    return lambda _, __, out: ran.append((name, out))


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.data_ptr() == other.data_ptr()
