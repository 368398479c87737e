"""How near images are in single numbers, without comparing all pairs of images."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seealike.maths.ranks import Neighbours


def mean_ranks(near: Neighbours, numbers: Float[Tensor, "images numbers"]) -> Float[Tensor, " numbers"]:
    """The mean rank of a layer's neighbours among all images sorted by |t_i - t_j|, for each number t.

    >>> from seealike.maths.ranks import neighbours
    >>> x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    >>> mean_ranks(neighbours(x, 1), torch.cat([x, -x.exp()], 1)).tolist()
    [1.0, 1.0]
    """
    total = torch.zeros(numbers.shape[1], dtype=torch.float64)
    for i, one in enumerate(numbers.T):
        total[i] = (ranks(one, near.columns) * near.weights).sum()
    return total / near.weights.sum(dtype=torch.float64)


def means(near: Neighbours, numbers: Float[Tensor, "images numbers"]) -> Float[Tensor, "images numbers"]:
    """The mean of each number over the neighbours of each image."""
    weights = near.weights.to(numbers.dtype)
    return (numbers[near.columns] * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)


def ranks(numbers: Float[Tensor, " images"], columns: Int[Tensor, "images others"]) -> Float[Tensor, "images others"]:
    """At which place some images come when all others are sorted by |t_i - t_j|: the nearest is 1.

    Of equal distances each has the mean of their places, what they would have on average were their order drawn.

    >>> ranks(torch.tensor([0.0, 1.0, 1.0, 5.0]), torch.tensor([[1], [0], [3], [0]])).flatten().tolist()
    [1.5, 2.0, 3.0, 3.0]
    """
    numbers = numbers.double()
    ordered = numbers.sort().values
    own = numbers[:, None].expand(columns.shape)
    away = (numbers[columns] - own).abs()
    low, high = own - away, own + away  # exact for what comes in float32
    before_low, to_low = (torch.searchsorted(ordered, low, right=right) for right in (False, True))
    before_high, to_high = (torch.searchsorted(ordered, high, right=right) for right in (False, True))
    nearer = (before_high - to_low - 1).clamp_min(0)  # the image itself is none of them
    not_farther = to_high - before_low - 1
    return (nearer + not_farther + 1) / 2
