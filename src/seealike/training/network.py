"""The network of a recipe: as it is trained, and as it answers."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from seealike.errors import StudyError
from seealike.models.sources import Built, build
from seealike.surgery import parse, trainable
from seealike.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Trainee:
    """`module` holds the weights, `trained` is what training runs: the module itself, or its graph with the edits."""

    module: nn.Module = field(repr=False)
    trained: nn.Module = field(repr=False)
    built: Built
    size: tuple[int, int]
    classes: int

    def answers(self) -> Callable[[Tensor], Tensor]:
        """What the network, with its edits, says of images in evaluation mode."""
        self.trained.eval()
        return lambda images: logits(self.trained(images))


def trainee(recipe: Recipe) -> Trainee:
    """The network with the weights that training begins from."""
    new_head = recipe.training.new_head
    built = build("model", recipe.model, folder=recipe.folder, seed=recipe.seed, new_head=new_head)
    if new_head:
        print(f"model: begins from {built.weights}", file=sys.stderr)
    size = built.preprocessing.size
    if size is None:
        raise StudyError("model: nothing says which size of images the network takes. Write size = 32, for example.")
    module = built.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    _written_out(module)
    shape = (built.channels, *size)
    trained = trainable(module, shape, map(parse, built.edits), "the network") if built.edits else module
    classes = _classes(trained, shape)
    return Trainee(module, trained.train(), built, size, classes)


def logits(answer: Any) -> Tensor:
    """The scores of the classes in what a network returns."""
    found = getattr(answer, "logits", answer)
    if not isinstance(found, Tensor) or found.ndim != 2:
        shape = f" of shape {tuple(found.shape)}" if isinstance(found, Tensor) else ""
        raise StudyError(f"the network returns a {type(found).__name__}{shape}: training needs images x classes.")
    return found


@torch.no_grad()
def _classes(module: nn.Module, size: tuple[int, ...]) -> int:
    return logits(module.eval()(torch.zeros(2, *size))).shape[1]


def _written_out(module: nn.Module) -> None:
    """timm's fused attention has a slow backward pass on CPUs: written out, a small ViT trains twice as fast."""
    for part in module.modules():
        if getattr(part, "fused_attn", False) is True:
            part.fused_attn = False  # type: ignore[assignment]
