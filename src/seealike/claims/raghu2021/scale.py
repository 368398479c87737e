"""What less data and fine-tuning change, layer by layer (figures 12, G.1, G.2): `drift` is CKA with the reference."""

import xarray as xr

from seealike.claims.claim import Claim, Need, Role
from seealike.claims.parts import first_half, mean, second_half
from seealike.claims.raghu2021.networks import (
    BASE,
    BASE_WITH_LESS_DATA,
    FINE_TUNED_FAR,
    FINE_TUNED_NEAR,
    LARGE,
    LARGE_WITH_LESS_DATA,
    TRANSFORMER,
    WITH_LESS_DATA,
)

KEPT = 5  # blocks that fine-tuning changes least


def kept_below(drift: xr.Dataset) -> float:
    """How much more alike the first half of the blocks is to the reference than the second."""
    return mean(first_half(drift["drift"].values)) - mean(second_half(drift["drift"].values))


def first_kept(drift: xr.Dataset) -> float:
    """How much more alike the first five blocks are to the reference than those after them."""
    values = drift["drift"].values
    return mean(values[:KEPT]) - mean(values[KEPT:])


def upper(drift: xr.Dataset) -> float:
    """How alike the second half of the blocks is to the reference."""
    return mean(second_half(drift["drift"].values))


def _drift(role: Role, reference: Role) -> Need:
    return Need("drift", (role, reference), "@block")


CLAIMS = (
    Claim(
        "raghu2021.little_data_low_layers",
        "fig 12",
        "With less training data, the first half of a transformer's blocks is learnt more alike than the second.",
        (_drift(WITH_LESS_DATA, TRANSFORMER),),
        kept_below,
        unit="CKA",
    ),
    Claim(
        "raghu2021.large_need_data",
        "fig 12",
        "With less training data, the second half of the blocks is less alike for a large transformer than for a base "
        "one.",
        (_drift(LARGE_WITH_LESS_DATA, LARGE), _drift(BASE_WITH_LESS_DATA, BASE)),
        lambda large, base: upper(large) - upper(base),
        claimed="<",
        unit="CKA",
    ),
    Claim(
        "raghu2021.far_data_changes_more",
        "figs G.1, G.2",
        "Fine-tuning on data unlike the training data changes a transformer's blocks more than on data like it.",
        (_drift(FINE_TUNED_NEAR, TRANSFORMER), _drift(FINE_TUNED_FAR, TRANSFORMER)),
        lambda near, far: mean(near["drift"].values) - mean(far["drift"].values),
        unit="CKA",
    ),
    Claim(
        "raghu2021.first_blocks_kept",
        "figs G.1, G.2",
        "Fine-tuning on data unlike the training data changes the first five blocks less than the others.",
        (_drift(FINE_TUNED_FAR, TRANSFORMER),),
        first_kept,
        unit="CKA",
    ),
)
