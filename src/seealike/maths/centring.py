"""Features moved to where rounding hurts least: near their mean, by steps that keep equal distances equal."""

import torch
from jaxtyping import Float
from torch import Tensor


def about_centre(x: Float[Tensor, "n p"]) -> Float[Tensor, "n p"]:
    """The rows about a centre near their mean, so that no accuracy is lost where it is far larger than their spread.

    The centre is a multiple of a power of two below the spread: whole numbers stay so, numbers of few digits keep few,
    and their equal distances are equal. A feature that is the same for all is zero.

    >>> about_centre(torch.tensor([[1000.0, 5.0], [1001.0, 5.0], [1004.0, 5.0]])).tolist()
    [[-2.0, 0.0], [-1.0, 0.0], [2.0, 0.0]]
    """
    spread, mean = torch.std_mean(x, 0, correction=0)
    step = torch.exp2((torch.frexp(spread).exponent - 1).to(x.dtype)).clamp_min(torch.finfo(x.dtype).tiny)
    return x - torch.where(spread > 0, (mean / step).round() * step, x[0])
