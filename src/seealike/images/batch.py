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


def within(
    batches: Generator[ImageBatch, None, None], planned: int | None, tolerance: float
) -> Generator[ImageBatch, None, None]:
    """The batches, until more than `tolerance` of the planned images could not be read.

    Of a stream whose length nobody knows: of those that have come, once they are many or all.
    """
    failed: list[Failure] = []
    seen = 0
    try:
        for batch in batches:
            failed.extend(batch.failed)
            seen += len(batch.ids) + len(batch.failed)
            if len(failed) > tolerance * (planned or max(seen, PATIENCE)):
                raise RunError(_too_many(failed, planned or seen, tolerance))
            yield batch
    finally:
        batches.close()
    if len(failed) > tolerance * (planned or seen):
        raise RunError(_too_many(failed, planned or seen, tolerance))


def _too_many(failed: Sequence[Failure], planned: int, tolerance: float) -> str:
    first = "; ".join(f"{failure.id}: {failure.reason}" for failure in failed[:SHOWN])
    more = "; ..." if len(failed) > SHOWN else ""
    return (
        f"{len(failed)} of {planned} images ({len(failed) / planned:.1%}) cannot be read, more than the "
        f"{tolerance:.0%} that may be left out: {first}{more}. Repair or remove them."
    )
