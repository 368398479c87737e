"""One pass: a set of images in batches, and the models that see them."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from PIL import Image
from torch import Tensor

from seealike.errors import StudyError
from seealike.images.batch import ImageBatch, Seen
from seealike.images.indexed import CorruptImage
from seealike.images.loading import load
from seealike.images.order import batches, default_batch, enough, order
from seealike.images.preprocessing import Preprocessing
from seealike.images.recorded import INDEX, LABEL
from seealike.images.sources import Images, Pictures, Source, Stream
from seealike.kernel import IMAGES, Given, Tap
from seealike.models.graph import Graph
from seealike.models.run import Operation, run
from seealike.plan.machine import DTYPES, Machine
from seealike.selection import as_layer
from seealike.study import Order

ALL = 1.0  # may be unreadable of a share of a pass: what is too much is known of the whole
UNKNOWN = 256  # images a batch, where nobody knows how many there are


@dataclass(frozen=True, eq=False)
class ImageSet:
    """The images of a study: which are taken, in which order. A stream is taken as it comes."""

    name: str
    images: Source
    taken: tuple[int, ...] | None  # None: a stream
    order: Order = "seeded"
    chosen: str = ""  # how a part of them was chosen, if one was

    @staticmethod
    def of(name: str, images: Source, take: int | None, seed: int, how: Order | None = None) -> "ImageSet":
        """`how`: a seeded permutation (the default of what has an index), or the order given (of any)."""
        if isinstance(images, Images):
            enough(len(images) if take is None else min(take, len(images)))
            seeded = order(len(images), take, seed)
            return ImageSet(name, images, tuple(range(len(seeded)) if how == "given" else seeded), how or "seeded")
        if how == "seeded":
            raise StudyError(f'{images.text}: order = "seeded": a stream comes in its own order. Leave order out.')
        if isinstance(images, Pictures) and take is not None:
            enough(take)
            images = replace(images, take=take)  # type: ignore[type-var]  # every stream of pictures is a dataclass
        return ImageSet(name, images, None, "given")

    @property
    def count(self) -> int | None:
        """How many images are taken, where that is known."""
        if self.taken is not None:
            return len(self.taken)
        return self.images.take if isinstance(self.images, Pictures) else None

    @property
    def fingerprint(self) -> str:
        """Of the images in their order, but for the seed."""
        given = self.order == "given" and self.taken is not None
        return f"{self.images.fingerprint} as given" if given else self.images.fingerprint

    @property
    def default_batch(self) -> int | None:
        if isinstance(self.images, Stream):
            return self.images.batch or len(self.images.first())
        return UNKNOWN if self.count is None else default_batch(self.count)

    @cached_property
    def example(self) -> Image.Image | Tensor:
        """The first image that can be read."""
        if not isinstance(self.images, Images):
            return self.images.first() if isinstance(self.images, Pictures) else self.images.first()[0]
        broken = None
        for index in self.taken or ():
            try:
                return self.images.read(index)
            except CorruptImage as error:
                broken = broken or error
        raise broken or StudyError(f"{self.images.text}: there is no image.")

    @property
    def as_given(self) -> Tensor | None:
        """One of the images if they are tensors that go to the models as they are; None if they are pictures."""
        return self.example if isinstance(self.example, Tensor) else None

    def beginning(self, count: int) -> "ImageSet":
        """The first images alone."""
        if isinstance(self.images, Pictures):
            return replace(self, images=replace(self.images, take=count))  # type: ignore[type-var]
        return replace(self, taken=None if self.taken is None else self.taken[:count])

    def few_of_each(self, shots: int, seed: int) -> "ImageSet":
        """A seeded choice of `shots` images of every class; a class that has fewer is refused by name."""
        if not isinstance(self.images, Images) or self.taken is None:
            raise StudyError(f"shots = {shots}: {self.images.text} is a stream, whose labels are not known beforehand.")
        of: dict[int | None, list[int]] = {label: [] for label in range(len(self.images.classes))}
        for position in order(len(self.taken), None, seed):
            of.setdefault(self._label(self.taken[position]), []).append(self.taken[position])
        of.pop(None, None)
        for label, members in of.items():
            if len(members) < shots:
                raise StudyError(f"shots = {shots}: {self._class(label)} has {len(members)} images in {self.name}.")
        kept = {i for members in of.values() for i in members[:shots]}
        return replace(self, taken=tuple(i for i in self.taken if i in kept), chosen=f"{shots} of each class, {seed}")

    def _label(self, index: int) -> int | None:
        """None also of an image that cannot be read: it is not chosen."""
        assert isinstance(self.images, Images)
        try:
            return self.images.label(index)
        except CorruptImage:
            return None

    def _class(self, label: int | None) -> str:
        assert isinstance(self.images, Images) and label is not None
        return repr(self.images.classes[label]) if self.images.classes else f"class {label}"


def fingerprints(graphs: Mapping[str, Graph], preprocessings: Mapping[str, Preprocessing]) -> dict[str, str]:
    """Of each model, with what is done to its images."""
    return {name: f"{graph.fingerprint} {preprocessings[name].text}" for name, graph in graphs.items()}


@dataclass(eq=False)
class Pass:
    """Every batch of a set of images, shown to every model; `seen` is what of them has come so far."""

    images: ImageSet
    batch: int | None
    graphs: Mapping[str, Graph]
    preprocessings: Mapping[str, Preprocessing]
    machine: Machine
    seen: Seen = field(default_factory=Seen)

    @property
    def count(self) -> int | None:
        """How many images there are; of a stream that does not say so, how many have come."""
        return self.images.count or self.seen.images or None

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        return fingerprints(self.graphs, self.preprocessings)

    def plan(self) -> list[list[int]]:
        """The images of each batch, by their index in the set."""
        assert self.images.taken is not None and self.batch is not None
        return batches(self.images.taken, self.batch)

    def __iter__(self) -> Iterator["Shown"]:
        """All of them, from the first one on."""
        self.seen = Seen()
        yield from self.shown()
        self.seen.refuse_too_many(self.images.count, ended=True)

    def shown(self, mine: Callable[[int], bool] = lambda number: True) -> Generator["Shown", None, None]:
        """The batches that have not come yet; of these, where several processes share them, those that are `mine`."""
        before = frozenset(self.seen.batches)
        with closing(self._batches(lambda number: number not in before and mine(number))) as loaded:
            for batch in loaded:
                self.seen.note(batch)
                self.seen.refuse_too_many(self.images.count)
                if batch:
                    yield Shown(batch, torch.tensor(batch.indices), self.graphs, self.machine, self.images.images)

    def _batches(self, wanted: Callable[[int], bool]) -> Generator[ImageBatch, None, None]:
        images, workers = self.images.images, self.machine.workers
        if isinstance(images, Images):
            parts = {number: part for number, part in enumerate(self.plan()) if wanted(number)}
            return load(images, parts, self.preprocessings, workers, ALL)
        if isinstance(images, Pictures):
            assert self.batch is not None
            return images.load(self.batch, self.preprocessings, workers, ALL, wanted)
        images.batch = self.batch
        return images.load(list(self.graphs))


@dataclass(eq=False)
class Shown:
    """A batch of images that shows what taps see of it: one forward a model, whatever is asked."""

    batch: ImageBatch
    indices: Tensor
    graphs: Mapping[str, Graph]
    machine: Machine
    images: Source | None = None

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
            receive(tap, self._of_images(tap))
        for name, wanted in by_source.items():
            watches = [self._watch(name, tap, receive) for tap in wanted]
            run(self.graphs[name], self._input(name), watches, DTYPES[self.machine.dtype])

    def given(self, source: str) -> Given:
        return Given(self.graphs[source], self._input(source), self.index, self.indices)

    def _input(self, name: str) -> Tensor:
        graph = self.graphs[name]
        return self.batch.inputs[name].to(self.machine.device, graph.dtype, memory_format=graph.memory_format)

    def _watch(self, name: str, tap: Tap, receive: Callable[[Tap, Tensor], None]):
        assert tap.view is not None
        view = tap.view
        return self.graphs[name].by_name[tap.tensor], view.when, lambda operation: receive(tap, view.see(operation))

    def _of_images(self, tap: Tap) -> Tensor:
        """What is recorded of these images: as it is, or through a view as a layer of one number is."""
        values = self._recorded(tap.tensor)
        if tap.view is None:
            return values
        return tap.view.see(Operation(as_layer(tap.tensor), (), {}, values.float()[:, None]))

    def _recorded(self, what: str) -> Tensor:
        if what == INDEX:
            return self.indices
        if what == LABEL:
            return torch.full_like(self.indices, -1) if self.batch.labels is None else self.batch.labels
        if what in self.batch.factors:
            return self.batch.factors[what]
        assert isinstance(self.images, Images)
        return torch.tensor([self.images.factor(i, what) for i in self.indices.tolist()], dtype=torch.float64)
