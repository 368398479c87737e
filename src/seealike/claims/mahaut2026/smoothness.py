"""Claim C: transformers apply smoother changes to representations from one layer to the next than CNNs do."""

import xarray as xr

from seealike.claims.claim import Claim
from seealike.claims.mahaut2026.networks import CNN, TRANSFORMER
from seealike.claims.mahaut2026.ways import MAIN, WAYS, Way

LAG = 1 / 8  # of the way through the network, or the smallest lag of both that is not below it


def apart(transformer: xr.Dataset, cnn: xr.Dataset, variable: str = "structure") -> float:
    """How much farther apart layers of a transformer are than those of a CNN, at the same lag."""
    pair = [one[variable].sel(lag=one["lag"] >= LAG - 1e-9) for one in (transformer, cnn)]
    shared = [h for h in pair[0]["lag"].values if h in pair[1]["lag"].values]
    if not shared:
        return float("nan")
    return float(pair[0].sel(lag=min(shared))) - float(pair[1].sel(lag=min(shared)))


def more_uneven(transformer: xr.Dataset, cnn: xr.Dataset) -> float:
    """The ratio of the largest step to the mean step, a transformer's less a CNN's."""
    return float(transformer["unevenness"]) - float(cnn["unevenness"])


def _smoother(way: Way) -> Claim:
    return Claim(
        f"mahaut2026.smoother.{way}",
        "abstract, C",
        f"Layers of a transformer that lie as far apart in depth are nearer to each other than those of a CNN, "
        f"{way.words}.",
        (way.of(TRANSFORMER), way.of(CNN)),
        apart,
        claimed="<",
    )


def _more_even(way: Way) -> Claim:
    return Claim(
        f"mahaut2026.more_even.{way}",
        "abstract, C",
        f"The largest step of a transformer is less above its mean step than that of a CNN, {way.words}.",
        (way.of(TRANSFORMER), way.of(CNN)),
        more_uneven,
        claimed="<",
        unit="ratio",
    )


CLAIMS = (
    *map(_smoother, WAYS),
    Claim(
        "mahaut2026.smoother_by_work",
        "ours, a control of C",
        f"The same where depth is the share of operations done, and not of layers passed, {MAIN.words}.",
        (MAIN.of(TRANSFORMER), MAIN.of(CNN)),
        lambda transformer, cnn: apart(transformer, cnn, "structure_work"),
        claimed="<",
    ),
    *(_more_even(way) for way in WAYS if way.distance != "imbalance"),  # whose steps depend on how many there are
)
