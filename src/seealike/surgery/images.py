"""Which nodes of a graph hold numbers of the images, by their traced shapes."""

from torch import SymInt
from torch.fx import Node

from seealike.models.operations import shape, tensor


def of_images(node: Node) -> bool:
    """A tensor of floats whose shape holds the number of images."""
    value = tensor(node)
    return value is not None and value.is_floating_point() and any(isinstance(size, SymInt) for size in value.shape)


def images_in(node: Node) -> tuple[int | str, ...]:
    """The shape, whatever the trace called the number of images."""
    return tuple("images" if isinstance(size, SymInt) else size for size in shape(node))
