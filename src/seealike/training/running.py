"""One training from its recipe to its files."""

import sys
import time
from pathlib import Path

import torch

from seealike.errors import StudyError
from seealike.plan.passes import Machine
from seealike.training.augmentation import Augmentation
from seealike.training.checkpoints import Checkpoints
from seealike.training.examples import opened
from seealike.training.feeding import feed
from seealike.training.fitting import fit
from seealike.training.network import Trainee, trainee
from seealike.training.recipe import Recipe
from seealike.training.scoring import accuracy
from seealike.training.steps import Steps
from seealike.training.writing import Result, Trained, mark, state, write


def run(recipe: Recipe, weights: Path, card: Path, device: str, workers: int, every: int | None) -> Trained:
    """The result of a recipe, made or carried on from where it was left."""
    began = time.monotonic()
    settings, where = recipe.training, _device(device, recipe.training.precision)
    learner = trainee(recipe)
    train = opened("train", recipe.train, recipe.folder, recipe.seed, learner.classes)
    test = opened("test", recipe.test, recipe.folder, recipe.seed, learner.classes)
    steps = Steps(len(train), settings.batch, settings.epochs, recipe.seed)
    augmentation = Augmentation(settings.augment, settings.shift)
    fed = feed(train, augmentation, learner.size, steps, where, workers)
    checkpoints = Checkpoints(weights.with_suffix(".ckpt"), mark(recipe, train.images.fingerprint), every)
    _tell(checkpoints)
    if len(steps):
        logs = weights.with_name(f"{weights.stem}-logs")
        fit(weights.stem, learner, fed, settings, learner.built.preprocessing, checkpoints, logs, where)
    share = accuracy(_as_written(learner, settings.half), learner.built.preprocessing, test, where, workers)
    parameters = sum(p.numel() for p in learner.module.parameters())
    seen, seconds = len(fed.steps) * settings.batch, round(time.monotonic() - began, 1)
    result = Result(round(share, 6), test.words, train.words, seen, parameters, seconds)
    written = write(weights, card, recipe, result, state(learner.module, settings.half))
    checkpoints.drop()
    return written


def _as_written(learner: Trainee, half: bool):
    """The answers of the network with the weights that its file will hold."""
    learner.module.load_state_dict(state(learner.module, half))
    return learner.answers()


def _tell(checkpoints: Checkpoints) -> None:
    if checkpoints.found:
        print(f"{checkpoints.path}: carried on from step {checkpoints.step:,}", file=sys.stderr)
    elif checkpoints.refused:
        print(f"{checkpoints.path}: {checkpoints.refused}; training begins anew", file=sys.stderr)


def _device(device: str, precision: str) -> torch.device:
    Machine(device)  # refuses what cannot be used here
    where = torch.device(device)
    if precision == "16" and where.type != "cuda":
        raise StudyError(
            f'training.precision = "16" needs a CUDA device, not {device}: write "bf16" or "32", or --device cuda.'
        )
    return where
