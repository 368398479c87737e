"""The laws a statistic must keep, so that any cut of the images, in any order, on any machine, gives one answer."""

import copy
import random
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from seealike.kernel import State, Statistic, Sum

Batch = Sequence[Tensor] | State

ORDERS = 8  # of the batches, each cut anew
# What summing in another order may change, of the largest number of a tensor.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def check(statistic: Statistic, batches: Sequence[Batch], images: bool = False) -> None:
    """Raises AssertionError, naming the law, where `statistic` breaks one over these batches (three or more).

    A batch is what the taps of the statistic show of it, in their order, or a ready state. The laws: merging changes
    neither of the two; a + b = b + a, also where `add` makes it in place of a; (a + b) + c = a + (b + c); so any cut of
    the batches, in any order, has the same total. With `images`, also any cut of the images into batches: true of a
    mean, not of what compares the images of a batch with each other.

    >>> from seealike.kernel import Tap
    >>> from seealike.statistics.average import Average
    >>> rows = torch.arange(12.0).reshape(6, 2)
    >>> check(Average(Tap("vit", "head")), [(rows[:3],), (rows[3:4],), (rows[4:],)], images=True)
    >>> class Last(Average):
    ...     def merge(self, a, b):
    ...         return b
    >>> check(Last(Tap("vit", "head")), [(rows[:3],), (rows[3:4],), (rows[4:],)])
    Traceback (most recent call last):
    AssertionError: Last: a + b is not b + a ("count" differs by 2)
    """
    if len(batches) < 3:
        raise ValueError("the laws are of three batches or more")
    name = type(statistic).__name__
    states = [state for batch in batches if (state := _state(statistic, batch)) is not None]
    if len(states) < 2:
        return  # batches too small for this statistic add nothing
    for a, b, c in zip(states, states[1:], states[2:], strict=False):
        kept = [{key: value.clone() for key, value in state.items()} for state in (a, b)]
        both = statistic.merge(a, b)
        _same(f"{name}: merging changes what is merged", kept[0], a)
        _same(f"{name}: merging changes what is merged", kept[1], b)
        _same(f"{name}: a + b is not b + a", both, statistic.merge(b, a))
        # a copy whose tensors share memory where those of the state do
        _same(f"{name}: b added to a is not a + b", both, statistic.add(copy.deepcopy(a), b))
        either = statistic.merge(a, statistic.merge(b, c))
        _same(f"{name}: (a + b) + c is not a + (b + c)", statistic.merge(both, c), either)
    total = _total(statistic, states)
    for seed in range(ORDERS):
        _same(f"{name}: another order and cut has another total", total, _cut(statistic, states, random.Random(seed)))
    if images:
        joined = [torch.cat(tensors) for tensors in zip(*batches, strict=True)]
        _same(f"{name}: another cut of the images has another total", total, _state(statistic, joined) or {})


def _state(statistic: Statistic, batch: Batch) -> State | None:
    if isinstance(batch, Mapping):
        return dict(batch)
    if not isinstance(statistic, Sum):
        raise ValueError(f"{type(statistic).__name__} is not lifted from what taps show: give its states")
    return statistic.lift(*batch)


def _total(statistic: Statistic, states: Sequence[State]) -> State:
    total = states[0]
    for state in states[1:]:
        total = statistic.merge(total, state)
    return total


def _cut(statistic: Statistic, states: Sequence[State], chance: random.Random) -> State:
    """The total in another order: some first merged among themselves, as ranks and groups do."""
    states = chance.sample(states, len(states))
    cut = chance.randint(1, len(states) - 1)
    return statistic.merge(_total(statistic, states[cut:]), _total(statistic, states[:cut]))


def _same(law: str, a: State, b: State) -> None:
    if a.keys() != b.keys():
        raise AssertionError(f"{law} (keys {sorted(a)} and {sorted(b)})")
    for key in a:
        if a[key].shape != b[key].shape:
            raise AssertionError(f'{law} ("{key}" is of another shape)')
        if a[key].numel():
            one, other = a[key].double(), b[key].double()
            apart, largest = float((one - other).abs().max()), float(one.abs().max())
            if not apart <= TOLERANCE.get(a[key].dtype, 0) * largest:
                raise AssertionError(f'{law} ("{key}" differs by {apart:.3g})')
