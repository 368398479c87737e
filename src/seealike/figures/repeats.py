"""The networks of an answer in lines: repeats of one network in one, what was taken from a network below it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REPEAT = "seed"
# tags of what was done to a network or withheld from it, and whether large numbers of it stand first
DEPARTURES = {"without_skip": False, "data": True, "finetuned": False}


@dataclass(frozen=True)
class Line:
    """Repeats of one network, which differ in nothing but the tag `seed`.

    `label` is the first one's name; `of` is the line of the network as it was before something was taken from it, None
    where there is none.
    """

    label: str
    models: tuple[str, ...]
    of: int | None = None


def lines(models: Mapping[str, Mapping[str, Any]]) -> list[Line]:
    """The lines from the top, as their models come in the study, each network followed by what departs from it.

    Blocks without skips in their order, then training data from much to little.

    >>> vit = {"family": "transformer"}
    >>> nets = {"cut": vit | {"without_skip": "1"}, "vit": vit | {"seed": "0"}, "again": vit | {"seed": "1"}}
    >>> [(line.label, len(line.models), line.of) for line in lines({name: {"tags": nets[name]} for name in nets})]
    [('vit', 2, None), ('cut', 1, 0)]
    """
    groups: dict[tuple, list[str]] = {}
    for name, facts in models.items():
        groups.setdefault(_kind(name, facts), []).append(name)
    tags = {kind: models[names[0]].get("tags") or {} for kind, names in groups.items()}
    families = list(dict.fromkeys(_family(kind, tags[kind]) for kind in groups))
    ordered = sorted(groups, key=lambda kind: (families.index(_family(kind, tags[kind])), _departure(tags[kind])))
    intact = {_family(kind, tags[kind]): i for i, kind in reversed([*enumerate(ordered)]) if not _departs(tags[kind])}
    return [
        Line(
            groups[kind][0],
            tuple(groups[kind]),
            intact.get(_family(kind, tags[kind])) if _departs(tags[kind]) else None,
        )
        for kind in ordered
    ]


def _kind(name: str, facts: Mapping[str, Any]) -> tuple:
    """Alike for repeats; without the tag `seed` a network is none."""
    tags = facts.get("tags") or {}
    if REPEAT not in tags:
        return (name,)
    return facts.get("parameters"), tuple(sorted((tag, value) for tag, value in tags.items() if tag != REPEAT))


def _family(kind: tuple, tags: Mapping[str, str]) -> tuple:
    """Alike for a network and what departs from it; one without tags is a family of its own."""
    own = tuple(sorted((tag, value) for tag, value in tags.items() if tag not in (REPEAT, *DEPARTURES)))
    return own or kind


def _departs(tags: Mapping[str, str]) -> bool:
    return any(tag in tags for tag in DEPARTURES)


def _departure(tags: Mapping[str, str]) -> tuple:
    """What to sort by: nothing departs, then by the tag, then by its number."""
    found = next((i for i, tag in enumerate(DEPARTURES) if tag in tags), -1)
    if found < 0:
        return (found, 0.0)
    tag, falling = [*DEPARTURES.items()][found]
    number = re.search(r"\d+(\.\d+)?", str(tags[tag]))
    return (found, (-1 if falling else 1) * float(number[0]) if number else 0.0)
