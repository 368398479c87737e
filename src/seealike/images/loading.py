"""Batches of images, each decoded once and preprocessed once for all models that want it alike."""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seealike.errors import RunError, SeealikeError, StudyError
from seealike.images.batch import TOLERANCE, Failure, ImageBatch, within
from seealike.images.indexed import CorruptImage, Images
from seealike.images.preprocessing import Preprocessing

__all__ = ["Failure", "ImageBatch", "Readable", "load", "loaded"]

DEAD = ("exited unexpectedly", "is killed by signal")  # how DataLoader says that a worker process is gone


@runtime_checkable
class Readable(Protocol):
    """What `Images` are to the processes that load."""

    def id(self, index: Any) -> str: ...

    def item(self, index: Any) -> tuple[Image.Image | Tensor, int | None]: ...


def load(
    images: Images,
    batches: Sequence[Sequence[int]] | Mapping[int, Sequence[int]],
    preprocessings: Mapping[str, Preprocessing],
    workers: int = 0,
    tolerance: float = TOLERANCE,
) -> Generator[ImageBatch, None, None]:
    """The batches, in order, the same for any number of worker processes. Closing the iterator ends the workers.

    `batches` may be a mapping from the number of a batch to its indices: a rank's share, or what is left to do.
    More than `tolerance` of the planned images unreadable is a RunError, raised as soon as it is known.
    """
    _refuse_negative(workers)
    plan = dict(batches) if isinstance(batches, Mapping) else dict(enumerate(batches))
    planned = sum(map(len, plan.values()))
    return within(_planned(images, plan, preprocessings, min(workers, len(plan))), planned, tolerance)


def _planned(images: Images, plan: dict[int, Sequence[int]], preprocessings: Mapping[str, Preprocessing], workers: int):
    lists = [list(part) for part in plan.values()]
    with closing(loaded(images, plan, lists, preprocessings, workers)) as batches:
        for batch in batches:
            failed = {failure.id for failure in batch.failed}
            indices = tuple(i for i in plan[batch.index] if not failed or images.id(i) not in failed)
            yield replace(batch, indices=indices)


def loaded(
    images: Readable,
    numbers: Iterable[int],
    batches: Iterable[Sequence[Any]],
    preprocessings: Mapping[str, Preprocessing],
    workers: int,
) -> Generator[ImageBatch, None, None]:
    """The batches under their numbers, until either ends; `batches` hold whatever `images` are read by."""
    _refuse_negative(workers)
    names = {preprocessing.text: name for name, preprocessing in reversed(list(preprocessings.items()))}
    reader = _Reader(images, {p.text: p.transform for p in preprocessings.values()})
    iterator = _started(reader, batches, _Collate(names), workers)
    try:
        for index in numbers:
            rows = _arrived(iterator)
            if rows is None:
                return
            inputs = {name: rows.inputs[p.text] for name, p in preprocessings.items() if rows.ids}
            yield ImageBatch(index, rows.ids, inputs, rows.labels, rows.failed)
    finally:
        _ended(iterator)


def _refuse_negative(workers: int) -> None:
    if workers < 0:
        raise StudyError(f"workers = {workers}: 0 loads in the main process, more load beside it.")


def _started(reader: "_Reader", batches: Iterable[Any], collate: "_Collate", workers: int) -> Iterator[Any]:
    with warnings.catch_warnings():  # more workers than cores is the user's choice: disks and networks wait too
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        loader = DataLoader(
            reader,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=collate,
            worker_init_fn=_one_thread,
            generator=torch.Generator(),  # else every pass draws a seed from the user's global random state
        )
        return iter(loader)


def _ended(iterator: Iterator[Any]) -> None:
    """Ends the workers now: an error's traceback keeps the iterator, which else ends them when it is collected."""
    getattr(iterator, "_shutdown_workers", lambda: None)()  # only worker processes have it


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def _arrived(iterator: Iterator[Any]) -> "_Rows | None":
    try:
        rows = next(iterator, None)
    except RuntimeError as error:
        if not any(words in str(error) for words in DEAD):
            raise
        raise RunError("a worker that loads images died, often for want of memory: use fewer workers.") from error
    if isinstance(rows, SeealikeError):
        raise rows
    return rows


@dataclass(frozen=True)
class _Row:
    id: str
    inputs: dict[str, Tensor]
    label: int | None


@dataclass(frozen=True)
class _Rows:
    ids: tuple[str, ...]
    inputs: dict[str, Tensor]
    labels: Tensor | None
    failed: tuple[Failure, ...]


@dataclass(frozen=True)
class _Reader(Dataset):
    """One image, ready for every model, or why not. Errors are values: DataLoader would wrap them in its own."""

    images: Readable
    transforms: dict[str, Callable]

    def __getitem__(self, index: Any) -> _Row | Failure | SeealikeError:
        try:
            image, label = self.images.item(index)
        except CorruptImage as error:
            return Failure(error.id, error.reason)
        except SeealikeError as error:
            return error
        if isinstance(image, Tensor):
            inputs = dict.fromkeys(self.transforms, image)
        else:
            inputs = {text: transform(image) for text, transform in self.transforms.items()}
        return _Row(self.images.id(index), inputs, label)


@dataclass(frozen=True)
class _Collate:
    names: dict[str, str]  # of a model for every preprocessing, to be told what to change

    def __call__(self, items: list[_Row | Failure | SeealikeError]) -> _Rows | SeealikeError:
        for error in items:
            if isinstance(error, SeealikeError):
                return error
        rows = [row for row in items if isinstance(row, _Row)]
        failed = tuple(failure for failure in items if isinstance(failure, Failure))
        try:
            return _Rows(tuple(row.id for row in rows), self._inputs(rows), _labels(rows), failed)
        except RunError as error:
            return error

    def _inputs(self, rows: list[_Row]) -> dict[str, Tensor]:
        """One stack for each text; images that came as tensors are one stack for all texts."""
        stacks: dict[tuple[int, ...], Tensor] = {}
        inputs = {}
        for text, name in self.names.items() if rows else ():
            tensors = [row.inputs[text] for row in rows]
            key = tuple(map(id, tensors))
            stacks[key] = inputs[text] = stacks[key] if key in stacks else _stack(tensors, name)
        return inputs


def _stack(tensors: list[Tensor], name: str) -> Tensor:
    for tensor in tensors:
        if tensor.shape != tensors[0].shape:
            sizes = " and ".join("x".join(map(str, each.shape[-2:])) for each in (tensors[0], tensor))
            raise RunError(
                f"the images differ in size ({sizes}): give the model a size, for example size = 224 in [models.{name}]"
            )
    return torch.stack(tensors)


def _labels(rows: list[_Row]) -> Tensor | None:
    if all(row.label is None for row in rows):
        return None
    return torch.tensor([-1 if row.label is None else row.label for row in rows])
