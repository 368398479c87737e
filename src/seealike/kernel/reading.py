"""Readings of a question: from all images, and with each group of batches left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, starmap

import numpy as np
import xarray as xr

from seealike.errors import RunError
from seealike.kernel.folding import FEWEST_GROUPS, Totals, merged
from seealike.kernel.values import Measure, State, Statistic
from seealike.maths.jackknife import jackknife

LARGEST = 1 << 16  # numbers in a variable whose leave-outs are kept with the answer
EACH = "image"  # the dimension of what is known of each image by itself: no average, so without a standard error


@dataclass(frozen=True, eq=False)
class Reading:
    """The answer from all images and, where there are groups enough, from all but each; `sizes` are images a group."""

    whole: xr.Dataset
    left_out: tuple[xr.Dataset, ...]
    sizes: tuple[int, ...]

    @property
    def answer(self) -> xr.Dataset:
        """The answer with the standard error `x_se` of each variable `x` of numbers, read from the leave-outs."""
        answer = self.whole.copy()
        for name, v in averages(self.whole).data_vars.items():
            if v.dtype.kind in "fiu":
                answer[f"{name}_se"] = v.dims, self._error(str(name)), {"long_name": f"standard error of {name}"}
        return answer.assign_attrs(images_seen=sum(self.sizes))

    @property
    def leave_outs(self) -> xr.Dataset | None:
        """Readings without each group (`group`, ...), for whatever is concluded from several of them together."""
        if not self.left_out:
            return None
        averaged = averages(self.whole).data_vars.items()
        small = [n for n, v in averaged if v.dtype.kind in "fiu" and v.size <= LARGEST]
        variables = {
            n: (("group", *self.whole[n].dims), np.stack([one[n].values for one in self.left_out])) for n in small
        }
        return xr.Dataset(variables, {"images": ("group", list(self.sizes))})

    def _error(self, name: str) -> np.ndarray:
        value = self.whole[name].values
        if not self.left_out:
            return np.full(value.shape, np.nan)
        return jackknife(value, [one[name].values for one in self.left_out], self.sizes)


def read(measure: Measure, needs: Sequence[Statistic], totals: Totals) -> xr.Dataset:
    """The answer, with the standard error `x_se` of each variable `x`, read from the leave-outs."""
    return reading(measure, needs, totals).answer


def reading(measure: Measure, needs: Sequence[Statistic], totals: Totals) -> Reading:
    """The answer from all images, and from all but each group of batches."""
    used = [g for g, group in enumerate(totals.groups) if all(s in group for s in needs)]
    if not used:
        raise RunError(f"{measure.name}: no batch held enough images that could be read.")
    sums = [[totals.groups[g][s] for s in needs] for g in used]
    sizes = tuple(totals.images[g][needs[0]] for g in used)
    answer = measure.read(*merged(needs, sums))
    if len(used) >= FEWEST_GROUPS:
        # mapped, as a loop would still hold the totals without one group while those without the next are made
        answers = starmap(measure.read, _leave_one_out(needs, sums))
        return Reading(answer, tuple(map(averages, answers)), sizes)
    if all(s.grouped for s in needs):
        note = f"no standard errors: {len(used)} batches, at least {FEWEST_GROUPS} are needed"
        answer.attrs["notes"] = [*answer.attrs.get("notes", []), note]
    return Reading(answer, (), sizes)


def averages(answer: xr.Dataset) -> xr.Dataset:
    """The variables that are read from all images together, without those that have a value for each."""
    return answer.drop_dims(EACH, errors="ignore")


def _leave_one_out(needs: Sequence[Statistic], sums: list[list[State]]) -> Iterator[list[State]]:
    """Totals without each group in turn."""
    each = [_without_each(s, states) for s, states in zip(needs, zip(*sums, strict=True), strict=True)]
    for _ in sums:
        yield [next(totals) for totals in each]


def _without_each(statistic: Statistic, states: Sequence[State]) -> Iterator[State]:
    """The total without each of the states in turn: of what is before it and what is after it.

    Rows are joined anew each time: all that is before and after each would be all rows, as often as there are states.
    """
    if statistic.joins:
        for i in range(len(states)):
            yield statistic.total([*states[:i], *states[i + 1 :]])
        return
    before, after = (list(accumulate(some, statistic.merge)) for some in (states[:-1], states[:0:-1]))
    yield after.pop()
    for one in before[:-1]:
        yield statistic.merge(one, after.pop())
    yield before[-1]
