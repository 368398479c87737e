"""What a claim is: a sentence of a paper, the answers it rests on, and the number that decides it."""

from collections.abc import Callable
from dataclasses import dataclass
from types import EllipsisType
from typing import Literal

import xarray as xr

# what was done to a network, or withheld from it: one with such a tag stands only for roles that name the tag
DEPARTURES = ("data", "finetuned", "without_skip", "trained_on", "control")

Wanted = str | EllipsisType | None


@dataclass(frozen=True)
class Role:
    """The networks that a claim is about: trained ones whose tags say so.

    `...`: the tag, whatever its value; None: no such tag.
    """

    tags: tuple[tuple[str, Wanted], ...]

    def fits(self, tags: dict[str, str]) -> bool:
        named = dict(self.tags)
        departs = any(tag in tags and tag not in named for tag in DEPARTURES)
        return not departs and all(_meets(tags.get(tag), want) for tag, want in self.tags)

    @property
    def words(self) -> str:
        """As a study writes it: `family = "transformer", read_out = "gap"`."""
        written = ((tag, "..." if want is ... else want) for tag, want in self.tags if want is not None)
        return ", ".join(f'{tag} = "{want}"' for tag, want in written)


def _meets(value: str | None, want: Wanted) -> bool:
    return value is not None if want is ... else value == want


def role(**tags: Wanted) -> Role:
    """The networks with these tags.

    >>> role(family="CNN").fits({"family": "CNN", "depth": "50"}), role(family="CNN").words
    (True, 'family = "CNN"')
    """
    return Role(tuple(tags.items()))


@dataclass(frozen=True)
class Need:
    """An answer that a claim rests on: a measure of the networks of one role, or of one role against another.

    `layers` is the pattern that selected the layers on every side; "": none, so that all are there; "*": any. `view` is
    the view asked for, `distance` that between layers; "": any. `images`: "noise", or "" for all others.
    """

    measure: str
    roles: tuple[Role, ...]
    layers: str = ""
    view: str = ""
    distance: str = ""
    images: str = ""

    def words(self, models: tuple[str, ...]) -> str:
        """What a study would write under `[ask.NAME]`."""
        told = [f'measure = "{self.measure}"', *KEYS.get(self.measure, _of_one)(self, models)]
        told += [f'distance = "{self.distance}"'] if self.distance else []
        told += [f"images: of {self.images}:"] if self.images else []
        return ", ".join([*told, f'view = "{self.view}"'] if self.view and self.view != "flatten" else told)


def _of_one(need: Need, models: tuple[str, ...]) -> list[str]:
    return [f'model = "{models[0]}"', *([f'layers = "{need.layers}"'] if need.layers not in ("", "*") else [])]


def _of_pairs(need: Need, models: tuple[str, ...]) -> list[str]:
    sides = [f'"{model}:{"**" if need.layers == "*" else need.layers}"' for model in models]
    return [f"layers = {sides[0]}"] if len(sides) == 1 else [f"a = {sides[0]}", f"b = {sides[1]}"]


def _of_heads(need: Need, models: tuple[str, ...]) -> list[str]:
    return [f'model = "{models[0]}"', f'b = "{models[-1]}:@block"']


def _of_drift(need: Need, models: tuple[str, ...]) -> list[str]:
    return [f'models = "{models[0]}"', f'reference = "{models[-1]}"']


def _of_several(need: Need, models: tuple[str, ...]) -> list[str]:
    named = [f'"{model}"' for model in models]
    return [f"models = {named[0]}" if len(named) == 1 else f"models = [{', '.join(named)}]"]


KEYS = {
    "cka": _of_pairs,
    "head_cka": _of_heads,
    "drift": _of_drift,
    "accuracy": _of_several,
    "trajectory": _of_several,
}


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper in our words, and the effect that decides it: a number read from the answers to `needs`.

    It holds where the effect is `claimed` (">", "<", ">=", "<=") than `null`. Written before it was first run.
    `jumps` marks an effect that stays put while what it rests on moves, and then leaps: a median, a rank. `beside` says
    of answers, where they are about networks that the sentence does not mean, why; else "".
    """

    key: str  # "raghu2021.uniform"
    figure: str
    sentence: str
    needs: tuple[Need, ...]
    effect: Callable[..., float]  # of the answers in the order of `needs`, each of the networks of its roles alone
    claimed: Literal[">", "<", ">=", "<="] = ">"
    null: float = 0.0
    unit: str = ""
    jumps: bool = False
    beside: Callable[..., str] = lambda *answers: ""

    @property
    def paper(self) -> str:
        return self.key.partition(".")[0]

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple(dict.fromkeys(role for need in self.needs for role in need.roles))

    def read(self, *answers: xr.Dataset) -> float:
        """The effect; NaN where a value it rests on is undefined."""
        return float(self.effect(*answers))
