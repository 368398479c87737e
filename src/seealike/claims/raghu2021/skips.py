"""What skips carry and branches change (figures 7, E.1, E.2); effects are means of ln ||skip|| / ||branch||."""

import numpy as np
import xarray as xr

from seealike.claims.claim import Claim, Need
from seealike.claims.parts import first_half, mean, second_half
from seealike.claims.raghu2021.networks import CNN, TRANSFORMER, WITH_CLS


def cls_token(skips: xr.Dataset) -> xr.DataArray:
    """The log ratio of the CLS token, the first token, along the skips; NaN where it has a place in the image."""
    first = skips["log_ratio"].isel(token=0)
    return first.where(np.isnan(skips["place_y"].isel(token=0)))


def spatial_tokens(skips: xr.Dataset) -> xr.DataArray:
    """The mean log ratio of the tokens that have a place in the image, along the skips."""
    return skips["log_ratio"].where(np.isfinite(skips["place_y"])).mean("token", skipna=True)


def halves(along: xr.DataArray) -> float:
    """The first half of the skips less the second."""
    return mean(first_half(along, "residual")) - mean(second_half(along, "residual"))


def cls_by_mlp(skips: xr.Dataset) -> float:
    """In the second half, the log ratio of the CLS token at attentions less that at MLPs."""
    later = second_half(cls_token(skips), "residual")
    kinds = second_half(skips["kind"], "residual").values
    return mean(later.values[kinds == "attention"]) - mean(later.values[kinds == "mlp"])


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
