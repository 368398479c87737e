"""What skips carry and branches change (figures 7, E.1, E.2); effects are means of ln ||skip|| / ||branch||."""

import numpy as np
import xarray as xr

from seealike.claims.claim import Claim, Need
from seealike.claims.parts import first_half, mean, mean_where, second_half
from seealike.claims.raghu2021.networks import CNN, TRANSFORMER, WITH_CLS


def cls_token(skips: xr.Dataset) -> np.ndarray:
    """The log ratio of the CLS token, the first token, along the skips; NaN where it has a place in the image."""
    return np.where(_placed(skips)[:, 0], np.nan, _ratio(skips)[:, 0])


def spatial_tokens(skips: xr.Dataset) -> np.ndarray:
    """The mean log ratio of the tokens that have a place in the image, along the skips."""
    return mean_where(_ratio(skips), _placed(skips))


def halves(along: np.ndarray) -> float:
    """The first half of the skips less the second."""
    return mean(first_half(along)) - mean(second_half(along))


def cls_by_mlp(skips: xr.Dataset) -> float:
    """In the second half, the log ratio of the CLS token at attentions less that at MLPs."""
    later, kinds = second_half(cls_token(skips)), second_half(skips["kind"].values)
    return mean(later[kinds == "attention"]) - mean(later[kinds == "mlp"])


def _ratio(skips: xr.Dataset) -> np.ndarray:
    return skips["log_ratio"].transpose("residual", "token").values


def _placed(skips: xr.Dataset) -> np.ndarray:
    return np.isfinite(skips["place_y"].transpose("residual", "token").values)


def _skips(role) -> Need:
    return Need("skip_ratio", (role,))


UNIT = "ln of the norm ratio"

CLAIMS = (
    Claim(
        "raghu2021.cls_carried_first",
        "figs 7, E.1",
        "The CLS token is carried by the skips more in the first half of a transformer than in the second.",
        (_skips(WITH_CLS),),
        lambda skips: halves(cls_token(skips)),
        unit=UNIT,
    ),
    Claim(
        "raghu2021.spatial_changed_first",
        "figs 7, E.1",
        "Spatial tokens are carried by the skips less in the first half of a transformer than in the second.",
        (_skips(WITH_CLS),),
        lambda skips: halves(spatial_tokens(skips)),
        claimed="<",
        unit=UNIT,
    ),
    Claim(
        "raghu2021.cls_changed_by_mlps",
        "fig E.1",
        "In the second half, MLPs change the CLS token more than attentions do.",
        (_skips(WITH_CLS),),
        cls_by_mlp,
        unit=UNIT,
    ),
    Claim(
        "raghu2021.skips_carry_more",
        "fig 7",
        "The skips of a transformer carry more, against their branches, than those of a CNN.",
        (_skips(TRANSFORMER), _skips(CNN)),
        lambda transformer, cnn: mean(spatial_tokens(transformer)) - mean(spatial_tokens(cnn)),
        unit=UNIT,
    ),
)
