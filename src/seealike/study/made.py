"""What of a paper's study can be asked here: networks of the zoo that were not trained here are left out."""

from collections.abc import Collection, Mapping
from typing import Any

from seealike.zoo import names

ZOO = "zoo:"
Table = Mapping[str, Any]


def as_far_as_made(table: Table) -> tuple[dict[str, Any], list[str]]:
    """A study's table without networks of the zoo that are not here, and the names of these in the zoo.

    They go out of the lists in which asks name them; an ask goes where it has nothing left to be asked of.

    >>> table = {"models": {"vit": {"source": "zoo:vit"}, "big": {"source": "zoo:vit-big"}}}
    >>> table["ask"] = {"far": {"model": ["vit", "big"]}, "across": {"a": "vit:@block", "b": "big:@block"}}
    >>> found, lacking = as_far_as_made(table)
    >>> found["ask"], lacking
    ({'far': {'model': ['vit']}}, ['vit-big'])
    """
    here = {f"{ZOO}{name}" for name in names()}
    sources = {name: model["source"] for name, model in table["models"].items()}
    lacking = {name: s.removeprefix(ZOO) for name, s in sources.items() if s.startswith(ZOO) and s not in here}
    asks = {name: _without(entry, lacking) for name, entry in table["ask"].items()}
    models = {name: model for name, model in table["models"].items() if name not in lacking}
    left = {name: entry for name, entry in asks.items() if entry is not None}
    return {**table, "models": models, "ask": left}, list(lacking.values())


def _without(entry: Table, models: Collection[str]) -> dict[str, Any] | None:
    """An ask without some models; None where a key names nothing else."""
    left: dict[str, Any] = {}
    for key, value in entry.items():
        listed = value if isinstance(value, list) else [value]
        kept = [one for one in listed if not (isinstance(one, str) and one.partition(":")[0] in models)]
        if not kept:
            return None
        left[key] = kept if isinstance(value, list) else value
    return left
