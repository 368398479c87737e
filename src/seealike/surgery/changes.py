"""What an edit does to one node of a graph. The node stays, under its name; what it hands on is another."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.fx import Node

from seealike.models.operations import arguments, aten, overwrites, written
from seealike.models.places import ImageAxis
from seealike.surgery.images import images_in
from seealike.surgery.norms import given


class Change(ABC):
    """Frozen, so that what two edits both say is done once."""

    @abstractmethod
    def fits(self, node: Node) -> bool:
        """Can it be made to this node? To the one in which it was found it can."""

    @abstractmethod
    def make(self, node: Node) -> None:
        """Change the node."""


@dataclass(frozen=True)
class Branch(Change):
    """An addition hands on its branch alone, the operand at `position`."""

    position: int
    projected: bool

    def fits(self, node: Node) -> bool:
        return all(isinstance(n, Node) and images_in(n) == images_in(node) for n in arguments(node)[:2])

    def make(self, node: Node) -> None:
        skip = node.args[1 - self.position]
        branch: Any = self._scaled(node)
        overwritten = written(node)[0] if overwrites(node) else None
        if overwritten is skip and not self.projected:
            # the memory of the skip is the sum's from here on, and other nodes may look at it
            node.target, node.args = aten.copy_.default, (skip, branch)
        else:
            in_place = overwritten is node.args[self.position]
            node.target, node.args = (aten.alias if in_place else aten.clone).default, (branch,)
        node.kwargs = {}

    def _scaled(self, node: Node) -> Any:
        """`add(x, f, alpha=a)` is x + a f."""
        branch, alpha = node.args[self.position], node.kwargs.get("alpha", 1)
        if alpha == 1 or self.position == 0:
            return branch
        with node.graph.inserting_before(node):
            scaled = node.graph.call_function(aten.mul.Scalar, (branch, alpha))
        scaled.meta = dict(node.meta)
        return scaled


@dataclass(frozen=True)
class Untouched(Change):
    """A normalisation hands on what it is given. A copy: what comes next may overwrite it."""

    def fits(self, node: Node) -> bool:
        return given(node) is not None

    def make(self, node: Node) -> None:
        node.target, node.args, node.kwargs = aten.clone.default, (given(node),), {}


@dataclass(frozen=True)
class Silence(Change):
    """A product of attention hands on zero for some heads: an index along each of `dims`, in one image's part."""

    axis: ImageAxis
    dims: tuple[int, ...]
    heads: tuple[tuple[int, ...], ...]

    def fits(self, node: Node) -> bool:
        return True

    def make(self, node: Node) -> None:
        product: Any = node.target
        node.target = Silenced(product, self.axis, self.dims, self.heads)


@dataclass(frozen=True)
class Silenced:
    """A product, and zero where some heads lie in it. To the graph it is the operation that it was."""

    product: Callable[..., Tensor]
    axis: ImageAxis
    dims: tuple[int, ...]
    heads: tuple[tuple[int, ...], ...]

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        output = self.product(*args, **kwargs).clone()
        rows = self.axis.rows(output)
        for head in self.heads:
            at = dict(zip(self.dims, head, strict=True))
            rows[(slice(None), *(at.get(d, slice(None)) for d in range(rows.ndim - 1)))] = 0
        return output

    @property
    def _schema(self):
        return getattr(self.product, "_schema")  # noqa: B009

    @property
    def __name__(self) -> str:
        return "silenced"
