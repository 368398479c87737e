"""Brute force: definitions written out in float64, apart from the package."""

from torch import Tensor


def centred(z: Tensor, biased: bool = False) -> Tensor:
    """The Gram matrix of a batch, U-centred (Song et al. 2012), or centred for the biased HSIC."""
    n = len(z)
    y = z.double().reshape(n, -1)
    y = y - y.mean(0)
    k = y @ y.T
    if biased:
        return k
    k.fill_diagonal_(0)
    k = k - k.sum(0) / (n - 2) - k.sum(1)[:, None] / (n - 2) + k.sum() / ((n - 1) * (n - 2))
    return k.fill_diagonal_(0)
