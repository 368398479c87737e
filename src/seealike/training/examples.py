"""Which images a table of a recipe means, in which order, and the label of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from seealike.errors import StudyError
from seealike.images.fraction import balanced
from seealike.images.indexed import Images
from seealike.images.order import order
from seealike.images.relabel import random_label
from seealike.images.sources import open_images
from seealike.plan.preparing import rooted
from seealike.training.recipe import Examples


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images chosen of a source, by their numbers, and the label that each is given."""

    images: Images
    indices: tuple[int, ...] = field(repr=False)
    labels: tuple[int, ...] = field(repr=False)
    words: str

    def __len__(self) -> int:
        return len(self.indices)


_LABELS: dict[str, dict[int, int | None]] = {}  # of what was opened in this process, by fingerprint


def opened(name: str, examples: Examples, folder: str, seed: int, classes: int | None) -> Labelled:
    """The images of `[images.NAME]`, for a network that tells `classes` apart; None: labels do not matter to it."""
    source = examples.images
    images = open_images(rooted(source.source, folder), **source.options)
    if not isinstance(images, Images):
        raise StudyError(
            f"images.{name}: {images.text} comes in one order only; training needs images by their number."
        )
    chosen = sorted(order(len(images), source.take, seed))
    if source.order == "given":
        chosen = list(range(len(chosen)))
    labels: list[int | None]
    if classes is None:
        labels = _whatever(name, examples, images, chosen)
    elif examples.labels == "random":
        labels = [random_label(images.id(i), len(images.classes) or classes, seed) for i in chosen]
    else:
        labels = _labels(images, chosen)
    if examples.fraction < 1:
        part = balanced(labels, examples.fraction, seed)
        chosen, labels = [chosen[i] for i in part], [labels[i] for i in part]
    if classes is not None:
        _refuse(name, images, chosen, labels, classes)
    return Labelled(
        images,
        tuple(chosen),
        tuple(label for label in labels if label is not None),
        _words(name, examples, images, len(chosen)),
    )


def _whatever(name: str, examples: Examples, images: Images, chosen: Sequence[int]) -> list[int | None]:
    """Labels that only a `fraction` looks at, to be as mixed as the whole; -1 for an image without one."""
    if examples.labels == "random":
        raise StudyError(
            f'images.{name}: labels = "random", but objective = "contrastive" reads no labels. Leave labels out.'
        )
    return [-1 if label is None else label for label in _labels(images, chosen)]


def _labels(images: Images, chosen: Sequence[int]) -> list[int | None]:
    known = _LABELS.setdefault(images.fingerprint, {})
    for index in chosen:
        if index not in known:
            known[index] = images.label(index)
    return [known[index] for index in chosen]


def _refuse(name: str, images: Images, chosen: Sequence[int], labels: Sequence[int | None], classes: int) -> None:
    without = [index for index, label in zip(chosen, labels, strict=True) if label is None]
    if without:
        raise StudyError(
            f"images.{name}: {len(without)} of {len(chosen)} images of {images.text} have no label, the first of them "
            f'{images.id(without[0])!r}. Name their column (label_column = "..."), or write labels = "random".'
        )
    largest = max(label for label in labels if label is not None)
    if largest >= classes:
        raise StudyError(
            f"images.{name}: a label is {largest}, and the network tells {classes} classes apart, 0 to {classes - 1}. "
            f"Build it for more, for example options = {{ num_classes = {largest + 1} }}."
        )


def _words(name: str, examples: Examples, images: Images, count: int) -> str:
    """Such as "5,000 images of scenes:5000, split test"."""
    said = [f"{count:,} images of {images.text}"]
    said += [f"split {examples.images.split}"] if examples.images.split else []
    said += ["random labels"] if examples.labels == "random" else []
    return ", ".join(said)
