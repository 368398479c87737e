"""Models from a function of the user's: `file.py:function`, called with the options."""

from pathlib import Path
from typing import Any

from torch import nn

from seealike.errors import StudyError, closest
from seealike.images.paths import missing
from seealike.images.preprocessing import plain
from seealike.images.written import _importing, _module, _tried
from seealike.models.built import CHANNELS, Built, Wanted


def build(wanted: Wanted, folder: Path) -> Built:
    """What the function returns; its images are cut plainly, to the size that the study says."""
    file, _, function = wanted.name.rpartition(":")
    made = _called((folder / file).expanduser().absolute(), function, wanted)
    if not isinstance(made, nn.Module):
        raise StudyError(f"{wanted.said} returned a {type(made).__name__}: the function must return a torch.nn.Module.")
    return Built(made, plain(wanted.size, wanted.mean, wanted.std), CHANNELS, f"as {wanted.said} makes them")


def _called(path: Path, function: str, wanted: Wanted) -> Any:
    """As functions for images are called, but with the options."""
    if not path.is_file():
        raise StudyError(f"{wanted.said}: {missing(path)}")
    with _importing(path.parent):
        module = _tried(lambda: _module(path), wanted.said)
        made = getattr(module, function, None)
        if not callable(made):
            names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
            raise StudyError(f"{wanted.said}: no function {function!r} in {path.name}. {closest(function, names)}")
        return _tried(lambda: made(**wanted.options), wanted.said)
