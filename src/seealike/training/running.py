"""One training from its recipe to its files."""

import sys
import time
from pathlib import Path

import torch

from seealike.errors import StudyError
from seealike.plan.machine import Machine
from seealike.training.augmentation import Augmentation
from seealike.training.checkpoints import Checkpoints
from seealike.training.examples import Labelled, opened
from seealike.training.feeding import feed
from seealike.training.fitting import fit
from seealike.training.network import Trainee, trainee
from seealike.training.objective import objective
from seealike.training.recipe import Recipe
from seealike.training.scoring import accuracy, agreement
from seealike.training.steps import Steps
from seealike.training.writing import Result, Trained, mark, state, write


def run(recipe: Recipe, weights: Path, card: Path, device: str, workers: int, every: int | None) -> Trained:
    """The result of a recipe, made or carried on from where it was left."""
    began = time.monotonic()
    settings, where = recipe.training, _device(device, recipe.training.precision)
    learner = trainee(recipe)
    classes = None if settings.contrastive else learner.classes
    train = opened("train", recipe.train, recipe.folder, recipe.seed, classes)
    test = opened("test", recipe.test, recipe.folder, recipe.seed, classes)
    _refuse_twice(recipe, train)
    steps = Steps(len(train), settings.batch, settings.epochs, recipe.seed)
    fed = feed(train, _augmentation(recipe), learner.size, steps, where, workers, objective(settings).views)
    checkpoints = Checkpoints(weights.with_suffix(".ckpt"), mark(recipe, train.images.fingerprint), every)
    _tell(checkpoints)
    if len(steps):
        logs = weights.with_name(f"{weights.stem}-logs")
        fit(weights.stem, learner, fed, settings, learner.built.preprocessing, checkpoints, logs, where)
    scored = _scored(recipe, learner, test, where, workers)
    parameters = sum(p.numel() for p in learner.module.parameters())
    seen, seconds = len(fed.steps) * settings.batch, round(time.monotonic() - began, 1)
    result = Result(
        **scored, tested=test.words, trained=train.words, images_seen=seen, parameters=parameters, seconds=seconds
    )
    written = write(weights, card, recipe, result, state(learner.module, settings.half))
    checkpoints.drop()
    return written


def _augmentation(recipe: Recipe) -> Augmentation:
    return Augmentation(recipe.training.augment, recipe.training.shift, recipe.training.colour)


def _refuse_twice(recipe: Recipe, train: Labelled) -> None:
    """To a contrastive training, views of one image that do not belong together would be those of two."""
    if recipe.training.contrastive and recipe.training.batch > len(train):
        raise StudyError(
            f"training.batch = {recipe.training.batch}: an image may be in a batch once, and images.train are "
            f"{len(train):,}. Write batch = {len(train)} or less, or take more images."
        )


def _scored(recipe: Recipe, learner: Trainee, test: Labelled, where: torch.device, workers: int) -> dict[str, float]:
    """How well the network does, with the weights that its file will hold, what it was trained to do."""
    settings, preprocessing = recipe.training, learner.built.preprocessing
    answers, aim = _as_written(learner, settings.half), objective(settings)
    if aim.views == 1:
        share = accuracy(answers, preprocessing, test, where, workers)
    else:
        once = Steps(len(test), min(settings.batch, len(test)), 1, recipe.seed)
        views = feed(test, _augmentation(recipe), learner.size, once, where, workers, aim.views)
        share = agreement(answers, preprocessing, views, where)
    return {aim.score: round(share, 6)}


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
