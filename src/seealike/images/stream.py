"""Images that come as batches of tensors and can be read only once: a DataLoader, a generator."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor

from seealike.errors import RunError, StudyError, closest
from seealike.images.batch import ImageBatch

IMAGES = ("pixel_values", "image", "images")
LABELS = ("label", "labels")
Piece = tuple[Tensor, Tensor | None]


@dataclass(eq=False)
class Stream:
    """Batches as they come, the very same tensors for every model, or cut anew to `batch` images; read exactly once.

    An arriving batch is a tensor, (tensor, labels), or a dict with `pixel_values`, `image` or `images`. Ids are "0",
    "1", ... in order of arrival. Not frozen: reading it changes it.
    """

    source: Any
    batch: int | None = None

    def __post_init__(self):
        if self.batch is not None and self.batch < 1:
            raise StudyError(f"batch = {self.batch}: a batch holds at least 1 image.")
        self._arrivals = _alike(map(_piece, _undisturbed(self.source)))
        self._held: list[Piece] = []
        self._read = False
        self.fingerprint = uuid4().hex  # what was streamed cannot be asked for again, so no answer is ever reused

    @property
    def text(self) -> str:
        return f"stream from a {type(self.source).__name__}"

    def first(self) -> Tensor:
        """The first batch that arrives, kept for the pass: its shape tells models their input."""
        if not self._held:
            self._held = [piece for piece in (next(self._arrivals, None),) if piece]
        if not self._held:
            raise RunError(f"{self.text}: it is empty.")
        return self._held[0][0]

    @property
    def labelled(self) -> bool:
        """Whether the first batch came with labels."""
        self.first()
        return self._held[0][1] is not None

    @property
    def factors(self) -> tuple[str, ...]:
        return ()

    def load(self, names: Sequence[str]) -> Generator[ImageBatch, None, None]:
        """The one pass, with the same tensor under every model's name."""
        if self._read:
            raise RunError(f"{self.text}: it was read already. Make a new one, or give a dataset in place of batches.")
        self._read = True
        self.first()
        held, self._held = self._held, []
        return _numbered(_rebatched(chain(held, self._arrivals), self.batch), tuple(names))


def _undisturbed(source: Any) -> Iterator[Any]:
    """The source's items, drawn with a random state of its own: a DataLoader shuffles with the global one."""
    mine, iterator, end = torch.get_rng_state(), None, object()
    while True:
        theirs = torch.get_rng_state()
        torch.set_rng_state(mine)
        try:
            iterator = iter(source) if iterator is None else iterator
            item = next(iterator, end)
        finally:
            mine = torch.get_rng_state()
            torch.set_rng_state(theirs)
        if item is end:
            return
        yield item


def _piece(item: Any) -> Piece:
    images, labels = _parts(item)
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point():
        raise RunError(f"the stream gives {_words(images)}. Its batches must be floating-point (N, C, H, W) tensors.")
    counts = isinstance(labels, Tensor) and labels.shape == images.shape[:1] and not labels.is_floating_point()
    return images, labels.long() if counts else None


def _parts(item: Any) -> tuple[Any, Any]:
    if isinstance(item, Mapping):
        image = next((key for key in IMAGES if key in item), None)
        if image is None:
            raise RunError(f"the stream gives dicts without {', '.join(IMAGES)}. {closest('image', map(str, item))}")
        return item[image], next((item[key] for key in LABELS if key in item), None)
    if isinstance(item, tuple | list) and item:
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def _words(images: Any) -> str:
    if not isinstance(images, Tensor):
        return f"a {type(images).__name__}"
    return f"a {str(images.dtype).removeprefix('torch.')} tensor of shape {tuple(images.shape)}"


def _alike(pieces: Iterator[Piece]) -> Iterator[Piece]:
    shape = None
    for images, labels in pieces:
        shape = shape or images.shape[1:]
        if images.shape[1:] != shape:
            raise RunError(f"the stream's images differ in shape: {tuple(shape)} and {tuple(images.shape[1:])}.")
        yield images, labels


def _rebatched(pieces: Iterator[Piece], batch: int | None) -> Iterator[Piece]:
    if batch is None:
        yield from pieces
        return
    held = None
    for piece in pieces:
        held = piece if held is None else _joined(held, piece)
        while len(held[0]) >= batch:
            yield _cut(held, slice(batch))
            held = _cut(held, slice(batch, None))
    if held is not None and len(held[0]):
        yield held


def _joined(a: Piece, b: Piece) -> Piece:
    labels = None if a[1] is None or b[1] is None else torch.cat([a[1], b[1]])
    return torch.cat([a[0], b[0]]), labels


def _cut(piece: Piece, part: slice) -> Piece:
    return piece[0][part], None if piece[1] is None else piece[1][part]


def _numbered(pieces: Iterator[Piece], names: tuple[str, ...]) -> Generator[ImageBatch, None, None]:
    start = 0
    for index, (images, labels) in enumerate(pieces):
        indices = tuple(range(start, start + len(images)))
        ids = tuple(map(str, indices))
        yield ImageBatch(index, ids, dict.fromkeys(names, images), labels, (), indices)
        start += len(images)
