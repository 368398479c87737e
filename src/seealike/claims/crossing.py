"""Which repeats stood together in a claim: each with each, or always the same two."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

Cast = tuple[str, ...]  # the network of each role

FEWEST = 2  # networks in every role, from which on the interval is over networks


@dataclass(frozen=True)
class Design:
    """Casts that have come about by crossing: of every factor each network with each of the others.

    A factor is one role, or several whose networks come only together.
    """

    casts: tuple[Cast, ...]
    factors: tuple[tuple[int, ...], ...]  # roles, by their number

    def levels(self, factor: tuple[int, ...]) -> list[Cast]:
        """Of every cast, the networks of a factor."""
        return [tuple(cast[role] for role in factor) for cast in self.casts]


def design(casts: Sequence[Cast]) -> Design | None:
    """How the casts came about; None: of some role there is but one network.

    Where not each was asked with each, only casts that share no network are left: these are repeats of the whole.

    >>> design([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]).factors
    ((0,), (1,))
    >>> design([("a", "x"), ("b", "y")]).factors
    ((0, 1),)
    >>> design([("a", "x"), ("b", "x")])
    """
    found = Design(tuple(casts), _factors(casts))
    counts = [len(set(found.levels(factor))) for factor in found.factors]
    if prod(counts) > len(casts):
        found = Design(_apart(casts), (tuple(range(len(casts[0]))),))
        counts = [len(found.casts)]
    return found if min(counts) >= FEWEST else None


def _factors(casts: Sequence[Cast]) -> tuple[tuple[int, ...], ...]:
    """Roles whose networks are paired one to one are one factor."""
    found: list[list[int]] = []
    for role in range(len(casts[0])):
        tied = next((factor for factor in found if _paired(casts, factor[0], role)), None)
        if tied is None:
            found.append([role])
        else:
            tied.append(role)
    return tuple(map(tuple, found))


def _paired(casts: Sequence[Cast], a: int, b: int) -> bool:
    pairs = {(cast[a], cast[b]) for cast in casts}
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def _apart(casts: Sequence[Cast]) -> tuple[Cast, ...]:
    """The first casts that have no network in common."""
    kept: list[Cast] = []
    for cast in casts:
        if not any(set(cast) & set(other) for other in kept):
            kept.append(cast)
    return tuple(kept)
