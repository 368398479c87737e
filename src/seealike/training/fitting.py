"""The training itself, by Lightning: the only file that imports it."""

import csv
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from seealike.images.preprocessing import Preprocessing
from seealike.training.chance import hashed
from seealike.training.checkpoints import Checkpoints
from seealike.training.feeding import Batch, Feed
from seealike.training.network import Trainee, logits
from seealike.training.objective import objective
from seealike.training.optimizing import Together, optimizer, share
from seealike.training.recipe import Settings
from seealike.training.scoring import normalised

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about what its own parts have deprecated
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

PRECISION = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
LOGGED = 20  # steps from one line of the logs to the next


class Lesson(LightningModule):
    """What Lightning trains: the network on the batches of a feed."""

    def __init__(self, trainee: Trainee, feed: Feed, settings: Settings, preprocessing: Preprocessing, mark: str):
        LightningModule.__init__(self)
        self.network = trainee.trained
        self.feed, self.settings, self.preprocessing, self.mark = feed, settings, preprocessing, mark
        self.seed, self.objective = feed.steps.seed, objective(settings)

    def configure_optimizers(self) -> Together:
        return optimizer(self.network, self.settings)

    def train_dataloader(self) -> "Since":
        return Since(self.feed, self.global_step)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, labels = batch
        step, steps = self.global_step, len(self.feed.steps)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["peak"] * share(step, steps, self.settings)
        torch.manual_seed(_seed(self.seed, step))  # so that what a network drops is the same after a resumption
        guess = logits(self.network(normalised(images, self.preprocessing))).float()
        loss = self.objective.loss(guess, labels)
        if step % LOGGED == 0 or step == steps - 1:
            self.told(step, loss, guess, labels)
        return loss

    def told(self, step: int, loss: Tensor, guess: Tensor, labels: Tensor) -> None:
        right = float(self.objective.right(guess, labels).float().mean())
        epoch = step * self.feed.steps.batch / self.feed.steps.count
        told = {"loss": float(loss.detach()), self.objective.score: right, "epoch": epoch}
        told["rate"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        for logger in self.loggers:
            logger.log_metrics(told, step)
            logger.save()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seealike"] = self.mark


class Since:
    """The batches from a step on, as Lightning asks for them."""

    def __init__(self, feed: Feed, step: int):
        self.feed, self.step = feed, step

    def __iter__(self) -> Iterator[Batch]:
        return self.feed.since(self.step)


class Keeping(Callback):
    """Keeps checkpoints while training goes on."""

    def __init__(self, checkpoints: Checkpoints):
        self.checkpoints = checkpoints

    def on_train_batch_end(self, trainer: Trainer, *_) -> None:
        if self.checkpoints.due(trainer.global_step) and trainer.global_step < trainer.max_steps:
            self.checkpoints.keep(trainer.save_checkpoint)


class Bar(Callback):
    """Images and images a second, and the loss."""

    def __init__(self, name: str, batch: int):
        self.name, self.batch = name, batch

    def on_train_start(self, trainer: Trainer, *_) -> None:
        counted: dict[str, Any] = {"unit": " images", "unit_scale": self.batch}
        self.bar = tqdm(
            total=trainer.max_steps, initial=trainer.global_step, desc=self.name, leave=False, delay=1, **counted
        )

    def on_train_batch_end(self, trainer: Trainer, _, outputs: Any, *__) -> None:
        if trainer.global_step % LOGGED == 0:
            self.bar.set_postfix(loss=f"{float(outputs['loss']):.2f}", refresh=False)
        self.bar.update()

    def teardown(self, *_, **__) -> None:
        if hasattr(self, "bar"):
            self.bar.close()


def fit(
    name: str,
    trainee: Trainee,
    feed: Feed,
    settings: Settings,
    preprocessing: Preprocessing,
    checkpoints: Checkpoints,
    logs: Path,
    device: torch.device,
) -> None:
    """Train the network from where the last checkpoint left it to its last step."""
    lesson = Lesson(trainee, feed, settings, preprocessing, checkpoints.mark)
    start = checkpoints.found
    with _quiet(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        trainer = Trainer(
            max_steps=len(feed.steps),
            max_epochs=1,  # to Lightning all is one epoch: which images a step sees is ours to say
            accelerator={"cpu": "cpu", "mps": "mps"}.get(device.type, "gpu"),
            devices=1 if device.index is None else [device.index],
            precision=PRECISION[settings.precision],  # type: ignore[arg-type]
            logger=_loggers(logs, checkpoints.step),
            callbacks=[Keeping(checkpoints), Bar(name, settings.batch)],
            plugins=[LightningEnvironment()],  # not what a cluster's variables say: one process
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        trainer.fit(lesson, ckpt_path=start, weights_only=True if start else None)
    trainee.trained.to(device)  # from where Lightning takes it back


def _loggers(folder: Path, step: int) -> list:
    """One table and one TensorBoard folder, which a resumed training carries on from its step."""
    before = _logged(folder / "metrics.csv", step)
    table = CSVLogger(folder.parent, folder.name, version="")
    table.experiment.metrics.extend(before)
    return [table, TensorBoardLogger(folder.parent, folder.name, version="", purge_step=step)]


def _logged(path: Path, step: int) -> list[dict[str, Any]]:
    """The lines of an earlier run that come before this step."""
    if not (step and path.is_file()):
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if row.get("step", "").isdecimal() and int(row["step"]) < step]


def _seed(seed: int, step: int) -> int:
    return int(hashed([f"{seed} step {step}"])[0] >> 1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning tells of its machine, of its tips and of what it would do otherwise."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
