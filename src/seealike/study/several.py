"""One question asked of several models, each by itself: `model = "vit*"`, or a list of names."""

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any

from seealike.errors import StudyError, closest


def of_each(name: str, entry: Mapping[str, Any], models: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """The questions that one `[ask.NAME]` table means: NAME@MODEL for each model of a list or a glob.

    >>> of_each("far", {"model": "vit*"}, ["vit", "vit-s1", "resnet"])
    {'far@vit': {'model': 'vit'}, 'far@vit-s1': {'model': 'vit-s1'}}
    """
    written = entry.get("model")
    patterns = [written] if isinstance(written, str) else written
    if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
        return {name: entry}
    if isinstance(written, str) and "*" not in written:
        return {name: entry}
    meant = [model for model in models if any(fnmatchcase(model, pattern) for pattern in patterns)]
    for pattern in patterns:
        if not any(fnmatchcase(model, pattern) for model in models):
            raise StudyError(f'ask.{name}.model = "{pattern}": there is no such model. {closest(pattern, models)}')
    return {f"{name}@{model}": {**entry, "model": model} for model in meant}
