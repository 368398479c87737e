"""What training does to reconstructions: early layers clearer, late ones drawn to what was learnt (claims C4, C5)."""

import xarray as xr

from seealike.claims.badger2022.networks import FAMILIES, inverted, of_noise, trained, untrained
from seealike.claims.claim import Claim
from seealike.claims.parts import lower_third, mean, upper_third

UNIT = "distance of pictures"


def early(inversion: xr.Dataset) -> float:
    """The distance of reconstructions from the image, mean over the first third of the layers."""
    return mean(lower_third(inversion["mean_m_i"].values))


def late(inversion: xr.Dataset) -> float:
    """The same over the last third."""
    return mean(upper_third(inversion["mean_m_i"].values))


def steepness(inversion: xr.Dataset) -> float:
    """The slope of the amplitude spectrum of reconstructions from the last third."""
    return mean(upper_third(inversion["mean_slope"].values))


def strangeness(inversion: xr.Dataset) -> float:
    """How far reconstructions from the last third are from the nearest training image."""
    return mean(upper_third(inversion["mean_nearest"].values)) if "mean_nearest" in inversion else float("nan")


def _of(key: str, family: str) -> tuple[Claim, ...]:
    return (
        Claim(
            f"badger2022.training_sharpens_early.{key}",
            "abstract, C4",
            f"Training brings reconstructions from the first third of a {family} nearer to the image.",
            (inverted(trained(family)), inverted(untrained(family))),
            lambda one, other: early(one) - early(other),
            claimed="<",
            unit=UNIT,
        ),
        Claim(
            f"badger2022.training_sharpens_early_unlike.{key}",
            "abstract, C4; E7",
            f"Training does so in a {family} also for images unlike those it was trained on: noise.",
            (inverted(trained(family), "noise"), inverted(untrained(family), "noise")),
            lambda one, other: early(one) - early(other),
            claimed="<",
            unit=UNIT,
        ),
        Claim(
            f"badger2022.training_leaves_late.{key}",
            "abstract, C4",
            f"Training sharpens the first third of a {family} more than the last.",
            (inverted(trained(family)), inverted(untrained(family))),
            lambda one, other: (late(one) - late(other)) - (early(one) - early(other)),
            unit=UNIT,
        ),
        Claim(
            f"badger2022.noise_is_what_it_learnt.{key}",
            "abstract, C5; E8",
            f"What late layers of a {family} trained on noise give back of natural images has a flatter spectrum than "
            "what those of one trained on natural images give back.",
            (inverted(of_noise(family)), inverted(trained(family))),
            lambda noise, natural: steepness(noise) - steepness(natural),
            unit="slope of log amplitude",
        ),
        Claim(
            f"badger2022.drawn_to_the_learnt.{key}",
            "abstract, C5",
            f"What late layers of a trained {family} give back of noise is nearer to a training image than what those "
            "of an untrained one give back.",
            (inverted(trained(family), "noise"), inverted(untrained(family), "noise")),
            lambda one, other: strangeness(one) - strangeness(other),
            claimed="<",
            unit="root mean square colour",
        ),
    )


CLAIMS = tuple(claim for key, family in FAMILIES.items() for claim in _of(key, family))
