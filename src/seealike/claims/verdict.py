"""What the answers of a folder decide: claim by claim, network by network."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seealike.claims.claim import Claim
from seealike.claims.evidence import Answer, best
from seealike.claims.interval import Interval, over_images, over_networks
from seealike.claims.networks import SEVERAL, Group, cast, trained

NOT_ASKED, UNDECIDED, HOLDS, FAILS = "not asked", "undecided", "holds", "fails"


@dataclass(frozen=True)
class Decided:
    """A claim with its verdict: which networks and answers it rests on, the effect, its 95 % interval.

    The interval is over images for single networks, and the verdict is then about them alone; it is over networks
    where each role had three or more. `reason` says why a claim is undecided, or what would have to be asked.
    """

    claim: Claim
    verdict: str
    models: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    effect: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    over: str = ""  # "images" or "networks"
    reason: str = ""

    @property
    def words(self) -> str:
        """`holds for this pair`: the verdict, and how far it reaches."""
        if self.verdict not in (HOLDS, FAILS) or self.over == "networks":
            return self.verdict
        reach = {1: "this network", 2: "this pair"}.get(len(self.models), "these networks")
        return f"{self.verdict} for {reach}"


def decided(claims: Iterable[Claim], answers: Sequence[Answer]) -> list[Decided]:
    """Every claim, once for each way to fill its roles that was asked about."""
    networks = trained(answers)
    found = []
    for claim in claims:
        several = [_judged(claim, chosen, answers) for chosen in cast(claim.roles, networks)]
        asked = [one for one in several if one.verdict != NOT_ASKED]
        found += asked or several[:1] or [_without_networks(claim, [n.told for n in networks])]
    return found


def _judged(claim: Claim, chosen: tuple[Group, ...], answers: Sequence[Answer]) -> Decided:
    """One way to fill the roles: network by network if each has repeats, else the one of each."""
    casts = [tuple(network.name for network in networks) for networks in zip(*chosen, strict=False)]
    if len(casts) < SEVERAL:
        return _of_one(claim, casts[0], answers)
    each = [_of_one(claim, models, answers) for models in casts]
    asked = [one for one in each if one.verdict != NOT_ASKED]
    if len(asked) < SEVERAL:
        return (asked or each)[0]
    interval = over_networks([one.effect for one in asked])
    models, names = (tuple(dict.fromkeys(x for one in asked for x in of(one))) for of in (_models, _answers))
    return _with_verdict(claim, interval, models, names, "networks")


def _of_one(claim: Claim, models: tuple[str, ...], answers: Sequence[Answer]) -> Decided:
    playing = dict(zip(claim.roles, models, strict=True))
    evidence = []
    for need in claim.needs:
        about = tuple(playing[role] for role in need.roles)
        answer = best(answers, need, about)
        if answer is None:
            return Decided(claim, NOT_ASKED, models, reason=f"needs an answer: {need.words(about)}")
        evidence.append(answer)
    names = tuple(dict.fromkeys(answer.name for answer in evidence))
    return _with_verdict(claim, over_images(claim, evidence), models, names, "images")


def _with_verdict(claim: Claim, found: Interval, models: tuple[str, ...], names: tuple[str, ...], over: str) -> Decided:
    verdict = _verdict(claim, found.low, found.high)
    return Decided(claim, verdict, models, names, found.effect, found.low, found.high, over, found.reason)


def _verdict(claim: Claim, low: float, high: float) -> str:
    """Holds where the whole interval is on the claimed side of the null, fails where it is on the other."""
    if math.isnan(low) or math.isnan(high):
        return UNDECIDED
    if claim.claimed in (">", ">="):
        low, high, null = -high, -low, -claim.null
    else:
        null = claim.null
    # from here on smaller is claimed
    inclusive = claim.claimed in ("<=", ">=")
    if high < null or (inclusive and high == null):
        return HOLDS
    return FAILS if low > null else UNDECIDED


def _without_networks(claim: Claim, tags: list[dict[str, str]]) -> Decided:
    """Which network is missing: by the tags that it would have."""
    missing = [role for role in claim.roles if not any(role.fits(told) for told in tags)]
    if missing:
        return Decided(claim, NOT_ASKED, reason=f"needs a trained model with tags = {{ {missing[0].words} }}")
    words = " and ".join(f"{{ {role.words} }}" for role in claim.roles)
    return Decided(claim, NOT_ASKED, reason=f"needs models that are alike but for these tags: {words}")


def _models(one: Decided) -> tuple[str, ...]:
    return one.models


def _answers(one: Decided) -> tuple[str, ...]:
    return one.answers
