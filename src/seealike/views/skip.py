"""What a residual addition adds up, token by token: how long skip and branch are, and how they lie to each other."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from seealike.errors import not_finite
from seealike.kernel import View
from seealike.models.graph import Layer
from seealike.models.places import Places
from seealike.models.run import Operation

ROWS = ("ratio", "log_ratio", "cosine_branch", "cosine_output", "known", "known_output")
BLOCK = 1 << 17  # numbers that are multiplied at a time: their products stay in a processor's cache
LOST = 4  # units of rounding, of |z|^2 + |f|^2: a sum that is not longer has no direction
SAME_ROW = 2  # decimals of a pixel: places of one row of the grid may be rounded differently


@dataclass(frozen=True)
class Skip(View):
    """images x 6 x tokens, of z + f as it is really added, from products in at least float32.

    `ROWS`: |z| / |f|, ln of it, cos(z, f), cos(z, z + f); then 1 where the first three are known (neither z nor f is
    exactly 0 at the token) and 1 where the fourth is (nor is z + f, up to rounding). What is not known is 0: sums over
    images divided by the sums of these are means over the images where it is.

    A token is one position of the layer, in the order of `tokens`; its channels are all else. A layer whose places
    are not known is one token. `first`: z is the first of the two operands, as in `x + f(x)`.
    """

    when: ClassVar[str] = "before"  # `x += f(x)` overwrites one of the two

    first: bool

    def see(self, operation: Operation) -> Tensor:
        layer = operation.layer
        skip, branch = (layer.axis.rows(x)[..., None] for x in operation.inputs[:2])  # [..., None]: at least 1 channel
        scale = operation.keywords.get("alpha", 1)
        images = max(1, BLOCK // max(1, skip[0].numel()))
        blocks = zip(skip.split(images), branch.split(images), strict=True)
        found = torch.cat([self._block(_precise(a), _precise(b) * scale, layer) for a, b in blocks])
        if not found.isfinite().all():
            raise not_finite(f"the operands of {layer.name} hold")
        return found if layer.places is None else found[..., tokens(layer.places).to(found.device)]

    def _block(self, a: Tensor, b: Tensor, layer: Layer) -> Tensor:
        dims = layer.places.dims if layer.places else ()
        channels = [d for d in range(1, a.ndim) if d - 1 not in dims]
        return compared(*((a, b) if self.first else (b, a)), channels)


def compared(skip: Tensor, branch: Tensor, channels: list[int]) -> Tensor:
    """images x 6 x positions: `ROWS` of z and f, whose channels are some of their dimensions."""
    rounding = torch.finfo(skip.dtype).eps
    pairs = (skip, skip), (branch, branch), (skip, branch)
    zz, ff, zf = ((a * b).sum(channels).reshape(len(a), -1).double() for a, b in pairs)
    tt, zt = zz + ff + 2 * zf, zz + zf
    nothing = (zz == 0) | (ff == 0)  # NaN is not nothing
    lost = nothing | (tt <= LOST * rounding * (zz + ff))
    known = [torch.where(nothing, 0, x) for x in ((zz / ff).sqrt(), (zz / ff).log() / 2, zf / (zz * ff).sqrt())]
    output = torch.where(lost, 0, zt / (zz * tt).sqrt())
    return torch.stack([*known, output, (~nothing).to(zz), (~lost).to(zz)], 1)


def _precise(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def tokens(places: Places) -> Tensor:
    """Which of a layer's positions are its tokens, in order: those of no part of the image, then row by row.

    Positions that only fill up a window are none.

    >>> windows = torch.tensor([[[2.0, 2], [6, 6]], [[2, 6], [2, 6]]])  # y and x of four places
    >>> tokens(Places((0, 1), windows.mT)).tolist()
    [0, 2, 1, 3]
    """
    y, x = places.yx.reshape(2, -1)
    nowhere, somewhere = (known.flatten().nonzero()[:, 0] for known in (places.nowhere, places.somewhere))
    by_column = somewhere[x[somewhere].argsort(stable=True)]
    by_row = by_column[y[by_column].round(decimals=SAME_ROW).argsort(stable=True)]
    return torch.cat([nowhere, by_row])


def pixels(places: Places | None) -> tuple[tuple[float, float], ...]:
    """The pixel (row, column) of each token, minus infinity where it stands for no part of the image.

    Empty where the places of a layer are not known.

    >>> pixels(Places((0,), torch.tensor([[-torch.inf, 2, 2], [-torch.inf, 6, 2]])))
    ((-inf, -inf), (2.0, 2.0), (2.0, 6.0))
    """
    if places is None:
        return ()
    y, x = places.yx.reshape(2, -1)[:, tokens(places)].tolist()
    return tuple(zip(y, x, strict=True))
