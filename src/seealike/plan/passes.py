"""One pass: a set of images in batches, and the models that see them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from seealike.errors import StudyError
from seealike.images.loading import Failure, ImageBatch, load
from seealike.images.order import batches, default_batch, enough, order
from seealike.images.preprocessing import Preprocessing
from seealike.images.sources import Images, Stream
from seealike.kernel import IMAGES, Tap
from seealike.models.graph import Graph
from seealike.models.run import run

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Machine:
    """Where and how a pass runs: it changes the time an answer takes, and only by rounding the answer."""

    device: str = "cpu"
    dtype: str = "float32"
    workers: int = 0

    def __post_init__(self):
        if self.dtype not in DTYPES:
            raise StudyError(f'dtype = "{self.dtype}": there are {", ".join(DTYPES)}.')
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise StudyError(f'device = "{self.device}" cannot be used here: {str(error).splitlines()[0]}') from None


@dataclass(frozen=True, eq=False)
class ImageSet:
    """The images of a study: which are taken, in which order. A stream is taken as it comes."""

    name: str
    images: Images | Stream
    taken: tuple[int, ...] | None  # None: a stream

    @staticmethod
    def of(name: str, images: Images | Stream, take: int | None, seed: int) -> "ImageSet":
        if isinstance(images, Stream):
            return ImageSet(name, images, None)
        enough(len(images) if take is None else min(take, len(images)))
        return ImageSet(name, images, tuple(order(len(images), take, seed)))

    @property
    def default_batch(self) -> int | None:
        if isinstance(self.images, Stream):
            return self.images.batch or len(self.images.first())
        return None if self.taken is None else default_batch(len(self.taken))

    @cached_property
    def as_given(self) -> Tensor | None:
        """One of the images if they are tensors that go to the models as they are; None if they are pictures."""
        if isinstance(self.images, Stream):
            return self.images.first()[0]
        image = self.images.read(self.taken[0]) if self.taken else None
        return image if isinstance(image, Tensor) else None


@dataclass(eq=False)
class Pass:
    """Every batch of a set of images, shown to every model; images that could not be read are gathered in `failed`."""

    images: ImageSet
    batch: int | None
    graphs: Mapping[str, Graph]
    preprocessings: Mapping[str, Preprocessing]
    machine: Machine
    failed: list[Failure] = field(default_factory=list)

    @property
    def count(self) -> int | None:
        return None if self.images.taken is None else len(self.images.taken)

    def plan(self) -> list[list[int]]:
        """The images of each batch, by their index in the set."""
        assert self.images.taken is not None and self.batch is not None
        return batches(self.images.taken, self.batch)

    def __iter__(self) -> Iterator["Shown"]:
        if self.images.taken is None:
            self.images.images.batch = self.batch  # type: ignore[union-attr]
            for batch in self.images.images.load(list(self.graphs)):  # type: ignore[union-attr]
                yield Shown(batch, torch.tensor([int(i) for i in batch.ids]), self.graphs, self.machine)
            return
        plan = self.plan()
        for batch in load(self.images.images, plan, self.preprocessings, self.machine.workers):  # type: ignore[arg-type]
            self.failed.extend(batch.failed)
            if batch:
                yield Shown(batch, self._read(plan[batch.index], batch), self.graphs, self.machine)

    def _read(self, planned: Sequence[int], batch: ImageBatch) -> Tensor:
        """The indices of the images that could be read."""
        failed = {failure.id for failure in batch.failed}
        name = self.images.images.id if failed else str  # type: ignore[union-attr]
        return torch.tensor([i for i in planned if not failed or name(i) not in failed])


@dataclass(eq=False)
class Shown:
    """A batch of images that shows what taps see of it: one forward a model, whatever is asked."""

    batch: ImageBatch
    indices: Tensor
    graphs: Mapping[str, Graph]
    machine: Machine

    @property
    def index(self) -> int:
        return self.batch.index

    @property
    def ids(self) -> tuple[str, ...]:
        return self.batch.ids

    def show(self, taps: Iterable[Tap], receive: Callable[[Tap, Tensor], None]) -> None:
        by_source: dict[str, list[Tap]] = {}
        for tap in taps:
            by_source.setdefault(tap.source, []).append(tap)
        for tap in by_source.pop(IMAGES, []):
            receive(tap, self._of_images(tap.tensor))
        for name, wanted in by_source.items():
            graph = self.graphs[name]
            images = self.batch.inputs[name].to(self.machine.device, graph.dtype, memory_format=graph.memory_format)
            run(graph, images, [self._watch(name, tap, receive) for tap in wanted], DTYPES[self.machine.dtype])

    def _watch(self, name: str, tap: Tap, receive: Callable[[Tap, Tensor], None]):
        assert tap.view is not None
        view = tap.view
        return self.graphs[name].by_name[tap.tensor], view.when, lambda operation: receive(tap, view.see(operation))

    def _of_images(self, what: str) -> Tensor:
        if what == "index":
            return self.indices
        if self.batch.labels is None:
            raise StudyError("these images have no labels.")
        return self.batch.labels
