"""Claim A: layers at similar positions in different models are the most similar, but strong differences remain."""

import numpy as np
import xarray as xr

from seealike.claims.claim import Claim
from seealike.claims.mahaut2026.networks import (
    ANOTHER_CROP,
    ANOTHER_SEED,
    CNN,
    TRANSFORMER,
    UNTRAINED,
    UNTRAINED_CNN,
)
from seealike.claims.mahaut2026.ways import MAIN, WAYS, Way
from seealike.claims.parts import mean

APART = 1 / 3  # how far two depths lie apart that have nothing to do with each other
SHUFFLES, RARE = 500, 0.05


def from_own_depth(pair: xr.Dataset) -> float:
    """How far from its own depth a layer's best match in the other network lies, on average; both ways."""
    found, a, b = _matrix(pair)
    return mean(np.concatenate([abs(a - b[found.argmin(1)]), abs(b - a[found.argmin(0)])]))


def beyond_shuffles(pair: xr.Dataset) -> float:
    """How much nearer to their own depth best matches lie than in the nearest twentieth of shuffles of the layers."""
    found, a, b = _matrix(pair)
    rng = np.random.default_rng(0)
    shuffled = np.stack([b, *(rng.permutation(b) for _ in range(SHUFFLES))])
    ahead = np.hstack([abs(a - shuffled[:, found.argmin(1)]), abs(shuffled - a[found.argmin(0)])]).mean(1)
    return float(ahead[0] - np.quantile(ahead, RARE))


def to_best(pair: xr.Dataset) -> float:
    """The distance of a layer to its best match in the other network, on average; both ways."""
    found, _, _ = _matrix(pair)
    return mean(np.concatenate([found.min(1), found.min(0)]))


def _matrix(pair: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances without layers that are the same for all images, and the depths on both sides."""
    values = pair["distance"].transpose("layer_a", "layer_b").values
    known = np.isfinite(values)
    rows, columns = known.any(1), known.any(0)
    kept = values[rows][:, columns]
    if not kept.size or not np.isfinite(kept).all():
        kept = np.full((1, 1), np.nan)
        return kept, kept[0], kept[0]
    return kept, pair["depth_a"].values[rows], pair["depth_b"].values[columns]


def _same_depth(way: Way) -> Claim:
    return Claim(
        f"mahaut2026.same_depth.{way}",
        "abstract, A",
        f"A layer's best match in the other network, transformer or CNN, lies nearer to its own depth than a third of "
        f"the way, {way.words}.",
        (way.of(TRANSFORMER, CNN),),
        from_own_depth,
        claimed="<",
        null=APART,
        unit="depth, 0 to 1",
        jumps=True,
    )


def _remain(way: Way) -> Claim:
    return Claim(
        f"mahaut2026.differences_remain.{way}",
        "abstract, A",
        "Even the best matches of a transformer and a CNN are farther apart than those of the transformer and itself "
        f"seeing another crop of the images, {way.words}.",
        (way.of(TRANSFORMER, CNN), way.of(TRANSFORMER, ANOTHER_CROP)),
        lambda others, itself: to_best(others) - to_best(itself),
    )


CLAIMS = (
    *map(_same_depth, WAYS),
    Claim(
        "mahaut2026.same_depth_by_shuffling",
        "abstract, A",
        f"Fewer than one in twenty shuffles of a network's layers bring best matches as near to their own depth, "
        f"{MAIN.words}.",
        (MAIN.of(TRANSFORMER, CNN),),
        beyond_shuffles,
        claimed="<",
        unit="depth, 0 to 1",
        jumps=True,
    ),
    Claim(
        "mahaut2026.same_depth_learnt",
        "ours, a control of A",
        f"Best matches lie nearer to their own depth in trained networks than in untrained ones, {MAIN.words}.",
        (MAIN.of(TRANSFORMER, CNN), MAIN.of(UNTRAINED, UNTRAINED_CNN)),
        lambda trained, untrained: from_own_depth(trained) - from_own_depth(untrained),
        claimed="<",
        unit="depth, 0 to 1",
        jumps=True,
    ),
    *map(_remain, WAYS),
    Claim(
        "mahaut2026.differences_remain_beyond_seeds",
        "abstract, A",
        "Even the best matches of a transformer and a CNN are farther apart than those of two transformers that differ "
        f"in their seed alone, {MAIN.words}.",
        (MAIN.of(TRANSFORMER, CNN), MAIN.of(TRANSFORMER, ANOTHER_SEED)),
        lambda others, seeds: to_best(others) - to_best(seeds),
    ),
)
