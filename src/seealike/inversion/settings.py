"""How an image is searched for: what is lowered, by which steps, from where, and when it ends."""

from dataclasses import dataclass
from typing import Literal

from seealike.errors import StudyError, closest

MODES = ("strict", "paper")
PRIORS = ("none", "blur", "tv", "fourier", "dip")
OPTIMIZERS = ("adam", "descent")
STARTS = ("bright", "grey", "near")
# What is tried for each image where no step is given: learning rates of Adam; of `descent` how far a step moves a pixel
# (root mean square); of the published code the factor of the summed gradient.
TRIED = {
    "adam": (0.1, 0.03, 0.01, 0.003),
    "descent": (0.1, 0.03, 0.01, 0.003),
    "plain": (0.05, 0.015, 0.005, 0.0015, 0.0005, 0.00015),
}
PUBLISHED = 0.15 * 0.1  # the factor of the loss times the rate, in Badger's code

Step = float | tuple[float, float] | Literal["search"] | None


@dataclass(frozen=True)
class Settings:
    """How a layer is inverted.

    `mode = "paper"`, Badger's published code: the summed absolute difference, plain gradient descent whose step goes
    from step[0] to step[1], a 3 x 3 blur after every step with `prior = "blur"` (sigma 2.4 to 0.4), and colours given
    to the network without its mean and std. `mode = "strict"`: the squared difference relative to the squared norm,
    colours normalised as the network was trained; "adam" with a cosine, or "descent", whose gradient is normalised for
    each image and whose step is halved where ten iterations brought nothing new.

    `step`: a number, two of them (the first and the last), "search" (the one of several that comes nearest in the
    first tenth of the iterations, for each image and start), None: searched if strict, as published if not.
    `tolerance`: a strict search ends where the relative squared difference is below it. `weight`: that of total
    variation. `shift`: the deviation of the noise on the image that is the reference.
    """

    mode: str = "strict"
    prior: str = "none"
    optimizer: str = "adam"
    iterations: int = 500
    step: Step = None
    starts: tuple[str, ...] = ("bright", "bright", "bright")
    shift: float = 1 / 18
    tolerance: float = 1e-10
    weight: float = 0.01
    seed: int = 0

    def __post_init__(self):
        for key, value, among in (
            ("mode", self.mode, MODES),
            ("prior", self.prior, PRIORS),
            ("optimizer", self.optimizer, OPTIMIZERS),
            *(("starts", start, STARTS) for start in self.starts),
        ):
            if value not in among:
                raise StudyError(f'{key} = "{value}": {closest(value, among)}')
        if self.mode == "paper" and self.prior not in ("none", "blur"):
            raise StudyError(
                f'mode = "paper" knows prior = "none" and "blur"; for "{self.prior}" write mode = "strict".'
            )
        if self.prior in ("fourier", "dip") and self.rule == "descent":
            raise StudyError(f'prior = "{self.prior}" needs optimizer = "adam": its numbers differ in size.')
        if not self.starts:
            raise StudyError("starts = 0: begin at least once.")
        self._refuse_sizes()

    def _refuse_sizes(self) -> None:
        if self.iterations < 1:
            raise StudyError(f"iterations = {self.iterations}: at least 1.")
        if self.step is not None and self.step != "search" and min(self.steps) <= 0:
            raise StudyError(f'step = {self.step}: above 0, two such numbers, or "search".')
        if self.shift <= 0:
            raise StudyError(f"shift = {self.shift}: the deviation of a noise, above 0.")
        if self.weight < 0 or self.tolerance < 0:
            raise StudyError(f"weight = {self.weight}, tolerance = {self.tolerance}: 0 or more.")

    @property
    def rule(self) -> str:
        """By which rule an image is moved."""
        return "plain" if self.mode == "paper" else self.optimizer

    @property
    def searched(self) -> bool:
        return self.step == "search" or (self.step is None and self.mode == "strict")

    @property
    def steps(self) -> tuple[float, float]:
        """The first step and the last, where they are not searched for."""
        if isinstance(self.step, tuple):
            return self.step
        step = self.step if isinstance(self.step, int | float) else PUBLISHED
        return step, step
