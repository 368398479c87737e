"""Models from a function of the user's: `file.py:function`, called with the options."""

from pathlib import Path

from torch import nn

from seealike.errors import StudyError
from seealike.images.preprocessing import plain
from seealike.images.written import call
from seealike.models.sources.built import CHANNELS, Built, Wanted


def build(wanted: Wanted, folder: Path) -> Built:
    """What the function returns; its images are cut plainly, to the size that the study says."""
    made = call(wanted.name, folder, wanted.options)
    if not isinstance(made, nn.Module):
        raise StudyError(f"{wanted.said} returned a {type(made).__name__}: the function must return a torch.nn.Module.")
    return Built(made, plain(wanted.size, wanted.mean, wanted.std), CHANNELS, f"as {wanted.said} makes them")
