"""Sums as named tensors, as they are written to a file and sent to another process."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from seealike.images.batch import Failure, Seen
from seealike.kernel import GROUPS, State, Statistic, Totals

Names = Mapping[Statistic, str]  # what each statistic is called, the same in every process and run


@dataclass(eq=False)
class Summed:
    """The totals of some batches of a pass, and which batches these are."""

    totals: Totals = field(default_factory=Totals)
    seen: Seen = field(default_factory=Seen)

    def join(self, other: "Summed") -> None:
        """What was summed of other batches."""
        self.totals.join(other.totals)
        self.seen.join(other.seen)


def packed(summed: Summed, names: Names) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors `group/statistic/key`, contiguous, none a part of another, and beside them texts."""
    tensors: dict[str, Tensor] = {"batches": torch.tensor(sorted(summed.seen.batches), dtype=torch.int64)}
    for g, statistic, state in _states(summed.totals):
        tensors |= {f"{g}/{names[statistic]}/{key}": _whole(value) for key, value in state.items()}
    images = [[g, names[s], count] for g, group in enumerate(summed.totals.images) for s, count in group.items()]
    failures = {number: [asdict(f) for f in some] for number, some in summed.seen.failures.items()}
    elsewhere = [key for key, value in tensors.items() if value.device.type != "cpu"]
    return tensors, {
        "statistics": json.dumps(sorted(names.values())),
        "images": json.dumps(images),
        "seen": str(summed.seen.images),
        "failures": json.dumps(failures),
        "elsewhere": json.dumps(elsewhere),
    }


def unpacked(tensors: Mapping[str, Tensor], texts: Mapping[str, str], names: Names, device: str) -> Summed | None:
    """What was packed, on a device where it was on one; None where it lacks a statistic of `names`."""
    if not holds(texts, names):
        return None
    called = {name: statistic for statistic, name in names.items()}
    elsewhere = set(json.loads(texts["elsewhere"]))
    totals = Totals()
    for key, value in tensors.items():
        g, _, rest = key.partition("/")
        name, _, part = rest.partition("/")
        if name in called:
            state = totals.groups[int(g)].setdefault(called[name], {})
            state[part] = value.to(device) if key in elsewhere else value.clone()  # sums are added to in place
    for g, name, count in json.loads(texts["images"]):
        if name in called:
            totals.images[g][called[name]] = count
    return Summed(totals, Seen(batches_of(tensors), int(texts["seen"]), _failures(json.loads(texts["failures"]))))


def holds(texts: Mapping[str, str], names: Names) -> bool:
    """Whether all these sums are in what was packed."""
    return set(names.values()) <= set(json.loads(texts["statistics"]))


def batches_of(tensors: Mapping[str, Tensor]) -> set[int]:
    """The numbers of the batches that are in what was packed."""
    return set(tensors["batches"].tolist())


def parts(summed: Summed) -> Iterator[Summed]:
    """The same, group by group: no more than one is anywhere twice."""
    for g in range(GROUPS):
        part = Summed(seen=summed.seen if g == 0 else Seen())
        part.totals.groups[g], part.totals.images[g] = summed.totals.groups[g], summed.totals.images[g]
        yield part


def _states(totals: Totals) -> Iterator[tuple[int, Statistic, State]]:
    for g, group in enumerate(totals.groups):
        for statistic, state in group.items():
            yield g, statistic, state


def _whole(value: Tensor) -> Tensor:
    value = value.detach().contiguous()
    alone = value.untyped_storage().nbytes() == value.numel() * value.element_size()
    return value if alone else value.clone()


def _failures(written: Mapping[str, Any]) -> dict[int, tuple[Failure, ...]]:
    return {int(number): tuple(Failure(**f) for f in some) for number, some in written.items()}
