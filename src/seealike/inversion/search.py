"""The search for pictures that a layer sees as it sees given ones: many at once, every row by itself."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import torch
from torch import Tensor

from seealike.inversion.moving import rule
from seealike.inversion.priors import Numbers, Prior, prior
from seealike.inversion.settings import TRIED, Settings

LOGGED = 500  # points of a trace, at most, beside its beginning
FEWEST = 10  # iterations in which a step is tried
REASONS = ("iterations", "reached", "stalled", "diverged")  # why a search ended
ITERATIONS, REACHED, STALLED, DIVERGED = range(len(REASONS))

Tell = Callable[[int], object]  # how many iterations of rows were done


@dataclass(frozen=True, eq=False)
class Problem:
    """What is searched, row by row: pictures that `see` maps to `targets`; `images` are those that gave the targets."""

    see: Callable[[Tensor], Tensor]  # rows x channels x height x width -> rows x whatever the layer is
    images: Tensor
    targets: Tensor

    @cached_property
    def squares(self) -> Tensor:
        """The squared norm of each target."""
        return _each(self.targets.square())

    def of(self, rows: Tensor) -> "Problem":
        return replace(self, images=self.images[rows], targets=self.targets[rows])


@dataclass(eq=False)
class Found:
    """The nearest picture that each row came by, its last one, and how it went there.

    `near` is the distance in the layer, ||O(a) - O(a_g)||, `far` that of the pictures, ||a - a_g||; traces are rows x
    points, at the iterations `logged`, and stay at the last value of a row that has ended.
    """

    best: Tensor
    last: Tensor
    near: Tensor
    near_last: Tensor
    far: Tensor
    far_last: Tensor
    best_at: Tensor
    count: Tensor  # iterations done
    reason: Tensor
    step: Tensor
    trace_near: Tensor
    trace_far: Tensor
    logged: Tensor

    @staticmethod
    def nothing(starts: Tensor, steps: Tensor, iterations: int) -> "Found":
        logged = torch.tensor(points(iterations))
        shapes = {
            **dict.fromkeys(("best", "last"), starts),
            **dict.fromkeys(("near", "near_last", "far", "far_last"), torch.full_like(steps, math.inf)),
            **dict.fromkeys(("best_at", "count", "reason"), torch.zeros_like(steps, dtype=torch.long)),
            **dict.fromkeys(("trace_near", "trace_far"), steps.new_full((len(steps), len(logged)), math.inf)),
            "step": steps,
        }
        return Found(**{name: like.clone() for name, like in shapes.items()}, logged=logged)

    @staticmethod
    def together(parts: Sequence["Found"]) -> "Found":
        """The rows of several."""
        each = {f.name: [getattr(part, f.name) for part in parts] for f in fields(Found)}
        return Found(**{name: torch.cat(several) for name, several in each.items()} | {"logged": parts[0].logged})

    def note(self, rows: Tensor, i: int, pictures: Tensor, near: Tensor, far: Tensor) -> None:
        """Where these rows are before iteration `i`."""
        finite = near.isfinite()  # the last is the last that can be looked at
        self.count[rows] = i
        here = rows[finite]
        self.last[here], self.near_last[here], self.far_last[here] = pictures[finite], near[finite], far[finite]
        nearer = near < self.near[rows]
        here = rows[nearer]
        self.best[here], self.near[here], self.far[here] = pictures[nearer], near[nearer], far[nearer]
        self.best_at[here] = i
        point = int(torch.searchsorted(self.logged, i))
        self.trace_near[rows, point:], self.trace_far[rows, point:] = near[:, None], far[:, None]


def search(problem: Problem, starts: Tensor, settings: Settings, tell: Tell = lambda count: None) -> Found:
    """From every start, with the step that is asked for or the one that does best; no row is moved by another."""
    given = starts.new_full((len(starts),), settings.steps[0])
    steps = _steps(problem, starts, settings, tell) if settings.searched else given
    return _search(problem, starts, steps, settings, settings.iterations, tell)


def points(iterations: int) -> list[int]:
    """The iterations that a trace shows: all of up to 500, evenly spaced of more, and the end.

    >>> points(3), points(1200)[:3], points(1200)[-1]
    ([0, 1, 2, 3], [0, 3, 6], 1200)
    """
    return [*range(0, iterations, max(1, -(-iterations // LOGGED))), iterations]


def length(settings: Settings) -> int:
    """How many iterations a row takes at most, those included in which steps are tried."""
    tried = len(TRIED[settings.rule]) * _trial(settings) if settings.searched else 0
    return tried + settings.iterations


def _steps(problem: Problem, starts: Tensor, settings: Settings, tell: Tell) -> Tensor:
    """For each row the step, of those that are tried, that comes nearest in the first tenth of the iterations."""
    steps = starts.new_tensor(TRIED[settings.rule])
    tried = [
        _search(problem, starts, step.expand(len(starts)).clone(), settings, _trial(settings), tell).near
        for step in steps
    ]
    return steps[torch.stack(tried).argmin(0)]


def _trial(settings: Settings) -> int:
    return max(FEWEST, settings.iterations // 10)


def _search(problem: Problem, starts: Tensor, steps: Tensor, settings: Settings, iterations: int, tell: Tell) -> Found:
    written, mover = prior(settings, starts), rule(settings.rule, settings.steps)
    numbers = written.begin(starts)
    state = mover.begin(numbers, steps)
    found = Found.nothing(starts, steps, iterations)
    rows = torch.arange(len(starts), device=starts.device)
    for i in range(iterations + 1):
        pictures, near, slopes = _looked(problem, written, numbers, settings, slope=i < iterations)
        found.note(rows, i, pictures, near, (pictures - problem.images).flatten(1).norm(dim=1))
        if i == iterations:
            break
        tell(len(rows))
        reason = _ended(near, problem, mover.stalled(state), settings)
        found.reason[rows] = reason
        numbers = mover.moved(numbers, slopes, state, near, i / iterations)
        numbers = written.moved(numbers, i / iterations)
        if reason.any():  # those go on that have not ended
            tell(int((reason > 0).sum()) * (iterations - i - 1))
            kept = (reason == ITERATIONS).nonzero()[:, 0]
            rows, problem = rows[kept], problem.of(kept)
            numbers, state = tuple(n[kept] for n in numbers), {key: one[kept] for key, one in state.items()}
            if not len(rows):
                break
    return found


def _looked(
    problem: Problem, written: Prior, numbers: Numbers, settings: Settings, slope: bool
) -> tuple[Tensor, Tensor, Numbers]:
    """The pictures, how far they are in the layer, and how the objective falls with the numbers they are made of."""
    numbers = tuple(n.detach().requires_grad_(slope) for n in numbers)
    with torch.set_grad_enabled(slope):
        pictures = written.picture(numbers)
        apart = problem.see(pictures) - problem.targets
        squares = _each(apart.square())
        near = squares.detach().sqrt()
        if not slope:
            return pictures.detach(), near, ()
        if settings.mode == "paper":
            objective = _each(apart.abs())
        else:
            objective = squares / problem.squares.clamp_min(torch.finfo(apart.dtype).tiny) + written.penalty(pictures)
        slopes = torch.autograd.grad(objective.sum(), numbers, allow_unused=True, materialize_grads=True)
    return pictures.detach(), near, slopes


def _each(numbers: Tensor) -> Tensor:
    """The sum of each row; laid out as they lie, as gradients in another layout cost a network a third of its time."""
    return numbers.sum(tuple(range(1, numbers.ndim)))


def _ended(near: Tensor, problem: Problem, stalled: Tensor, settings: Settings) -> Tensor:
    """The number of the reason why each row has ended, 0 for those that go on; as published, all go on."""
    reason = torch.where(near.isfinite(), ITERATIONS, DIVERGED)
    if settings.mode == "paper":
        return reason
    reached = near.square() <= settings.tolerance * problem.squares
    return torch.where(reached, REACHED, torch.where(stalled & (reason == ITERATIONS), STALLED, reason))
