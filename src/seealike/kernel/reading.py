"""Readings of a question: from all images, and with each group of batches left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from seealike.errors import RunError
from seealike.kernel.folding import FEWEST_GROUPS, Totals, merged
from seealike.kernel.values import Measure, State, Statistic
from seealike.maths.jackknife import jackknife

LARGEST = 1 << 16  # numbers in a variable whose leave-outs are kept with the answer


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
        for name, v in self.whole.data_vars.items():
            if v.dtype.kind in "fiu":
                answer[f"{name}_se"] = v.dims, self._error(str(name)), {"long_name": f"standard error of {name}"}
        return answer.assign_attrs(images_seen=sum(self.sizes))

    @property
    def leave_outs(self) -> xr.Dataset | None:
        """Readings without each group (`group`, ...), for whatever is concluded from several of them together."""
        if not self.left_out:
            return None
        small = [n for n, v in self.whole.data_vars.items() if v.dtype.kind in "fiu" and v.size <= LARGEST]
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
        return Reading(answer, tuple(measure.read(*s) for s in _leave_one_out(needs, sums)), sizes)
    if all(s.grouped for s in needs):
        note = f"no standard errors: {len(used)} batches, at least {FEWEST_GROUPS} are needed"
        answer.attrs["notes"] = [*answer.attrs.get("notes", []), note]
    return Reading(answer, (), sizes)


def _leave_one_out(needs: Sequence[Statistic], sums: list[list[State]]) -> Iterable[list[State]]:
    """Totals without each group in turn, from sums before it and sums after it."""
    before, after = [sums[0]], [sums[-1]]
    for one, other in zip(sums[1:-1], sums[-2:0:-1], strict=True):
        before.append(merged(needs, [before[-1], one]))
        after.append(merged(needs, [after[-1], other]))
    yield after[-1]
    for i in range(1, len(sums) - 1):
        yield merged(needs, [before[i - 1], after[len(sums) - 2 - i]])
    yield before[-1]
