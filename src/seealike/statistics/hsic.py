"""Inner products of centred Gram matrices, summed over batches: what every CKA is read from."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seealike.errors import RunError
from seealike.kernel import State, Sum, Tap
from seealike.maths.hsic import centred, inner_products, packed, u_centred

# Fewer images than this have no U-centred Gram.
FEWEST = {"unbiased": 4, "biased": 2}


@dataclass(frozen=True)
class HSIC(Sum):
    """Sums over batches of <K~, L~> for every K of `a` and L of `b`, and of each with itself.

    A batch of n images enters with the weight n (n-3) of its pairs, whatever n is: the unbiased HSIC of the batch
    is <K~, L~> / (n (n-3)). The taps show Gram matrices.
    """

    a: tuple[Tap, ...]
    b: tuple[Tap, ...]
    estimator: str = "unbiased"

    @property
    def taps(self) -> tuple[Tap, ...]:
        return tuple(dict.fromkeys(self.a + self.b))

    def lift(self, *grams: Tensor) -> State | None:
        if grams[0].shape[0] < FEWEST[self.estimator]:
            return None
        centre = u_centred if self.estimator == "unbiased" else centred
        vectors = [packed(centre(g)) for g in grams]
        self._refuse_nonfinite(vectors)
        by_tap = dict(zip(self.taps, vectors, strict=True))
        a = [by_tap[t] for t in self.a]
        b = a if self.a == self.b else [by_tap[t] for t in self.b]
        own_a = _squares(a)
        return {"cross": inner_products(a, b), "a": own_a, "b": own_a if a is b else _squares(b)}

    def _refuse_nonfinite(self, vectors: Sequence[Tensor]) -> None:
        finite = torch.stack([v.sum() for v in vectors]).isfinite()
        if not finite.all():
            first = self.taps[int((~finite).nonzero()[0])]
            raise RunError(
                f"{first} holds NaN or infinity. Look at the images and the weights; "
                "half precision overflows above 65504 (run with --dtype float32)."
            )


def _squares(vectors: Sequence[Tensor]) -> Tensor:
    return torch.stack([2 * v.double().square().sum() for v in vectors])
