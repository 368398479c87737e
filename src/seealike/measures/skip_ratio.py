"""How much of what leaves a residual addition came along the skip."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from seealike.kernel import FOUND, Added, Measure, Sources, State, Statistic, Tap
from seealike.measures.layers import placed, ragged
from seealike.statistics.average import Average
from seealike.statistics.histogram import Bins, Histogram, middle
from seealike.views.skip import ROWS, Skip, pixels

Pixel = tuple[float, float]

# ln |z| / |f|, by eighths of an octave
OCTAVE = log(2)
BINS = Bins(-12 * OCTAVE, 12 * OCTAVE, 24 * 8)
LOG, KNOWN = ROWS.index("log_ratio"), ROWS.index("known")
# which row says where a row is known
WHERE = {"ratio": "known", "log_ratio": "known", "cosine_branch": "known", "cosine_output": "known_output"}
NAMES = {
    "ratio": "mean norm ratio |z| / |f(z)|",
    "ratio_median": "median norm ratio |z| / |f(z)|",
    "log_ratio": "mean ln |z| / |f(z)|",
    "cosine_branch": "cosine of z and f(z)",
    "cosine_output": "cosine of z and z + f(z)",
}


@dataclass(frozen=True)
class SkipRatio(Measure):
    """How far the skip outweighs the branch at each token: above 1 it is carried on, below 1 it is replaced.

    At every residual addition z + f(z), f as it is really added (after LayerScale), token by token: |z| / |f(z)|, its
    mean `ratio` and its median `ratio_median` over images (the mean explodes where f is near 0), the mean of its
    logarithm `log_ratio`, and the mean cosines `cosine_branch` of z and f(z) and `cosine_output` of z and z + f(z):
    Raghu et al. 2021, figures 7, E.1 and E.2. All are (residual, token): CLS and registers first, then the places row
    by row, with their pixels in `place_y` and `place_x`; norms are over all else. What an image leaves undefined (z or
    f exactly 0 at a token) is left out of the means and told in a note.

    The median is read from a histogram by eighths of an octave, so it is right to a factor of 2^(1/8) = 1.09, mostly
    far better; beyond 2^-12 to 2^12 it is NaN. Standard errors are over images. `layers` are names
    or globs of residual additions, or of modules around them: `blocks.*`, `vit:blocks.0`.

    >>> SkipRatio("vit", layers=("blocks.0", "blocks.11")).model
    'vit'
    """

    name: ClassVar[str] = "skip_ratio"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Raghu et al. 2021, figs 7, E.1, E.2"

    model: str
    layers: str | tuple[str, ...] = ()
    bound: tuple[Added, ...] = field(default=(), metadata={FOUND: True})
    places: tuple[tuple[Pixel, ...], ...] = field(default=(), metadata={FOUND: True})

    def bind(self, sources: Sources) -> "SkipRatio":
        patterns = (self.layers,) if isinstance(self.layers, str) else self.layers
        bound = sources.residuals(self.model, patterns)
        places = tuple(pixels(sources.layer(a.source, a.tensor).places) for a in bound)
        return replace(self, model="", layers=(), bound=bound, places=places)

    def needs(self, *earlier: xr.Dataset) -> tuple[Statistic, ...]:
        taps = [Tap(a.source, a.tensor, Skip(a.skip_first)) for a in self.bound]
        tokens = [max(1, len(where)) for where in self.places]
        counts = [Histogram(t, BINS, LOG, KNOWN, n) for t, n in zip(taps, tokens, strict=True)]
        return (*map(Average, taps), *counts)

    def read(self, *totals: State) -> xr.Dataset:
        sums, counts = totals[: len(self.bound)], totals[len(self.bound) :]
        found = {name: ragged([_mean(total, name) for total in sums]) for name in WHERE}
        found["ratio_median"] = ragged([middle(total, BINS).exp().mean(0).numpy() for total in counts])
        variables = {
            name: (("residual", "token"), found[name], {"long_name": text, "units": "1"})
            for name, text in NAMES.items()
        }
        return xr.Dataset(variables, self._coordinates(found["ratio"].shape[1])).assign_attrs(
            notes=[*self._undefined(sums), *self._tokens(sums), *_beyond(found)]
        )

    def _coordinates(self, tokens: int) -> dict[str, Any]:
        yx = placed(self.places, tokens)
        return {
            "residual": [str(a) for a in self.bound],
            "depth": ("residual", [a.depth for a in self.bound]),
            "kind": ("residual", [a.kind for a in self.bound]),
            "token": np.arange(tokens),
            "place_y": (("residual", "token"), yx[0], {"units": "pixel"}),
            "place_x": (("residual", "token"), yx[1], {"units": "pixel"}),
        }

    def _undefined(self, sums: Sequence[State]) -> list[str]:
        """How much is left out of the means, where there is anything."""
        reasons = {
            "known": "the skip or the branch is exactly 0 at tokens of images that all means leave out",
            "known_output": "skip and branch cancel, or one is 0, at tokens of images that cosine_output leaves out",
        }
        missing = {row: [_missing(total, row) for total in sums] for row in reasons}
        if missing["known"] == missing["known_output"]:
            del missing["known_output"]
        return [
            f"{reasons[row]}: {', '.join(f'{a} ({m})' for a, m in zip(self.bound, found, strict=True) if m)}"
            for row, found in missing.items()
            if any(found)
        ]

    def _tokens(self, sums: Sequence[State]) -> list[str]:
        sizes = [total["sum"].shape[-1] for total in sums]
        unplaced = ", ".join(str(a) for a, where in zip(self.bound, self.places, strict=True) if not where)
        notes = [f"places could not be found, so that all of an image is one token: {unplaced}"] if unplaced else []
        if min(sizes) < max(sizes):
            have = f"residual additions have {min(sizes)} to {max(sizes)} tokens"
            notes.append(f"{have}: the values of tokens that one has not are NaN")
        return notes


def _mean(total: State, name: str) -> np.ndarray:
    """Of each token, over the images where it is defined; NaN where it is in none."""
    return (total["sum"][ROWS.index(name)] / total["sum"][ROWS.index(WHERE[name])]).numpy()


def _missing(total: State, row: str) -> str:
    """`3 of 128`: how many tokens of images are undefined, in words; empty where none is."""
    known = total["sum"][ROWS.index(row)]
    number = int(total["count"]) * known.numel()
    left_out = number - int(known.sum())
    return f"{left_out} of {number}" if left_out else ""


def _beyond(found: dict[str, np.ndarray]) -> list[str]:
    """Medians that the bins do not resolve."""
    count = int((np.isfinite(found["ratio"]) & np.isnan(found["ratio_median"])).sum())
    return [f"{count} medians of the ratio lie beyond 2^-12 to 2^12 and are not told apart: NaN"] if count else []
