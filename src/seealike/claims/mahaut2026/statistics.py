"""Claim B: classifiers, unlike other models, lose low-level image statistics in their final layers."""

import numpy as np
import xarray as xr

from seealike.claims.claim import Claim, Need, Role
from seealike.claims.mahaut2026.networks import (
    CNN,
    CNN_MADE_CLASSIFIER,
    MADE_CLASSIFIER,
    OTHER_CNN,
    OTHER_TRANSFORMER,
    TRANSFORMER,
)
from seealike.claims.parts import mean, middle_third

KNOWN = {
    "r2_ridge": "what a linear readout finds",
    "r2_knn": "what nearest neighbours find",
    "imbalance": "information imbalance",
}


def kept(statistics: xr.Dataset, variable: str) -> float:
    """What the last layer tells of the statistics less what the best layer of the middle third does; their mean."""
    values = statistics[variable].transpose("layer", "statistic").values
    told = 1 - values if variable == "imbalance" else values
    told = told[:, np.isfinite(told).any(0)]
    return mean(told[-1] - middle_third(told).max(0)) if middle_third(told).size else float("nan")


def _needs(*roles: Role) -> tuple[Need, ...]:
    return tuple(Need("image_statistics", (role,), "*", "mean") for role in roles)


def _lost(variable: str, key: str, who: str, classifier: Role, other: Role) -> Claim:
    return Claim(
        f"mahaut2026.{key}.{variable}",
        "abstract, B",
        f"{who} loses more of low-level image statistics from its middle to its last layer, by {KNOWN[variable]}.",
        _needs(classifier, other),
        lambda one, rest: kept(one, variable) - kept(rest, variable),
        claimed="<",
        unit="1 - imbalance" if variable == "imbalance" else "R^2",
    )


PAIRS = (
    (
        "classifiers_lose",
        "A transformer trained as a classifier, against a self-supervised one,",
        TRANSFORMER,
        OTHER_TRANSFORMER,
    ),
    ("classifier_cnns_lose", "A CNN trained as a classifier, against a self-supervised one,", CNN, OTHER_CNN),
    (
        "made_classifier_loses",
        "A transformer, once it is fine-tuned as a classifier,",
        MADE_CLASSIFIER,
        OTHER_TRANSFORMER,
    ),
    ("cnn_made_classifier_loses", "A CNN, once it is fine-tuned as a classifier,", CNN_MADE_CLASSIFIER, OTHER_CNN),
)

CLAIMS = tuple(_lost(variable, *pair) for pair in PAIRS for variable in KNOWN)
