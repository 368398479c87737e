"""Why a layer does not tell pictures apart: directions that are lost, and directions that are squeezed (claim C3)."""

import xarray as xr

from seealike.claims.badger2022.networks import FAMILIES, untrained
from seealike.claims.claim import Claim, Need, Role
from seealike.claims.parts import lower_third, mean, upper_third


def lost(jacobian: xr.Dataset) -> float:
    """The share of the directions of an image that the last layer does not see and the first does."""
    null = jacobian["mean_null_dimension"].values
    return float(null[-1] - null[0]) / float(jacobian.attrs["input_dimension"])


def squeezed(jacobian: xr.Dataset) -> float:
    """By how many decades the directions that are seen are seen less evenly in the last third than in the first."""
    condition = jacobian["log_condition"].values
    return mean(upper_third(condition)) - mean(lower_third(condition))


def _derived(network: Role) -> Need:
    return Need("jacobian", (network,), "*")


CLAIMS = tuple(
    claim
    for key, family in FAMILIES.items()
    for claim in (
        Claim(
            f"badger2022.directions_lost.{key}",
            "abstract, C3: exact",
            f"The last layer of an untrained {family} is blind to directions of an image that the first one sees.",
            (_derived(untrained(family)),),
            lost,
            unit="share of the directions",
        ),
        Claim(
            f"badger2022.directions_squeezed.{key}",
            "abstract, C3: approximate",
            f"What the last third of an untrained {family} sees, it sees less evenly than the first third does.",
            (_derived(untrained(family)),),
            squeezed,
            unit="decades of the condition number",
        ),
    )
)
