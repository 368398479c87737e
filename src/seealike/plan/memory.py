"""What a pass will hold in memory, and which batch would fit."""

from collections.abc import Sequence

import psutil
import torch

from seealike.errors import StudyError
from seealike.kernel import Tap
from seealike.models.graph import Graph

# Convolutions and products need room beside their operands: an allowance, not a measurement.
WORKSPACE = 1.25


def expected(graphs: Sequence[Graph], taps: Sequence[Tap], batch: int) -> int:
    """Bytes at the peak: weights, the largest live set of any one model, the Grams of all taps and their products."""
    weights = sum(p.numel() * p.element_size() for g in graphs for p in g.module.parameters())
    images = sum(4 * batch * torch.Size(g.size).numel() for g in graphs)
    live = max((g.bytes_per_image for g in graphs), default=0) * batch * WORKSPACE
    grams = len(set(taps)) * batch * batch * 4 * 2
    return int(weights + 3 * images + live + grams)


def available(device: str) -> int:
    """Bytes that are free on a device."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def refuse_what_cannot_fit(name: str, graphs: Sequence[Graph], taps: Sequence[Tap], batch: int, device: str) -> None:
    """A batch that will not fit is refused before the first pass, with the largest that would."""
    needed, free = expected(graphs, taps, batch), available(device)
    if needed <= free:
        return
    fits = next((b for b in (2**k for k in range(20, 1, -1)) if b < batch and expected(graphs, taps, b) <= free), None)
    would = f"batch = {fits} would fit" if fits else "no batch would fit: ask of fewer layers or a smaller model"
    raise StudyError(
        f"{name}: batch = {batch} needs about {gigabytes(needed)}, and {gigabytes(free)} are free; {would}."
    )


def gigabytes(count: float | int) -> str:
    return f"{count / 1e9:.1f} GB"
