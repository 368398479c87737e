"""The network that is asked what a reconstruction shows."""

from dataclasses import dataclass

from seealike.errors import StudyError
from seealike.kernel import Sources
from seealike.maths.colours import Colours


@dataclass(frozen=True)
class Judge:
    """Another network that says what a picture shows: its last tensor, and what brought colours to its input."""

    source: str  # the model
    tensor: str
    colours: Colours | None


def judge_of(name: str, shape: tuple[int, ...], sources: Sources) -> Judge:
    """Refused where it takes images of another size, or names no classes."""
    (model,) = sources.models(name)[:1]
    if sources.layer(model, "input").shape != shape:
        raise StudyError(f'judge = "{name}" takes images of another size than those that are reconstructed.')
    last = sources.select(f"{model}:**")[-1]
    if len(sources.layer(model, last.tensor).shape) != 1:
        raise StudyError(f'judge = "{name}": its last tensor, {last.tensor}, is no list of classes.')
    return Judge(model, last.tensor, sources.known_colours(model))
