"""What single tokens and pooled ones know of the class (figures 11, 13, D.4, F.1 to F.3): accuracies, 0 to 1.

The paper says "nearly" and "similar"; here that is within 5 points of a hundred.
"""

import numpy as np
import xarray as xr

from seealike.claims.claim import Claim, Need
from seealike.claims.parts import first_half, lower_third, mean, mean_where, middle_third
from seealike.claims.raghu2021.networks import CNN, LARGE, LARGE_WITH_LESS_DATA, WITH_CLS, WITH_GAP

NEAR = 0.05
END = 0.8  # a layer at least as deep as that is taken for the last block, where not all blocks were asked about


def tested(probe: xr.Dataset) -> np.ndarray:
    """Accuracy on the test images, layer x token."""
    return probe["accuracy"].sel(split="test").transpose("layer", "token").values


def pooled(probe: xr.Dataset) -> np.ndarray:
    """Accuracy along the layers of a view that is one vector."""
    return tested(probe)[:, 0]


def singly(probe: xr.Dataset) -> np.ndarray:
    """Mean accuracy along the layers of tokens that have a place in the image, each by itself."""
    return mean_where(tested(probe), np.isfinite(probe["place_y"].transpose("layer", "token").values))


def at_end(probe: xr.Dataset, along: np.ndarray) -> float:
    """At the last layer; NaN if that is not near the end of the network."""
    return float(along[-1]) if len(along) and probe["depth"].values[-1] >= END else float("nan")


def plateau(cls: xr.Dataset, pool: xr.Dataset) -> float:
    """How much farther the CLS token is ahead of the pooled tokens at the last block than in the first half."""
    ahead = pooled(cls) - pooled(pool)
    return at_end(cls, ahead) - mean(first_half(ahead))


def first_token_catches_up(pool: xr.Dataset, single: xr.Dataset) -> float:
    """How much farther the first token is behind the pooled ones in the lower third than at the last block."""
    behind = pooled(pool) - tested(single)[:, 0]
    return mean(lower_third(behind)) - at_end(pool, behind)


def single_token(probe: xr.Dataset) -> float:
    """The mean accuracy of single tokens in the last block."""
    return at_end(probe, singly(probe))


def vector(probe: xr.Dataset) -> float:
    """The accuracy of one vector in the last block."""
    return at_end(probe, pooled(probe))


def middle(probe: xr.Dataset) -> float:
    """Mean accuracy in the middle third."""
    return mean(middle_third(pooled(probe)))


def _probe(role, view: str) -> Need:
    return Need("probe", (role,), "@block", view)


UNIT = "accuracy"

CLAIMS = (
    Claim(
        "raghu2021.single_tokens_behind_cnn",
        "figs 11, D.4",
        "In the last block, single spatial tokens of a CLS transformer tell the class worse than single places of a "
        "CNN.",
        (_probe(WITH_CLS, "tokens"), Need("probe", (CNN,), "*", "tokens")),
        lambda cls, cnn: single_token(cls) - single_token(cnn),
        claimed="<",
        unit=UNIT,
    ),
    Claim(
        "raghu2021.single_tokens_behind_gap",
        "figs 11, D.4",
        "In the last block, single spatial tokens tell the class worse with a CLS token than with average pooling.",
        (_probe(WITH_CLS, "tokens"), _probe(WITH_GAP, "tokens")),
        lambda cls, gap: single_token(cls) - single_token(gap),
        claimed="<",
        unit=UNIT,
    ),
    Claim(
        "raghu2021.one_gap_token_enough",
        "fig 11",
        "In the last block of a transformer with average pooling, all tokens pooled are less than 5 points better than "
        "one.",
        (_probe(WITH_GAP, "mean"), _probe(WITH_GAP, "tokens")),
        lambda pool, single: vector(pool) - single_token(single),
        claimed="<",
        null=NEAR,
        unit=UNIT,
    ),
    Claim(
        "raghu2021.read_outs_alike",
        "fig 11",
        "In the last block, the CLS token of one transformer and the pooled tokens of the other differ by less than 5 "
        "points.",
        (_probe(WITH_CLS, "cls"), _probe(WITH_GAP, "mean")),
        lambda cls, gap: abs(vector(cls) - vector(gap)),
        claimed="<",
        null=NEAR,
        unit=UNIT,
    ),
    Claim(
        "raghu2021.pooled_plateau",
        "fig 11",
        "The CLS token is farther ahead of the pooled tokens in the last block than in the first half.",
        (_probe(WITH_CLS, "cls"), _probe(WITH_CLS, "mean")),
        plateau,
        unit=UNIT,
    ),
    Claim(
        "raghu2021.first_token_of_gap",
        "fig 11",
        "The first token of a transformer with average pooling is farther behind the pooled ones in the lower third "
        "than in the last block.",
        (_probe(WITH_GAP, "mean"), _probe(WITH_GAP, "tokens")),
        first_token_catches_up,
        unit=UNIT,
    ),
    Claim(
        "raghu2021.better_middle",
        "figs 13, F.2",
        "The middle third of a large transformer tells the class better than that of a CNN.",
        (_probe(LARGE, "mean"), _probe(CNN, "mean")),
        lambda transformer, cnn: middle(transformer) - middle(cnn),
        unit=UNIT,
    ),
    Claim(
        "raghu2021.data_betters_middle",
        "figs 13, F.1",
        "The middle third of a large transformer tells the class better than with less training data.",
        (_probe(LARGE, "mean"), _probe(LARGE_WITH_LESS_DATA, "mean")),
        lambda much, less: middle(much) - middle(less),
        unit=UNIT,
    ),
)
