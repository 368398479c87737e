"""The probes of one layer, trained: what `probe` must know before it can be asked."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import xarray as xr
from tqdm.auto import tqdm

from seealike.errors import RunError, not_finite
from seealike.kernel import Measure, Selected, Sources, State, Tap
from seealike.maths.holdout import held_out
from seealike.maths.ridge import Ridge, from_rows, from_sums
from seealike.statistics.labelled import Labelled
from seealike.statistics.scattered import Scattered, sides
from seealike.views.linear import Vectors

BLOCK = 1 << 22  # numbers of the tokens that are solved at a time


@dataclass(frozen=True)
class Fit(Measure):
    """The linear probe of each token of a layer: ridge regression of the class onto its features.

    `weights` (token, feature, class), `intercept` (token, class) and `centre` (token, feature), float32: the score of a
    class is intercept + (x - centre) weights. `penalty` and `validation_error` (token): see `seealike.maths.ridge`. No
    study asks this, `probe` does; the three are coordinates, for they have no standard errors.
    """

    name: ClassVar[str] = "fit"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Raghu et al. 2021, figs 11, 13, D.4, F.1-F.3"

    layer: Selected
    view: str
    tokens: int
    features: int
    classes: int
    images: int
    penalties: tuple[float, ...]
    holdout: float
    seed: int = 0

    def bind(self, sources: Sources) -> "Fit":
        return self

    @property
    def dual(self) -> bool:
        """Whether there are fewer images than features, so that their products with each other are fewer numbers."""
        return self.features > self.images

    def needs(self, *earlier: xr.Dataset) -> tuple[Scattered | Labelled, ...]:
        tap = Tap(self.layer.source, self.layer.tensor, Vectors(self.view))
        if self.dual:
            return (Labelled(tap, self.images, self.tokens * self.features),)
        return (Scattered(tap, self.tokens, self.features, self.classes, self.holdout, self.seed),)

    def read(self, *totals: State) -> xr.Dataset:
        (total,) = totals
        fitted, held, solve = self._from_rows(total) if self.dual else self._from_sums(total)
        self._refuse_too_few(fitted, held)
        side = self.images if self.dual else self.features
        step = max(1, BLOCK // (side * (side + self.classes)))
        with tqdm(total=self.tokens, unit=" tokens", desc=f"{self.layer}: training probes", leave=False) as bar:
            parts = []
            for first in range(0, self.tokens, step):
                parts.append(solve(slice(first, first + step)))
                bar.update(len(parts[-1].penalty))
        return self._answer(parts, fitted + held, held)

    def _from_sums(self, total: State):
        fit, held = sides(total)
        return int(fit.count), int(held.count), lambda t: from_sums(fit.of(t), held.of(t), self.penalties)

    def _from_rows(self, total: State):
        rows, labels, held = total["rows"], total["label"], held_out(total["index"], self.seed, self.holdout)
        if not rows.isfinite().all():
            raise not_finite(f"{self.layer} holds")
        count = int(held.sum())
        return (
            len(held) - count,
            count,
            lambda t: from_rows(rows[:, t], labels, held, self.classes, self.penalties),
        )

    def _refuse_too_few(self, fitted: int, held: int) -> None:
        if fitted < 2 or (not held and len(self.penalties) > 1):
            raise RunError(
                f"{self.layer}: of {fitted + held} training images {held} are held out to choose the penalty, too few "
                "on one side. Train on more images, or give one penalty."
            )

    def _answer(self, parts: list[Ridge], images: int, held: int) -> xr.Dataset:
        weights, intercept, centre, penalty, error = (
            torch.cat([getattr(p, name) for p in parts]).cpu().numpy() for name in Ridge.__dataclass_fields__
        )
        known = {
            "penalty": ("token", penalty),
            "validation_error": ("token", error),
        }
        trained = {
            "weights": (("token", "feature", "class"), weights),
            "intercept": (("token", "class"), intercept),
            "centre": (("token", "feature"), centre),
        }
        return xr.Dataset(known, trained, {"training_images": images, "held_out_images": held})
