"""Several inversions together: how far pictures lie from the image along the depth, in trained networks and others."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from seealike.errors import StudyError
from seealike.figures.choosing import evenly
from seealike.figures.comparing import OTHERWISE, TRAINED, UNTRAINED, Family, alike, families, images, searched
from seealike.figures.curves import Line, curves
from seealike.figures.inversion import FAR, NOISY
from seealike.figures.style import FONT, shade

NAMED = 8  # kinds of networks in a legend
DASHES = {TRAINED: "-", UNTRAINED: ":", OTHERWISE: "--"}


def compared(datasets: Mapping[str, xr.Dataset]) -> Figure:
    """A line an answer: distance of the nearest picture along the depth; a panel a family where there are several.

    `datasets` is answers to `inversion` by name; those to other measures are passed over. Repeats of a network, which
    differ only in the tag `seed`, have one colour and one name. Solid lines are trained, dotted ones untrained, by the
    tag `control` or by their weights, dashed ones trained on what the tag `trained_on` says. Bands are one standard
    error. Grey is the image with a little noise. By the answers in a folder:
    `compared({name: answer for name, answer in seealike.Results("out").items() if name.startswith("transformers@")})`.
    """
    panels = families(_one(datasets))
    figure = Figure(figsize=(0.4 + 3.4 * len(panels), 3.2), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for i, (ax, family) in enumerate(zip(axes, panels, strict=True)):
        curves(_lines(family, datasets), ax, label="" if i else FAR, title=family.name if len(panels) > 1 else "")
        ax.set(xlim=(-0.03, 1.03))
    axes[0].set_ylim(0, max(1.02 * axes[0].get_ylim()[1], 0.01))
    figure.suptitle(title(_one(datasets)), fontsize=FONT, x=0.02, ha="left")
    return figure


def title(datasets: Mapping[str, xr.Dataset]) -> str:
    """`20 images of scenes; strict, prior none, 200 iterations`."""
    first = next(iter(datasets.values()))
    count, named = first.sizes.get("image", 0), images(first.attrs)
    of = f"{count:,} image{'s' * (count != 1)}{f' of {named}' if named else ''}"
    return "; ".join(filter(None, (of, ", ".join(searched(first.attrs)))))


def _one(datasets: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """All inversions among them, which must be comparable."""
    found = alike(datasets)
    if not found:
        raise StudyError("none of these datasets answers `inversion`, so there is nothing to compare.")
    if len(found) > 1:
        listed = "; ".join(f"{', '.join(group)} ({title(group)})" for group in found)
        raise StudyError(f"these inversions are about different images or searches: {listed}. Give those of one.")
    return found[0]


def _lines(family: Family, datasets: Mapping[str, xr.Dataset]) -> list[Line]:
    """A line an answer, the first of each kind with its name, and the noise."""
    named, last = evenly(len(family.kinds), NAMED), max(len(family.kinds) - 1, 1)
    found = []
    for number, kind, answer in family.answers:
        data = datasets[answer]
        label = kind.name if number in named and answer == kind.answers[0] else ""
        error = data["mean_m_i_se"].values if "mean_m_i_se" in data else None
        drawn = data["depth"].values, data["mean_m_i"].values, error
        found.append(Line(label, *drawn, shade(number / last), DASHES[kind.state]))
    noisy = np.mean([float(datasets[answer]["i_r"].mean()) for *_, answer in family.answers])
    return [*found, Line(NOISY, np.array([0.0, 1.0]), np.full(2, noisy), None, "0.5", "--", "", 0.6)]
