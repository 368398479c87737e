"""How clear a picture a layer gives back, along an untrained network (claims C1, C2 and C7 of the research page)."""

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from seealike.claims.badger2022.networks import FAMILIES, inverted, trained, untrained
from seealike.claims.claim import Claim
from seealike.claims.parts import lower_third, mean, upper_third

UNIT = "distance of pictures"


def with_depth(inversion: xr.Dataset) -> float:
    """Rank correlation of depth and the distance of reconstructions from the image."""
    distance = inversion["mean_m_i"].values
    if len(distance) < 3 or not np.isfinite(distance).all() or np.ptp(distance) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(inversion["depth"].values), rankdata(distance))[0, 1])


def fall(inversion: xr.Dataset) -> float:
    """How much farther the reconstructions of the last third are from the image than those of the first."""
    distance = inversion["mean_m_i"].values
    return mean(upper_third(distance)) - mean(lower_third(distance))


def others(inversion: xr.Dataset) -> float:
    """How far the pictures lie that searches from the last third find which come as near as a little noise."""
    return mean(upper_third(inversion["log_rho_in"].values))


def left(inversion: xr.Dataset) -> float:
    """In the last third, what share of its first distance the picture keeps, less what share the layer keeps."""
    picture, layer = (
        (v[:, -1] / v[:, 0])
        for v in (inversion[n].transpose("layer", "point").values for n in ("trace_m_i", "trace_error"))
    )
    return mean(upper_third(picture)) - mean(upper_third(layer))


def entry(inversion: xr.Dataset) -> float:
    """The distance of reconstructions from the first layer."""
    return float(inversion["mean_m_i"].values[0])


CLAIMS = (
    *(
        Claim(
            f"badger2022.deeper_is_poorer.{key}",
            "abstract, C1",
            f"Before training, the deeper a layer of a {family}, the farther its reconstructions are from the image.",
            (inverted(untrained(family)),),
            with_depth,
            unit="Spearman's rank correlation",
            jumps=True,
        )
        for key, family in FAMILIES.items()
    ),
    *(
        Claim(
            f"badger2022.non_unique.{state}.{key}",
            "abstract, C2",
            f"In the last third of {words} {family}, pictures as near as a little noise are other pictures.",
            (inverted(networks(family)),),
            others,
            null=round(float(np.log(2)), 4),
            unit="ln of the distance, relative to noise",
        )
        for state, words, networks in (("untrained", "an untrained", untrained), ("trained", "a trained", trained))
        for key, family in FAMILIES.items()
    ),
    *(
        Claim(
            f"badger2022.near_there_far_here.{key}",
            "C2; E4 and E5",
            f"In the last third of an untrained {family}, the layer's distance falls farther than the picture's does.",
            (inverted(untrained(family)),),
            left,
            unit="share of the first distance",
        )
        for key, family in FAMILIES.items()
    ),
    Claim(
        "badger2022.transformers_stay_clear",
        "C7; V1",
        "Before training, clarity falls with depth more in a CNN than in a transformer.",
        (inverted(untrained("CNN")), inverted(untrained("transformer"))),
        lambda cnn, transformer: fall(cnn) - fall(transformer),
        unit=UNIT,
    ),
    Claim(
        "badger2022.transformers_enter_poorly",
        "C7; V3",
        "Before training, a transformer's patches give a poorer picture than the first convolution of a CNN.",
        (inverted(untrained("transformer")), inverted(untrained("CNN"))),
        lambda transformer, cnn: entry(transformer) - entry(cnn),
        unit=UNIT,
    ),
)
