"""A batch of images as models get it, and how many images may be missing from all of them."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from seealike.errors import RunError

SHOWN = 3  # failures that an error message tells
TOLERANCE = 0.01  # the share of images that may be unreadable
PATIENCE = 1000  # images of a stream of unknown length before a share of them says anything


@dataclass(frozen=True)
class Failure:
    """An image that could not be read, and why."""

    id: str
    reason: str


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """The images of batch `index` of the plan: what each model takes, by its name, in the order of `ids`.

    Models that preprocess alike hold the very same tensor. Labels are int64, -1 where an image has none, and None if no
    image of the batch has one. A batch of which no image could be read comes with its failures and nothing else, no ids
    and no inputs: `if batch:` is false. `indices` are the images' numbers in their set; `factors` what a stream records
    of them.
    """

    index: int
    ids: tuple[str, ...]
    inputs: dict[str, Tensor]
    labels: Tensor | None
    failed: tuple[Failure, ...]
    indices: tuple[int, ...] = ()
    factors: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class Seen:
    """What has come so far: which batches, how many images, and those of them that could not be read, by batch."""

    batches: set[int] = field(default_factory=set)
    images: int = 0
    failures: dict[int, tuple[Failure, ...]] = field(default_factory=dict)

    @property
    def failed(self) -> list[Failure]:
        """In the order of the batches."""
        return [failure for _, some in sorted(self.failures.items()) for failure in some]

    def note(self, batch: ImageBatch) -> None:
        self.batches.add(batch.index)
        self.images += len(batch.ids) + len(batch.failed)
        if batch.failed:
            self.failures[batch.index] = batch.failed

    def join(self, other: "Seen") -> None:
        """What came elsewhere, of other batches."""
        self.batches |= other.batches
        self.images += other.images
        self.failures |= other.failures

    def refuse_too_many(self, planned: int | None, tolerance: float = TOLERANCE, ended: bool = False) -> None:
        """No more than `tolerance` of the planned images may be missing.

        Of a stream whose length nobody knows: of those that have come, once they are many or all.
        """
        missing, among = sum(map(len, self.failures.values())), planned or self.images
        if missing > tolerance * (among if planned or ended else max(among, PATIENCE)):
            raise RunError(_too_many(self.failed, among, tolerance))


def within(
    batches: Generator[ImageBatch, None, None], planned: int | None, tolerance: float
) -> Generator[ImageBatch, None, None]:
    """The batches, until more than `tolerance` of the planned images could not be read."""
    seen = Seen()
    try:
        for batch in batches:
            seen.note(batch)
            seen.refuse_too_many(planned, tolerance)
            yield batch
    finally:
        batches.close()
    seen.refuse_too_many(planned, tolerance, ended=True)


def _too_many(failed: Sequence[Failure], planned: int, tolerance: float) -> str:
    first = "; ".join(f"{failure.id}: {failure.reason}" for failure in failed[:SHOWN])
    more = "; ..." if len(failed) > SHOWN else ""
    return (
        f"{len(failed)} of {planned} images ({len(failed) / planned:.1%}) cannot be read, more than the "
        f"{tolerance:.0%} that may be left out: {first}{more}. Repair or remove them."
    )
