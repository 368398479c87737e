"""Inner products of centred Gram matrices, summed over batches: what every CKA is read from."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seealike.errors import not_finite
from seealike.kernel import State, Sum, Tap
from seealike.maths.hsic import centred, inner_products, packed, u_centred

# Fewer images than this have no U-centred Gram.
FEWEST = {"unbiased": 4, "biased": 2}
CENTRE = {"unbiased": u_centred, "biased": centred}
# Numbers of a stack of Grams at a time, to be centred while a processor's cache or a device holds them.
CACHED, BUSY = 1 << 20, 1 << 26


@dataclass(frozen=True)
class HSIC(Sum):
    """Sums over batches of <K~, L~> for every K of `a` and L of `b`, and of each with itself.

    A batch of n images enters with the weight n (n-3) of its pairs, whatever n is: the unbiased HSIC of the batch
    is <K~, L~> / (n (n-3)). A tap shows a Gram matrix, or a stack of them, those of the parts of a tensor (heads,
    tokens, patches of the image): then each has a row of its own, in the order of the taps. Centring is linear, so
    rows of parts add up to the row of the parts taken together.
    """

    a: tuple[Tap, ...]
    b: tuple[Tap, ...]
    estimator: str = "unbiased"

    @property
    def taps(self) -> tuple[Tap, ...]:
        return tuple(dict.fromkeys(self.a + self.b))

    def lift(self, *grams: Tensor) -> State | None:
        if grams[0].shape[-1] < FEWEST[self.estimator]:
            return None
        vectors = [self._packed(g) for g in grams]
        self._refuse_nonfinite(vectors)
        by_tap = dict(zip(self.taps, vectors, strict=True))
        a = [by_tap[t] for t in self.a]
        b = a if self.a == self.b else [by_tap[t] for t in self.b]
        own_a = _squares(a)
        return {"cross": inner_products(a, b), "a": own_a, "b": own_a.clone() if a is b else _squares(b)}

    def _packed(self, gram: Tensor) -> Tensor:
        """Centred and packed, one row a Gram matrix."""
        centre = CENTRE[self.estimator]
        if gram.ndim == 2:
            return packed(centre(gram))[None]
        return _joined([packed(centre(some)) for some in _split(gram)])

    def _refuse_nonfinite(self, vectors: Sequence[Tensor]) -> None:
        finite = torch.stack([v.sum() for v in vectors]).isfinite()
        if not finite.all():
            first = self.taps[int((~finite).nonzero()[0])]
            raise not_finite(f"{first} holds")


def _squares(vectors: Sequence[Tensor]) -> Tensor:
    return torch.cat([2 * some.double().square().sum(-1) for v in vectors for some in _split(v)])


def _split(stack: Tensor) -> Sequence[Tensor]:
    """Some of its members at a time."""
    most = CACHED if stack.device.type == "cpu" else BUSY
    return stack.split(max(1, most // stack[0].numel()))


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
