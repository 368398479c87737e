"""What is asked of a library for one model, and what it gives."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from seealike.errors import StudyError
from seealike.images.preprocessing import Preprocessing

Size = int | tuple[int, int]
CHANNELS = 3  # images are decoded to RGB


@dataclass(frozen=True)
class Wanted:
    """A model as its library knows it by `name`; `said` is how the user wrote it."""

    said: str
    name: str
    options: dict[str, Any]
    pretrained: bool = True
    size: Size | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    new_head: bool = False  # are trained weights taken without their head?

    def option_size(self, *keys: str) -> Size | None:
        """The image size among the options, under the first of these keys that is given."""
        given = next((self.options[key] for key in keys if self.options.get(key) is not None), None)
        return (given[0], given[1]) if isinstance(given, list | tuple) else given


@dataclass(frozen=True, eq=False)
class Built:
    """A network in evaluation mode, what its images go through, and in words where its weights come from.

    `edits` are yet to be made: they are edits of its graph.
    """

    module: nn.Module = field(repr=False)
    preprocessing: Preprocessing
    channels: int
    weights: str
    edits: tuple[str, ...] = ()


def pair(size: Size) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def refuse_channels(said: str, channels: Any) -> None:
    """Images are RGB, so a network of another number of channels has nothing to look at."""
    if channels == 1:
        raise StudyError(f"{said} takes greyscale images (1 channel), which is not supported yet: images are RGB.")
    if channels not in (None, CHANNELS):
        raise StudyError(f"{said} takes images of {channels} channels, but images are RGB: build it for 3.")


def refuse_colours(wanted: Wanted, own: Preprocessing) -> None:
    """A mean and a deviation beside those a model brings would be ignored in silence."""
    if wanted.mean is not None or wanted.std is not None:
        raise StudyError(
            f"{wanted.said} brings its own mean and std (mean {own.mean}, std {own.std}): leave mean and std out, or "
            'build it in a file of your own, source = "FILE.py:FUNCTION".'
        )


def misfit(wanted: Wanted, error: Exception) -> StudyError:
    """The library's own words for what it could not build, beside what was asked."""
    given = ", ".join(f"{key} = {value!r}" for key, value in wanted.options.items())
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = f"{type(error).__name__}: {' '.join(lines[:3])[:300]}"
    works = " or pretrained = false (untrained weights)" if wanted.pretrained else ""
    asked = f"options = {{ {given} }}" if given else "no options"
    return StudyError(f"{wanted.said} cannot be built with {asked}: {reason}. What would work: other options{works}.")
