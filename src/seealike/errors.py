"""What goes wrong, in the user's words: what they wrote, what is wrong, what would work."""

from collections.abc import Iterable
from difflib import get_close_matches


class SeealikeError(Exception):
    """A message to the user; the command line prints it without a traceback and exits with `exit_code`."""

    exit_code = 1


class StudyError(SeealikeError):
    """Known to be wrong before the first pass: nothing was run."""

    exit_code = 2


class RunError(SeealikeError):
    """Met on the way: what was answered stays."""


def not_finite(holder: str) -> RunError:
    """What to say of numbers that cannot be summed; `holder` is who "holds" or "hold" them.

    >>> str(not_finite("conv1 holds")).partition(".")[0]
    'conv1 holds NaN or infinity'
    """
    return RunError(
        f"{holder} NaN or infinity. Look at the images and the weights; half precision overflows above 65504 "
        "(run with --dtype float32)."
    )


def closest(name: str, among: Iterable[str], most: int = 3) -> str:
    """The sentence that helps after an unknown name.

    >>> closest("vit_smal", ["vit_small", "vit_base", "resnet50"])
    'Closest: vit_small, vit_base.'
    >>> closest("mask", ["cka", "rsa"])
    'There are: cka, rsa.'
    """
    among = list(dict.fromkeys(among))
    near = get_close_matches(name, among, n=most, cutoff=0.5)
    if near:
        return f"Closest: {', '.join(near)}."
    shown = ", ".join(among[:10]) + (f", ... ({len(among)} in all)" if len(among) > 10 else "")
    return f"There are: {shown}." if among else "There are none."
