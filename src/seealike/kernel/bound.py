"""What a question is bound to: tensors, attentions and residual additions of the models of a study, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from seealike.models.graph import Layer

Colours = tuple[float, ...]


@dataclass(frozen=True)
class Selected:
    """One tensor that a pattern selected, and how deep it lies in its model (0 to 1)."""

    source: str
    tensor: str
    depth: float

    def __str__(self) -> str:
        return f"{self.source}:{self.tensor}"


@dataclass(frozen=True)
class Attended:
    """One attention that a pattern selected, and the tensor at whose moment its weights are seen."""

    source: str
    attention: str
    tensor: str
    depth: float

    def __str__(self) -> str:
        return f"{self.source}:{self.attention}"


@dataclass(frozen=True)
class Added:
    """One residual addition: `tensor` = `skip` + `branch`; `kind` is "attention", "mlp" or "" for other branches.

    `skip_first`: the skip is the first of the two operands, as in `x + f(x)`, and not in `f(x) + x`.
    """

    source: str
    tensor: str
    skip: str
    branch: str
    kind: str
    depth: float
    skip_first: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.tensor}"


@runtime_checkable
class Sources(Protocol):
    """The models and the images of a study, by name. What cannot be found is refused in the user's words."""

    def models(self, patterns: str | tuple[str, ...]) -> tuple[str, ...]:
        """The models that names or globs select, in the order of the study."""
        ...

    def select(self, pattern: str, refuses: Callable | None = None) -> tuple[Selected, ...]:
        """The tensors of a pattern such as `vit:blocks.*` or `images:label`."""
        ...

    def within(self, model: str, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """Patterns of one model with "model:" before them; those of another model are refused."""
        ...

    def attentions(self, model: str, patterns: tuple[str, ...] = ()) -> tuple[Attended, ...]:
        """The token attentions of a model."""
        ...

    def residuals(self, model: str, patterns: tuple[str, ...] = ()) -> tuple[Added, ...]:
        """The residual additions of a model, by their own names, or those of tensors or modules around them."""
        ...

    def layer(self, model: str, tensor: str) -> Layer:
        """The facts of a tensor: its shape, its places, the size of the image."""
        ...

    def work(self, model: str, tensor: str) -> float:
        """The share of a model's floating-point operations that are done when a tensor exists, 0 to 1."""
        ...

    def colours(self, model: str) -> tuple[Colours, Colours]:
        """The mean and the deviation that brought colours in [0, 1] to a model's input."""
        ...

    def known_colours(self, model: str) -> tuple[Colours, Colours] | None:
        """The same; None where it is unknown, as of tensors that models are given as they are."""
        ...

    def classes(self, images: str | None = None) -> tuple[str, ...]:
        """The names of the classes of a set of images, the question's own if none is named; refused without labels."""
        ...

    def count(self, images: str | None = None) -> int | None:
        """How many images a set has, the question's own if none is named; None where that is not known."""
        ...

    def common(self, images: str) -> int:
        """How many images of a set are also among the question's own, as far as that is known."""
        ...
