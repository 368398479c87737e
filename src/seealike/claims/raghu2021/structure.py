"""How alike the layers of a network are to each other and to those of another (figures 1, 2, 8, B.1, H.1, H.2)."""

import numpy as np
import xarray as xr

from seealike.claims.claim import Claim, Need
from seealike.claims.parts import first_half, lower_third, mean, third, upper_third
from seealike.claims.raghu2021.networks import CNN, MIXER, TRANSFORMER, WITHOUT_SKIP


def uniformity(cka: xr.Dataset) -> float:
    """Mean CKA between the lower and the upper third of the blocks."""
    return mean(upper_third(lower_third(_map(cka)).T))


def matching_depth(cka: xr.Dataset) -> float:
    """The median, over the lower half of the layers of side b, of the depth of the most alike layer of side a.

    Layers that are the same for all images have no CKA and are left out.
    """
    columns = first_half(_map(cka).T)
    columns = columns[np.isfinite(columns).any(1)]
    return float(np.median(cka["depth_a"].values[np.nanargmax(columns, 1)])) if columns.size else float("nan")


def last_third_apart(cka: xr.Dataset) -> float:
    """How much less alike the last third of side a is to its best match on side b than the rest of side a is."""
    best = np.max(_map(cka), axis=1, where=np.isfinite(_map(cka)), initial=-np.inf)
    rest = len(best) - third(len(best))
    return mean(_known(best[rest:])) - mean(_known(best[:rest]))


def mixer_leans(mixer: xr.Dataset, transformer: xr.Dataset, cnn: xr.Dataset) -> float:
    """How much nearer a Mixer's uniformity is to a CNN's than to a transformer's; negative: to the transformer's."""
    own = uniformity(mixer)
    return abs(own - uniformity(transformer)) - abs(own - uniformity(cnn))


def joined(intact: xr.Dataset, edited: xr.Dataset) -> float:
    """How much more alike the blocks before and after a block are with its skips than without.

    The block's output counts as after.
    """
    number = cut(edited)
    if number is None:
        return float("nan")
    before, after = slice(number), slice(number, None)
    return mean(_map(intact)[before, after]) - mean(_map(edited)[before, after])


def cut(edited: xr.Dataset) -> int | None:
    """Which block is without skips, from 0, by the tag `without_skip`; None where that is no number."""
    (facts,) = edited.attrs["models"].values()
    number = str(facts["tags"]["without_skip"])
    return int(number) if number.isdecimal() else None


def _map(cka: xr.Dataset) -> np.ndarray:
    return cka["cka"].transpose("layer_a", "layer_b").values


def _known(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def _blocks(role) -> Need:
    return Need("cka", (role,), "@block", "flatten")


ALL_LAYERS = Need("cka", (TRANSFORMER, CNN), "*", "flatten")

CLAIMS = (
    Claim(
        "raghu2021.uniform",
        "figs 1, B.1",
        "The lower and the upper third of a transformer's blocks are more alike than those of a CNN.",
        (_blocks(TRANSFORMER), _blocks(CNN)),
        lambda transformer, cnn: uniformity(transformer) - uniformity(cnn),
        unit="CKA",
    ),
    Claim(
        "raghu2021.lowest_quarter",
        "figs 2, B.1",
        "Most of the lower half of a CNN's layers are most alike to layers in the lowest quarter of a transformer.",
        (ALL_LAYERS,),
        matching_depth,
        claimed="<=",
        null=0.25,
        unit="depth, 0 to 1",
        jumps=True,
    ),
    Claim(
        "raghu2021.last_third_apart",
        "fig 2",
        "The last third of a transformer's layers is less alike to any layer of a CNN than the rest is.",
        (ALL_LAYERS,),
        last_third_apart,
        claimed="<",
        unit="CKA",
    ),
    Claim(
        "raghu2021.mixer",
        "figs H.1, H.2",
        "How alike the lower and upper blocks of an MLP-Mixer are is nearer to a transformer than to a CNN.",
        (_blocks(MIXER), _blocks(TRANSFORMER), _blocks(CNN)),
        mixer_leans,
        claimed="<",
        unit="CKA",
    ),
    Claim(
        "raghu2021.no_skip_splits",
        "fig 8",
        "Trained without the skips of a block, a transformer's blocks before and after it are less alike.",
        (_blocks(TRANSFORMER), _blocks(WITHOUT_SKIP)),
        joined,
        unit="CKA",
    ),
)
