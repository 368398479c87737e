"""How sure an effect is: an interval over images for single networks, over networks where there are several."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from seealike.claims.claim import Claim
from seealike.claims.crossing import Design
from seealike.claims.evidence import Answer
from seealike.maths.jackknife import jackknife

NORMAL = 1.96  # standard errors to each side, 95 %
DRAWS = 400  # of effects that jump
TAILS = 0.025, 0.975
ALIKE = 1e-12  # what effects of networks differ by, as a share of them, where they do not
UNDEFINED = "a value that it rests on is undefined"


@dataclass(frozen=True)
class Interval:
    """An effect and the 95 % interval around it; NaN bounds where none can be given, for the `reason` said."""

    effect: float
    low: float = float("nan")
    high: float = float("nan")
    reason: str = ""


def of_whole(claim: Claim, answers: Sequence[Answer]) -> Interval:
    """The effect from all images, without an interval."""
    try:
        effect = claim.read(*(answer.whole for answer in answers))
    except KeyError as error:
        return Interval(float("nan"), reason=f"its answers hold no {_missing(error)}")
    return Interval(effect, reason="" if np.isfinite(effect) else UNDEFINED)


def over_images(claim: Claim, answers: Sequence[Answer]) -> Interval:
    """The interval over images: effect +- 1.96 standard errors of the jackknife over groups of batches.

    Answers over the same batches are read with the same group left out at once, so what they share cancels; the
    variances of different passes add. Of an effect that jumps a jackknife is no guide: it is read from answers drawn
    around those that were found, with their covariance, and its interval holds 95 % of the draws.
    """
    found = of_whole(claim, answers)
    few = [answer.name for answer in answers if answer.left_out is None]
    if found.reason or few:
        return Interval(found.effect, reason=found.reason or f"{few[0]} has no standard errors: too few batches")
    try:
        return _by_draws(claim, answers, found.effect) if claim.jumps else _by_jackknife(claim, answers, found.effect)
    except KeyError as error:
        reason = f"{_missing(error)} has too many values to be kept without each group of batches"
        return Interval(found.effect, reason=reason)


def over_networks(design: Design, effects: Sequence[float]) -> Interval:
    """Student's t interval of the mean effect over networks, from the effect of every cast of a design.

    The variance is the sum over factors of s^2 / n, with s^2 that of the n means which belong to one of its networks
    each: for a difference of two roles Welch's, for networks in pairs that of the paired t. Where networks of different
    roles act on each other it is too large rather than too small: each s^2 holds that part once. Degrees of freedom
    are Satterthwaite's, (sum v)^2 / sum v^2 / (n - 1).

    >>> found = over_networks(Design((("a",), ("b",), ("c",)), ((0,),)), [1.0, 2.0, 3.0])
    >>> found.effect, round(found.low, 4), round(found.high, 4)
    (2.0, -0.4841, 4.4841)
    """
    values = np.asarray(effects, float)
    effect = float(values.mean())
    several = [_means(values, design.levels(factor)) for factor in design.factors]
    variances = np.array([means.var(ddof=1) / len(means) for means in several])
    if variances.sum() <= (ALIKE * np.abs(values).max()) ** 2:
        return Interval(effect, reason="its networks do not differ in it at all, so how far others would is not known")
    freedom = variances.sum() ** 2 / sum(v**2 / (len(m) - 1) for v, m in zip(variances, several, strict=True))
    return _around(effect, float(stdtrit(freedom, TAILS[1]) * np.sqrt(variances.sum())))


def _means(values: np.ndarray, levels: Sequence[tuple[str, ...]]) -> np.ndarray:
    """The mean of the values of each level."""
    of: dict[tuple[str, ...], list[float]] = {}
    for level, value in zip(levels, values, strict=True):
        of.setdefault(level, []).append(value)
    return np.array([np.mean(several) for several in of.values()])


def _by_jackknife(claim: Claim, answers: Sequence[Answer], effect: float) -> Interval:
    error = np.sqrt(sum(_variance(claim, answers, effect, run) for run in {a.run for a in answers}))
    return _around(effect, NORMAL * float(error))


def _variance(claim: Claim, answers: Sequence[Answer], effect: float, run: tuple) -> float:
    """What the images of one pass add to the variance."""
    left_out = [
        np.array(claim.read(*(a.without(group) if a.run == run else a.whole for a in answers)))
        for group in range(len(_sizes(answers, run)))
    ]
    return float(jackknife(np.array(effect), left_out, _sizes(answers, run))) ** 2


def _by_draws(claim: Claim, answers: Sequence[Answer], effect: float) -> Interval:
    """Answers of one pass move together, by the same normal numbers."""
    rng, runs = np.random.default_rng(0), list(dict.fromkeys(answer.run for answer in answers))
    drawn = []
    for _ in range(DRAWS):
        steps = {run: rng.standard_normal(len(_sizes(answers, run))) for run in runs}
        drawn.append(claim.read(*(answer.moved(steps[answer.run]) for answer in answers)))
    low, high = np.quantile(drawn, TAILS)
    if not np.isfinite(low + high):
        return _around(effect, float("nan"))
    return Interval(effect, min(effect, float(low)), max(effect, float(high)))


def _sizes(answers: Sequence[Answer], run: tuple) -> list[int]:
    """How many images each group of a pass has."""
    return next(a.left_out["images"].values.tolist() for a in answers if a.run == run and a.left_out is not None)


def _missing(error: KeyError) -> str:
    """The variable that is not there; xarray says more of it."""
    named = re.search(r"'(\w+)'", str(error))
    return named[1] if named else str(error)


def _around(effect: float, half: float) -> Interval:
    if not np.isfinite(half):
        return Interval(effect, reason=f"{UNDEFINED} where some images are left out")
    return Interval(effect, effect - half, effect + half)
