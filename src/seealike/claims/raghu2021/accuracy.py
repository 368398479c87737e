"""What it costs to be trained without the skips of a block (figure 8): accuracies, as shares of the images."""

import numpy as np
import xarray as xr

from seealike.claims.claim import Claim, Need
from seealike.claims.parts import middle_third
from seealike.claims.raghu2021.networks import TRANSFORMER, WITHOUT_SKIP
from seealike.claims.raghu2021.structure import cut


def lost(intact: xr.Dataset, edited: xr.Dataset, blocks: xr.Dataset) -> float:
    """How much less often the network without the skips is right."""
    return float(intact["accuracy"]) - float(edited["accuracy"])


def not_in_the_middle(intact: xr.Dataset, edited: xr.Dataset, blocks: xr.Dataset) -> str:
    """Why the block without skips is none of the middle third, where it is not; `blocks` says how many there are."""
    number, count = cut(edited), blocks.sizes["layer_a"]
    if number is None:
        return "the tag without_skip is the number of a block, from 0"
    middle = number in middle_third(np.arange(count))
    return "" if middle else f"it is about the middle third of the blocks, and block {number} of {count} is none of it"


CLAIMS = (
    Claim(
        "raghu2021.middle_skips_needed",
        "fig 8",
        "Trained without the skips of a block of the middle third, a transformer is right less often.",
        (
            Need("accuracy", (TRANSFORMER,)),
            Need("accuracy", (WITHOUT_SKIP,)),
            Need("cka", (WITHOUT_SKIP,), "@block", "flatten"),
        ),
        lost,
        unit="share of the images",
        beside=not_in_the_middle,
    ),
)
