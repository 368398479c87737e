"""What kind of operation a node of a traced graph is, and the tensors that flow through it."""

import operator
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

aten = torch.ops.aten

ADD = {aten.add.Tensor, aten.add_.Tensor}
ATTENTION = {aten.scaled_dot_product_attention.default}
SOFTMAX = {aten.softmax.int, aten._softmax.default}
PRODUCT = {aten.matmul.default, aten.bmm.default, aten.einsum.default}
LINEAR = {aten.linear.default, aten.addmm.default}
CONVOLUTION = {
    aten.conv1d.default,
    aten.conv1d.padding,
    aten.conv2d.default,
    aten.conv2d.padding,
    aten.conv3d.default,
    aten.conv_transpose2d.input,
    aten.convolution.default,
}
NORM = {
    aten.layer_norm.default,
    aten.batch_norm.default,
    aten.group_norm.default,
    aten.instance_norm.default,
    aten.rms_norm.default,
    aten._native_batch_norm_legit_no_training.default,
    aten.native_layer_norm.default,
}
MAX_POOL = {aten.max_pool2d.default}
AVERAGE_POOL = {aten.avg_pool2d.default}
ADAPTIVE_POOL = {aten.adaptive_avg_pool2d.default, aten.adaptive_max_pool2d.default}
POOL = MAX_POOL | AVERAGE_POOL | ADAPTIVE_POOL
MIXING = LINEAR | CONVOLUTION

DROPOUT = {aten.dropout.default, aten.dropout_.default, aten.feature_dropout.default, aten.alpha_dropout.default}
CAST = {
    aten.to.dtype,
    aten.to.dtype_layout,
    aten.to.device,
    aten._to_copy.default,
    aten.type_as.default,
}
IDENTITY = (
    DROPOUT
    | CAST
    | {
        aten.clone.default,
        aten.contiguous.default,
        aten.alias.default,
        aten.detach.default,
        aten.lift_fresh_copy.default,
    }
)
# The same numbers of each image at other indices.
WHOLE = {
    aten.view.default,
    aten._unsafe_view.default,
    aten.reshape.default,
    aten.reshape_as.default,
    aten.view_as.default,
    aten.flatten.using_ints,
    aten.unflatten.int,
    aten.permute.default,
    aten.transpose.int,
    aten.t.default,
    aten.mT.default,
    aten.numpy_T.default,
    aten.swapaxes.default,
    aten.swapdims.default,
    aten.movedim.int,
    aten.movedim.intlist,
    aten.squeeze.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.unsqueeze.default,
    aten.roll.default,
    aten.flip.default,
    aten.pixel_shuffle.default,
    aten.pixel_unshuffle.default,
    aten.channel_shuffle.default,
}
# Some of the numbers, some of them again, or zeros beside them.
PART = {
    operator.getitem,
    aten.slice.Tensor,
    aten.select.int,
    aten.narrow.default,
    aten.split.Tensor,
    aten.split.sizes,
    aten.split_with_sizes.default,
    aten.chunk.default,
    aten.unbind.int,
    aten.index_select.default,
    aten.index.Tensor,
    aten.expand.default,
    aten.expand_as.default,
    aten.repeat.default,
    aten.repeat_interleave.self_int,
    aten.pad.default,
    aten.constant_pad_nd.default,
    aten.unfold.default,
    aten.im2col.default,
}
REARRANGEMENT = WHOLE | PART
# Elementwise as well, though torch does not tag them so.
UNTAGGED = {
    "hardswish",
    "mish",
    "relu6",
    "gelu",
    "prelu",
    "log_sigmoid",
    "masked_fill",
    "multiply",
    "divide",
    "negative",
}
# Their output has the shape of an image tensor and none of its numbers.
SHAPE_ONLY = {
    *("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like"),
    *("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor"),
}


def operation(node: Node) -> str:
    """The operation's plain name, without the underscore of its in-place form.

    `add` for both `aten.add.Tensor` and `aten.add_.Tensor`.
    """
    schema = getattr(node.target, "_schema", None)
    name = schema.name.split("::")[1] if schema else getattr(node.target, "__name__", str(node.target))
    return name if name.endswith("__") else name.removesuffix("_")


def arguments(node: Node) -> tuple[Any, ...]:
    """A node's positional arguments: nodes, numbers, lists of them."""
    return tuple(node.args)


def tensor(node: Node) -> Tensor | None:
    """The traced (fake) tensor of a node; None where it holds something else."""
    value = node.meta.get("val")
    return value if isinstance(value, Tensor) else None


def shape(node: Node) -> tuple[Any, ...]:
    """The traced shape of a node's tensor; the batch is a symbol in it."""
    value = tensor(node)
    assert value is not None
    return tuple(value.shape)


def carries_tensors(node: Node) -> bool:
    """Is the node's value a tensor or, as with `split` and `unbind`, several?"""
    value = node.meta.get("val")
    if isinstance(value, list | tuple):
        return any(isinstance(v, Tensor) for v in value)
    return isinstance(value, Tensor)


def inputs(node: Node) -> list[Node]:
    """The nodes whose numbers flow into this one: tensor edges only, sizes excluded."""
    if node.op != "output" and operation(node) in SHAPE_ONLY:
        return []
    return [n for n in node.all_input_nodes if carries_tensors(n)]


def is_pointwise(node: Node) -> bool:
    """Does each number of the output come from the numbers at its own place?"""
    return torch.Tag.pointwise in getattr(node.target, "tags", ()) or operation(node) in UNTAGGED


def is_identity(node: Node) -> bool:
    """Does the node only pass its tensor on (dropout in eval, a copy, a cast between floats)?"""
    if node.target in DROPOUT:
        return not arguments(node)[2]
    return node.target in IDENTITY


def is_whole(node: Node) -> bool:
    """Does the node hold the same numbers of each image, if at other indices (a slice of everything does)?"""
    if node.target in {aten.slice.Tensor, aten.narrow.default, aten.expand.default}:
        return list(map(str, shape(node))) == list(map(str, shape(inputs(node)[0])))
    return node.target in WHOLE or is_identity(node)


def overwrites(node: Node) -> bool:
    """Does the node change one of its inputs in place?"""
    schema = getattr(node.target, "_schema", None)
    return bool(schema and schema.is_mutable) and not (node.target in DROPOUT and is_identity(node))


def written(node: Node) -> list[Any]:
    """The inputs that an in-place operation overwrites."""
    schema = getattr(node.target, "_schema")  # noqa: B009
    names = [a.name for a in schema.arguments if a.alias_info and a.alias_info.is_write]
    given = dict(zip([a.name for a in schema.arguments], arguments(node), strict=False)) | dict(node.kwargs)
    return [given[name] for name in names if isinstance(given.get(name), Node)]
