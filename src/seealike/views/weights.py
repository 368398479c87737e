"""The weights of an attention, as they are about to be applied, a block at a time.

Fused kernels never hold them; here they follow from the very queries, keys and mask that the kernel is given, in at
least float32. Those of a whole batch would be the largest tensor of all, so they are never held together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any

import torch
from torch import Tensor

from seealike.models.attentions import Attention
from seealike.models.operations import arguments
from seealike.models.run import Operation

# Numbers in a block: what a processor's cache holds, what keeps an accelerator busy.
CACHED, BUSY = 1 << 19, 1 << 24


@dataclass(frozen=True, eq=False)
class Weights:
    """images x groups (windows, heads) x queries x keys; `block` makes those of some images and queries."""

    shape: tuple[int, ...]
    block: Callable[[slice, slice], Tensor]
    device: torch.device

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Images and queries of each block: whole images where one fits, else some queries of one."""
        most = CACHED if self.device.type == "cpu" else BUSY
        images, *groups, queries, keys = self.shape
        many = max(1, most // (prod(groups) * queries * keys))
        some = max(1, most // (prod(groups) * keys))
        for i in range(0, images, many):
            for q in range(0, queries, some):
                yield slice(i, i + many), slice(q, q + some)


def weights(operation: Operation) -> Weights:
    """Those of the attention whose product, or whose fused operation, is about to run."""
    attention = operation.layer.attention
    assert attention is not None and attention.asking is not None, "no token attention is applied here"
    if attention.weights is attention.product:
        return _fused(attention, *operation.inputs, **operation.keywords)
    return _written(attention, operation.inputs)


def _written(attention: Attention, inputs: Sequence[Any]) -> Weights:
    assert attention.asking is not None
    given = _operands(inputs)[list(_operands(arguments(attention.product))).index(attention.asking.node)]
    whole = attention.asking.rows(given)

    def block(images: slice, queries: slice) -> Tensor:
        return _precise(whole[images][..., queries, :])

    return Weights(tuple(whole.shape), block, whole.device)


def _operands(inputs: Sequence[Any]) -> Sequence[Any]:
    """The factors of a product; those of an einsum stand behind its equation."""
    return inputs[1] if isinstance(inputs[0], str) else inputs


def _fused(
    attention: Attention,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Weights:
    """What `scaled_dot_product_attention` is given, in its order and under its names."""
    assert attention.asking is not None and attention.asked is not None
    q, k = attention.asking.rows(query), attention.asked.rows(key)
    size = (*query.shape[:-1], key.shape[-2])
    if is_causal:
        attn_mask = torch.ones(size[-2:], dtype=torch.bool, device=query.device).tril()
    mask = None if attn_mask is None else attention.asking.rows(attn_mask.expand(size))
    factor = query.shape[-1] ** -0.5 if scale is None else scale

    def block(images: slice, queries: slice) -> Tensor:
        asked = _precise(k[images])
        if enable_gqa:
            asked = asked.repeat_interleave(q.shape[-3] // k.shape[-3], -3)
        logits = (_precise(q[images][..., queries, :]) * factor) @ asked.mT
        return _softmax(logits, None if mask is None else mask[images][..., queries, :])

    return Weights((*q.shape[:-1], k.shape[-2]), block, q.device)


def _softmax(logits: Tensor, mask: Tensor | None) -> Tensor:
    """A query that may attend to nothing has no weights: all of them are 0, as in the kernels."""
    if mask is None:
        return logits.softmax(-1)
    logits = logits.masked_fill(~mask, -inf) if mask.dtype == torch.bool else logits + mask
    return logits.softmax(-1).masked_fill((logits == -inf).all(-1, keepdim=True), 0)


def _precise(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
