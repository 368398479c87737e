"""What a pass will hold in memory, and which batch would fit."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil
import torch

from seealike.errors import RunError, StudyError
from seealike.kernel import Tap
from seealike.models.graph import Graph

# Convolutions and products need room beside their operands: an allowance, not a measurement.
WORKSPACE = 1.25
# Of what is free, what sums may fill if nothing else is said: the rest is the forward's and the solving's.
SHARE = 0.5
# Of what a batch was expected to need that did not fit, what is hoped to.
TIGHTER = 0.75
# How allocators of the CPU, of CUDA and of MPS say that there is no more.
OUT = ("out of memory", "not enough memory", "can't allocate memory")
UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


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
    if needed > free:
        needs = f"batch = {batch} needs about {gigabytes(needed)}, and {gigabytes(free)} are free"
        raise StudyError(f"{name}: {needs}; {_would_fit(graphs, taps, batch, free)}.")


@contextmanager
def told_of_memory(
    name: str, graphs: Sequence[Graph], taps: Sequence[Tap], batch: int, device: str, told: str
) -> Iterator[None]:
    """A batch that did not fit after all, which nobody can know before, ends with one that would."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in OUT):
            raise
        would = _would_fit(graphs, taps, batch, TIGHTER * expected(graphs, taps, batch))
        raise RunError(f"{name}: batch = {batch} does not fit into the memory of {device}; {would}. {told}") from error


def _would_fit(graphs: Sequence[Graph], taps: Sequence[Tap], batch: int, free: float | int) -> str:
    fits = next((b for b in (2**k for k in range(20, 1, -1)) if b < batch and expected(graphs, taps, b) <= free), None)
    return f"batch = {fits} would fit" if fits else "no batch would fit: ask of fewer layers or a smaller model"


def budget(memory: int | str | None, device: str) -> int:
    """Bytes that sums may fill: `memory`, in bytes or such as "4GB", or half of what is free."""
    if memory is None:
        return int(SHARE * available(device))
    return in_bytes(memory) if isinstance(memory, str) else memory


def in_bytes(text: str) -> int:
    """What "4GB", "500 MB" or "4000000000" mean.

    >>> in_bytes("1.5GB"), in_bytes("500 mb")
    (1500000000, 500000000)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not found or found[2] not in UNITS or not float(found[1]):
        raise StudyError(f'memory = "{text}": write a number and a unit, such as 4GB or 500MB.')
    return int(float(found[1]) * UNITS[found[2]])


def words(count: int) -> str:
    """Bytes with one digit behind the point, rounded up, so that what is said would do.

    >>> words(1_230_000_001), words(999), words(12_345)
    ('1.3GB', '999B', '12.4kB')
    """
    name, unit = next(((n, u) for n, u in reversed(UNITS.items()) if n and count >= u), ("", 1))
    return f"{math.ceil(10 * count / unit) / 10:g}{name.upper().replace('KB', 'kB') or 'B'}"


def gigabytes(count: float | int) -> str:
    return f"{count / 1e9:.1f} GB"
