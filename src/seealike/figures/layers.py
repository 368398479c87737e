"""Which layers of an axis get a label, so that 252 of them stay readable."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

MOST = 16  # labels an axis
LONGEST = 32  # characters of a label


@dataclass(frozen=True)
class Segment:
    """A run of layers of one model along an axis, `start` to `stop` (excluded)."""

    model: str
    start: int
    stop: int

    @property
    def middle(self) -> float:
        return (self.start + self.stop - 1) / 2


@dataclass(frozen=True)
class Label:
    """What stands at a position of the axis."""

    position: int
    text: str


def segments(layers: Sequence[str]) -> list[Segment]:
    """The models along an axis, in order.

    >>> segments(["vit:a", "vit:b", "cnn:a"])
    [Segment(model='vit', start=0, stop=2), Segment(model='cnn', start=2, stop=3)]
    """
    found = []
    for model, run in groupby(range(len(layers)), key=lambda i: _split(layers[i])[0]):
        positions = list(run)
        found.append(Segment(model, positions[0], positions[-1] + 1))
    return found


def labels(layers: Sequence[str], most: int = MOST) -> list[Label]:
    """About `most` labels at most, spread evenly: larger blocks first, and none where another is near.

    A block is labelled once, at its first tensor; the model's name is left to the axis.

    >>> [label.text for label in labels([f"vit:blocks.{i // 9}.op{i % 9}" for i in range(108)], most=6)]
    ['blocks.0', 'blocks.2', 'blocks.4', 'blocks.6', 'blocks.8', 'blocks.10']
    """
    gap = len(layers) / (1.25 * most)  # a quarter of slack, so that uneven blocks all get theirs
    found = [block for segment in segments(layers) for block in _blocks(layers, segment, most)]
    chosen: list[Label] = []
    for _, position, text in sorted(found, key=lambda block: (-block[0], block[1])):
        if all(abs(position - other.position) >= gap for other in chosen):
            chosen.append(Label(position, _elided(text)))
    return sorted(chosen, key=lambda label: label.position)


def _blocks(layers: Sequence[str], segment: Segment, most: int) -> list[tuple[int, int, str]]:
    """(size, first position, name) of a model's blocks, the finest that are few enough and hold two tensors or more."""
    names = [_split(layer)[1] for layer in layers[segment.start : segment.stop]]
    few = most if len(layers) <= most else min(4 * most, len(names) // 2)
    for depth in (99, 3, 2, 1):
        stems = [_stem(name, depth) for name in names]
        runs = [(stem, list(run)) for stem, run in groupby(range(len(names)), key=stems.__getitem__)]
        if len(runs) <= few:
            break
    return [
        (len(run), segment.start + run[0], stem if len(run) > 1 else names[run[0]])
        for stem, run in runs  # pyright: ignore[reportPossiblyUnboundVariable]
    ]


def _stem(name: str, depth: int) -> str:
    """The block a tensor is in: its name up to the `depth`-th numbered part.

    >>> _stem("stages.2.blocks.5.mlp.fc1", 1), _stem("stages.2.blocks.5.mlp.fc1", 2), _stem("norm", 1)
    ('stages.2', 'stages.2.blocks.5', 'norm')
    """
    parts = name.split(".")
    numbered = [i for i, part in enumerate(parts) if re.search(r"\d$", part.partition("@")[0])]
    return ".".join(parts[: numbered[depth - 1] + 1]) if len(numbered) >= depth else name


def _split(layer: str) -> tuple[str, str]:
    model, colon, name = str(layer).partition(":")
    return (model, name) if colon else ("", model)


def _elided(text: str) -> str:
    """The end of a long name, which is what sets it apart."""
    return text if len(text) <= LONGEST else f"…{text[1 - LONGEST :]}"


def short(layer: str, most: int = 18) -> str:
    """A layer's name without its model's, and of a long one the end.

    >>> short("vit:blocks.3"), short("resnet:layer3.0.downsample.norm_after", 12)
    ('blocks.3', '….norm_after')
    """
    name = _split(layer)[1]
    return name if len(name) <= most else f"…{name[1 - most :]}"
