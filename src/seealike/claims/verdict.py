"""What the answers of a folder decide: claim by claim, network by network."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from seealike.claims.claim import Claim, Need
from seealike.claims.crossing import Cast, design
from seealike.claims.evidence import Answer, best
from seealike.claims.interval import Interval, of_whole, over_images, over_networks
from seealike.claims.networks import Group, cast, descends, together, trained

NOT_ASKED, UNDECIDED, HOLDS, FAILS = "not asked", "undecided", "holds", "fails"


@dataclass(frozen=True)
class Decided:
    """A claim with its verdict: which networks and answers it rests on, the effect, its 95 % interval.

    The interval is over images for single networks, and the verdict is then about them alone; it is over networks
    where each role had two or more. `reason` says why a claim is undecided, or what would have to be asked.
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


@dataclass(frozen=True, eq=False)
class Case:
    """The networks of each role and the answers about them, or `reason`: why the claim cannot be read of them."""

    models: Cast
    answers: tuple[Answer, ...] = ()
    reason: str = ""


Find = Callable[[Need, Cast], Answer | None]


def decided(claims: Iterable[Claim], answers: Sequence[Answer]) -> list[Decided]:
    """Every claim, once for each way to fill its roles that was asked about."""
    networks, find = trained(answers), cache(lambda need, about: best(answers, need, about))
    found = []
    for claim in claims:
        several = [one for chosen in cast(claim.roles, networks) for one in _judged(claim, chosen, find)]
        asked = [one for one in several if one.verdict != NOT_ASKED]
        found += asked or several[:1] or [_without_networks(claim, [n.told for n in networks])]
    return found


def _judged(claim: Claim, chosen: tuple[Group, ...], find: Find) -> list[Decided]:
    """One way to fill the roles: once over networks if each has repeats, else network by network over images."""
    cases = [_case(claim, tuple(n.name for n in networks), find) for networks in together(claim.roles, chosen)]
    asked = {case.models: case for case in cases if not case.reason}
    if not asked:
        return [Decided(claim, NOT_ASKED, case.models, reason=case.reason) for case in cases[:1]]
    crossed = design(list(asked))
    if crossed is None:
        return [_with_verdict(claim, over_images(claim, case.answers), [case], "images") for case in asked.values()]
    used = [asked[models] for models in crossed.casts]
    wholes = [of_whole(claim, case.answers) for case in used]
    unread = next((one for one in wholes if one.reason), None)
    return [_with_verdict(claim, unread or over_networks(crossed, [one.effect for one in wholes]), used, "networks")]


def _case(claim: Claim, models: Cast, find: Find) -> Case:
    playing = dict(zip(claim.roles, models, strict=True))
    evidence = []
    for need in claim.needs:
        about = tuple(playing[role] for role in need.roles)
        answer = find(need, about)
        if answer is None:
            return Case(models, reason=f"needs an answer: {need.words(about)}")
        evidence.append(answer)
    return Case(models, tuple(evidence), claim.beside(*(answer.whole for answer in evidence)))


def _with_verdict(claim: Claim, found: Interval, cases: Sequence[Case], over: str) -> Decided:
    models = tuple(
        dict.fromkeys(name for names in zip(*(case.models for case in cases), strict=True) for name in names)
    )
    answers = tuple(dict.fromkeys(answer.name for case in cases for answer in case.answers))
    verdict = _verdict(claim, found.low, found.high)
    return Decided(claim, verdict, models, answers, found.effect, found.low, found.high, over, found.reason)


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
    seed = ", and of one seed" if descends(claim.roles) else ""
    return Decided(claim, NOT_ASKED, reason=f"needs models that are alike but for these tags: {words}{seed}")
