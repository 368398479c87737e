"""How sure an effect is: an interval over images for single networks, over networks where there are several."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from seealike.claims.claim import Claim
from seealike.claims.evidence import Answer
from seealike.maths.jackknife import jackknife

NORMAL = 1.96  # standard errors to each side, 95 %


@dataclass(frozen=True)
class Interval:
    """An effect and the 95 % interval around it; NaN bounds where none can be given, for the `reason` said."""

    effect: float
    low: float = float("nan")
    high: float = float("nan")
    reason: str = ""


def over_images(claim: Claim, answers: Sequence[Answer]) -> Interval:
    """The interval over images: effect +- 1.96 standard errors of the jackknife over groups of batches.

    Answers over the same batches are read with the same group left out at once, so what they share cancels; the
    variances of different passes add.
    """
    try:
        effect = claim.read(*(answer.whole for answer in answers))
    except KeyError as error:
        return Interval(float("nan"), reason=f"its answers hold no {_missing(error)}")
    if not np.isfinite(effect):
        return Interval(effect, reason="a value that it rests on is undefined")
    few = [answer.name for answer in answers if answer.left_out is None]
    if few:
        return Interval(effect, reason=f"{few[0]} has no standard errors: too few batches")
    try:
        error = np.sqrt(sum(_variance(claim, answers, effect, run) for run in {a.run for a in answers}))
    except KeyError as error:
        return Interval(
            effect, reason=f"{_missing(error)} has too many values to be kept without each group of batches"
        )
    return _around(effect, NORMAL * float(error))


def over_networks(effects: Sequence[float]) -> Interval:
    """Student's t interval of the mean effect over networks.

    >>> found = over_networks([1.0, 2.0, 3.0])
    >>> found.effect, round(found.low, 4), round(found.high, 4)
    (2.0, -0.4841, 4.4841)
    """
    values = np.asarray(effects, float)
    error = values.std(ddof=1) / np.sqrt(len(values))
    if not np.isfinite(error):
        return Interval(float(values.mean()), reason="a value that it rests on is undefined")
    return _around(float(values.mean()), float(stdtrit(len(values) - 1, 0.975) * error))


def _variance(claim: Claim, answers: Sequence[Answer], effect: float, run: tuple) -> float:
    """What the images of one pass add to the variance."""
    sizes = next(a.left_out["images"].values for a in answers if a.run == run and a.left_out is not None)
    left_out = [
        np.array(claim.read(*(a.without(group) if a.run == run else a.whole for a in answers)))
        for group in range(len(sizes))
    ]
    return float(jackknife(np.array(effect), left_out, sizes.tolist())) ** 2


def _missing(error: KeyError) -> str:
    """The variable that is not there; xarray says more of it."""
    named = re.search(r"'(\w+)'", str(error))
    return named[1] if named else str(error)


def _around(effect: float, half: float) -> Interval:
    if not np.isfinite(half):
        return Interval(effect, reason="a value that it rests on is undefined where some images are left out")
    return Interval(effect, effect - half, effect + half)
