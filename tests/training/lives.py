"""Trainings in processes of their own, which can be killed. A server that has imported everything forks them."""

import multiprocessing
import os
import signal
import sys
import traceback
from pathlib import Path

import torch

from seealike.training import fitting, load_recipe, train

EVERY = 3  # steps from one checkpoint to the next


def begun(recipe: Path, out: Path, told: Path, death: int | str | None = None, logged: int = 20) -> int | None:
    """How a process ended that trained and died, if it did, at this step of the optimiser, or while it wrote."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["seealike.training.running", "torch.utils.tensorboard"])
    process = context.Process(target=life, args=(recipe, out, told, death, logged))
    process.start()
    process.join()
    return process.exitcode


def life(recipe: Path, out: Path, told: Path, death: int | str | None, logged: int) -> None:
    torch.set_num_threads(1)
    fitting.LOGGED = logged
    with told.open("a") as sys.stderr:
        if death == "before the renaming":
            Path.replace = deadly(Path.replace, 2)
        elif death == "in the middle of the file":
            fitting.Trainer.save_checkpoint = deadly(fitting.Trainer.save_checkpoint, 2, half)
        elif death:
            torch.optim.AdamW.step = deadly(torch.optim.AdamW.step, death)
        try:
            train(load_recipe(recipe), out, "net", every=EVERY)
        except BaseException:
            traceback.print_exc()
            raise


def deadly(function, at, after=None):
    """The function, but in its call number `at` the process dies: before it does anything, or `after` it has."""
    calls = []

    def wrapped(*args, **kwargs):
        calls.append(args)
        if len(calls) == at:
            if after:
                function(*args, **kwargs)
                after(*args)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return wrapped


def half(_, path):
    os.truncate(path, path.stat().st_size // 2)
