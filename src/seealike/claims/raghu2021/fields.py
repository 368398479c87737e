"""What part of the image a place of a layer sees, and shows (figures 6, 9, 10, C.1 to C.4, D.1 to D.3)."""

import xarray as xr

from seealike.claims.claim import Claim, Need
from seealike.claims.parts import lower_third, mean
from seealike.claims.raghu2021.networks import CNN, TRANSFORMER, WITH_CLS, WITH_GAP

MASS = 0.95


def field(fields: xr.Dataset) -> float:
    """Share of the image that holds 95 % of the receptive field, mean over the lower third of the layers."""
    return mean(lower_third(fields["area"].sel(mass=MASS, method="nearest").values))


def kept_by_skip(after: xr.Dataset, before: xr.Dataset, skips: xr.Dataset, kind: str) -> float:
    """Share of a field within the centre's own patch: after the residual addition less before it, of one kind.

    The i-th branch is that of the i-th addition, and `skip_ratio` knows of what kind an addition is.
    """
    kinds = skips["kind"].values
    own = [fields["own_patch"].values for fields in (after, before)]
    if any(len(values) != len(kinds) for values in own):
        return float("nan")
    return mean((own[0] - own[1])[kinds == kind])


def attention_kept_more(after: xr.Dataset, before: xr.Dataset, skips: xr.Dataset) -> float:
    """How much more the skips of attention centre the field than those of the MLPs, whichever way these do."""
    by_kind = [kept_by_skip(after, before, skips, kind) for kind in ("attention", "mlp")]
    return by_kind[0] - abs(by_kind[1])


def localised(localization: xr.Dataset) -> float:
    """Share of interior tokens of the last block whose most alike patch of the image is their own."""
    values = localization["own_patch_interior"].values
    return float(values[-1]) if values.size else float("nan")


def _fields(role, layers: str) -> Need:
    return Need("receptive_field", (role,), layers)


def _places(role) -> Need:
    return Need("localization", (role,), "@block")


AROUND_SKIPS = (
    _fields(TRANSFORMER, "@residual"),
    _fields(TRANSFORMER, "@branch"),
    Need("skip_ratio", (TRANSFORMER,)),
)

CLAIMS = (
    Claim(
        "raghu2021.larger_fields",
        "figs 6, C.1 to C.3",
        "In the lower third, a transformer's receptive fields are a larger share of the image than a CNN's.",
        (_fields(TRANSFORMER, "@residual"), _fields(CNN, "@residual")),
        lambda transformer, cnn: field(transformer) - field(cnn),
        unit="share of the image",
    ),
    Claim(
        "raghu2021.centred_by_skips",
        "figs C.1, C.4",
        "After the skip is added, more of an attention's receptive field is in its own patch than before.",
        AROUND_SKIPS,
        lambda after, before, skips: kept_by_skip(after, before, skips, "attention"),
        unit="share of the field",
    ),
    Claim(
        "raghu2021.mlp_centred_anyway",
        "figs C.1, C.4",
        "A skip changes how much of an MLP's field is in its own patch less than it raises that of an attention's.",
        AROUND_SKIPS,
        attention_kept_more,
        unit="share of the field",
    ),
    Claim(
        "raghu2021.localised_more_than_gap",
        "figs 9, 10",
        "In the last block, tokens find their own patch more often with a CLS token than with average pooling.",
        (_places(WITH_CLS), _places(WITH_GAP)),
        lambda cls, gap: localised(cls) - localised(gap),
        unit="share of interior tokens",
    ),
    Claim(
        "raghu2021.localised_more_than_cnn",
        "figs 9, D.1 to D.3",
        "In the last block, tokens of a transformer with a CLS token find their own patch more often than a CNN's.",
        (_places(WITH_CLS), _places(CNN)),
        lambda cls, cnn: localised(cls) - localised(cnn),
        unit="share of interior tokens",
    ),
)
