"""Places through operations that keep a grid: convolutions, pools and resizings rescale it.

Along each axis the centre of what output position i sees is an affine function of i, so the pixel of
every output position follows from the pixels of the input positions, which must lie on a regular grid.
"""

from typing import Any

import torch
from torch import Tensor

from seealike.models.operations import ADAPTIVE_POOL, AVERAGE_POOL, MAX_POOL, aten
from seealike.models.places import constant

CONVOLUTIONS = {aten.conv1d.default, aten.conv1d.padding, aten.conv2d.default, aten.conv2d.padding}
RESIZINGS = {
    aten.upsample_nearest2d.vec,
    aten.upsample_bilinear2d.vec,
    aten.upsample_bicubic2d.vec,
    aten.upsample_nearest2d.default,
    aten.upsample_bilinear2d.default,
    aten.upsample_bicubic2d.default,
}
RULES = CONVOLUTIONS | MAX_POOL | AVERAGE_POOL | ADAPTIVE_POOL | RESIZINGS


def rescale(target, arguments: tuple[Any, ...], yx: Tensor, output: Tensor) -> Tensor | None:
    """The places of the output of a convolution, a pool or a resizing."""
    if target in CONVOLUTIONS and _pointwise(arguments):
        return _one_channel(yx).expand(2, *output.shape)
    if all(constant(yx, d) for d in range(2, yx.ndim)):
        return yx[(slice(None), slice(None), *[slice(0, 1)] * (yx.ndim - 2))].expand(2, *output.shape)
    if output.ndim != 4:
        return None
    one = _one_channel(yx)[:, :, 0]
    # windows lie beside the images, each at places of its own
    moved = [_moved(target, arguments, part, output) for part in (one[:, :1] if constant(one, 1) else one).unbind(1)]
    known = [one for one in moved if one is not None]
    return torch.stack(known, 1)[:, :, None].expand(2, *output.shape) if len(known) == len(moved) else None


def _moved(target, arguments: tuple[Any, ...], yx: Tensor, output: Tensor) -> Tensor | None:
    """The same of one grid: 2 x rows x columns."""
    lines = _lines(yx)
    if lines is None:
        return None
    moved = []
    for axis, line in enumerate(lines):
        grid = _regular(line)
        if grid is None:
            return None
        seen = _seen(target, arguments, axis, yx.shape[1 + axis], output.shape[2 + axis])
        moved.append(grid[0] + grid[1] * seen)
    return torch.stack(torch.meshgrid(*moved, indexing="ij"))


def _pointwise(arguments: tuple[Any, ...]) -> bool:
    given = dict(enumerate(arguments))
    return all(k == 1 for k in given[1].shape[2:]) and all(s == 1 for s in _pair(given.get(3, 1)))


def _one_channel(yx: Tensor) -> Tensor:
    return yx[:, :, :1] if constant(yx, 2) else yx.mean(2, keepdim=True)


def _lines(yx: Tensor) -> list[Tensor] | None:
    """The pixel row of every grid row and the pixel column of every grid column, padding aside."""
    y, x = torch.where(yx.isfinite(), yx, torch.nan)
    lines = [y.nanmean(1), x.nanmean(0)]
    straight = [(y - lines[0][:, None]).abs(), (x - lines[1]).abs()]
    return lines if all(bool(((d < 1e-2) | d.isnan()).all()) for d in straight) else None


def _regular(line: Tensor) -> tuple[float, float] | None:
    """Origin and pitch of the pixels along an axis, from the positions that are not padding."""
    at = torch.nonzero(line.isfinite())[:, 0]
    if len(at) < 2:
        return None
    pitch = (line[at[-1]] - line[at[0]]) / (at[-1] - at[0])
    origin = line[at[0]] - pitch * at[0]
    return (float(origin), float(pitch)) if torch.allclose(line[at], origin + pitch * at, atol=1e-2) else None


def _pair(value) -> tuple[Any, ...]:
    value = tuple(value) if isinstance(value, list | tuple) else (value,)
    return (value[0], value[0]) if len(value) == 1 else value


def _seen(target, arguments: tuple[Any, ...], axis: int, before: int, after: int) -> Tensor:
    """The input position (a fraction) at the centre of what each output position sees."""
    i = torch.arange(after, dtype=torch.float32)
    if target in RESIZINGS:
        return (i + 0.5) * before / after - 0.5
    if target in ADAPTIVE_POOL:
        return ((i * before / after).floor() + ((i + 1) * before / after).ceil() - 1) / 2
    kernel, stride, padding, dilation = _window(target, arguments, axis)
    return i * stride + dilation * (kernel - 1) / 2 - padding


def _window(target, arguments: tuple[Any, ...], axis: int) -> tuple[int, int, int | float, int]:
    given = dict(enumerate(arguments))
    if target in CONVOLUTIONS:
        kernel, stride, padding, dilation = given[1].shape[2 + axis], given.get(3, 1), given.get(4, 0), given.get(5, 1)
        dilation = _pair(dilation)[axis]
        if isinstance(padding, str):
            padding = dilation * (kernel - 1) / 2 if padding == "same" else 0
        return kernel, _pair(stride)[axis], _pair(padding)[axis], dilation
    kernel = _pair(given[1])
    stride = _pair(given[2]) if given.get(2) else kernel
    dilation = given.get(4, 1) if target in MAX_POOL else 1
    return kernel[axis], stride[axis], _pair(given.get(3, 0))[axis], _pair(dilation)[axis]
