"""A network becomes a graph: traced once by `torch.export`, the user's own module untouched."""

import contextlib
import copy
import io
import logging
import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import Dim, export
from torch.fx import GraphModule

from seealike.errors import StudyError
from seealike.models.regions import open_regions

# One image would be specialised on ("0/1 specialisation"), so a trace sees two.
TRACED_IMAGES = 2


@dataclass(frozen=True, eq=False)
class Trace:
    """A traced network: the graph that runs, and the size of image it was traced for."""

    module: GraphModule
    size: tuple[int, ...]


def trace(module: nn.Module, size: tuple[int, ...], name: str = "the model", training: bool = False) -> Trace:
    """`module` as a graph for images of `size` (channels, height, width), in evaluation mode or to be trained.

    A graph keeps the mode in which it was traced. Its parameters are the module's own; its buffers are copies; the
    module itself keeps its mode, its hooks and its device, and the random state is as before.
    """
    owned = copy_for_reading(module).train(training)
    images = torch.zeros(TRACED_IMAGES, *size, **like(module))
    with quiet(), torch.random.fork_rng(devices=_cuda(images)), torch.enable_grad():
        try:
            program = export(owned, (images,), strict=False, dynamic_shapes=({0: Dim.DYNAMIC},))
        except Exception as error:
            raise StudyError(_refusal(name, size, error)) from error
        _refuse_finite_batches(name, program.range_constraints)
        return Trace(open_regions(program.module(check_guards=False)), tuple(size))


def copy_for_reading(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode that shares the parameters of `module` and owns all else."""
    return copy.deepcopy(module, {id(p): p for p in module.parameters()}).eval()


def like(module: nn.Module) -> dict:
    """Device and floating type of a module's numbers, as keywords for a new tensor."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            return {"device": tensor.device, "dtype": tensor.dtype}
    return {}


def _cuda(images: Tensor) -> list[torch.device]:
    return [images.device] if images.device.type == "cuda" else []


@contextlib.contextmanager
def quiet():
    """Tracing prints pages about what it tries; the reason of a failure is in its exception."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _refuse_finite_batches(name: str, ranges: dict) -> None:
    for allowed in ranges.values():
        if math.isfinite(float(allowed.upper)):
            raise StudyError(
                f"{name} takes another path for other numbers of images (traced for at most {allowed.upper}): "
                "a layer would mean one thing in one batch and another in the next. "
                "Remove the branch on the batch size from its forward."
            )


def _refusal(name: str, size: tuple[int, ...], error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0] if lines else type(error).__name__
    wanted = "x".join(map(str, size))
    return (
        f"{name} cannot be traced with images of size {wanted}: {type(error).__name__}: {reason[:300]}\n"
        "What to try: the size it was made for; an eager attention implementation in place of custom kernels; "
        "no Python branch on the values of tensors in its forward."
    )
