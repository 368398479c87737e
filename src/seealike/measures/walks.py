"""The layers of several models as paths: which they are, and how deep each lies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from seealike.errors import StudyError
from seealike.kernel import Selected, Sources
from seealike.maths import paths
from seealike.measures.pairs import Pattern
from seealike.models.names import INPUT
from seealike.views.pooling import Pool


@dataclass(frozen=True)
class Walk:
    """The layers of one model in the order in which they run; which share of its operations is done at each."""

    model: str
    layers: tuple[Selected, ...]
    work: tuple[float, ...]

    @property
    def depth(self) -> np.ndarray:
        """Of each layer: 0 the first, 1 the last, equally far apart."""
        return np.linspace(0, 1, len(self.layers))

    @property
    def names(self) -> list[str]:
        return [str(layer) for layer in self.layers]


def walks(sources: Sources, models: Pattern, patterns: Pattern, pool: Pool) -> tuple[Walk, ...]:
    """The path of each model that names or globs select, through the layers of the patterns that are its own or all's.

    A pattern with a model's name, or a glob of names, before a colon is of these models alone.
    """
    patterns = (patterns,) if isinstance(patterns, str) else patterns
    try:
        named = sources.models(models)
    except StudyError as error:
        raise StudyError(f"models = {error}") from None
    for pattern in patterns:
        if not any(_of(pattern, model) for model in named):
            meant = pattern.partition(":")[0]
            raise StudyError(f'layers = "{pattern}": {meant} is not among the models asked for, {", ".join(named)}.')
    return tuple(_walk(sources, model, patterns, pool) for model in named)


def _walk(sources: Sources, model: str, patterns: tuple[str, ...], pool: Pool) -> Walk:
    own = [f"{model}:{pattern.rpartition(':')[2]}" for pattern in patterns if _of(pattern, model)]
    found = dict.fromkeys(layer for pattern in own for layer in sources.select(pattern, pool.refuses))
    layers = tuple(sorted(found, key=lambda layer: layer.depth))
    if len(layers) < 2:
        there = f"only {layers[0]}" if layers else "none"
        raise StudyError(
            f"layers = {', '.join(patterns)}: of {model} {there} is selected, and a path leads from layer to layer. "
            f'Add others, for example "{model}:@block".'
        )
    return Walk(model, layers, tuple(sources.work(layer.source, layer.tensor) for layer in layers))


def _of(pattern: str, model: str) -> bool:
    """Is this a pattern of that model's layers?"""
    name, colon, _ = pattern.partition(":")
    return not colon or fnmatchcase(model, name)


def refuse_short_lags(lags: Sequence[float], walks: Sequence[Walk]) -> None:
    """Between two layers nothing is known: a lag is at least a step of the model with the fewest."""
    coarse = max(walks, key=lambda walk: paths.coarsest(walk.depth))
    least = paths.coarsest(coarse.depth)
    if min(lags) < least - paths.SAME:
        works = math.ceil(least * 1e4 - 1e-6) / 1e4
        raise StudyError(
            f"lags = {list(lags)}: {coarse.model} has {len(coarse.layers)} layers here, so that a step is {works:g} of "
            f"its depth, and nothing is known between. The smallest lag that works is {works:g}, or select more layers."
        )


def input_of(sources: Sources, model: str, pool: Pool) -> Selected | None:
    """What the network was given, seen as its layers are; None where that cannot be."""
    try:
        (found,) = sources.select(f"{model}:{INPUT}", pool.refuses)
    except StudyError:
        return None
    return found
