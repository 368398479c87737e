"""Several processes share a run, and answer as one does."""

import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Lock, get_ident

import pytest
from small_study import STUDY, run, same, written

from seealike.answering import run as answer
from seealike.answering.ranks import ALONE, Ranks, processes
from seealike.cli.launching import launched
from seealike.errors import StudyError
from seealike.measures import MEASURES
from seealike.plan import make_plan
from seealike.results import Results
from seealike.statistics.inverted import Inverted
from seealike.study.toml import load_study

ROUNDING = 1e-5  # other sums first, in float32 as in one process; errors are differences of these
STREAM = """
import torch

def batches():
    return (torch.zeros(8, 3, 10, 10) for _ in "ab")
"""
DYING = """
import os, signal
from made import Images

class Dying(Images):
    read = 0

    def __getitem__(self, i):
        Dying.read += i % 2  # even ones are also read to know the images by
        if os.environ.get("RANK") == "1" and Dying.read == 9:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(i)

def images():
    return Dying(0)
"""


def shared(folder: Path, out: str, world: int, *options: str) -> subprocess.CompletedProcess:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(world)]
    command = [*launch, "-m", "seealike", "run", "study.toml", "--out", out, *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("world", [2, pytest.param(3, marks=pytest.mark.long), pytest.param(5, marks=pytest.mark.long)])
def test_several_processes_answer_as_one_does(tmp_path, world):
    """Also where their number does not divide that of the batches, 21."""
    folder = written(tmp_path)
    ended = shared(folder, "several", world)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("several: 5 answers") == 1 and ended.stdout.count("report.html") == 1
    same(run(folder, "one"), Results(folder / "several"), ROUNDING)
    assert Results(folder / "several")["similarity"].attrs["images_seen"] == 84
    assert not (folder / "several" / "partial").exists()


EVERY = """
batch = 8
crop = "shared"
[models.vit]
source = "zoo:vit"
[models.other]
source = "zoo:vit-s1"
[models.resnet]
source = "zoo:resnet"
[images.test]
source = "scenes:104"
split = "test"
[images.train]
source = "scenes:104"
split = "train"
[ask.accuracy]
measure = "accuracy"
models = ["vit", "resnet"]
[ask.attention_distance]
measure = "attention_distance"
model = "vit"
[ask.drift]
measure = "drift"
models = ["other"]
reference = "vit"
[ask.head_cka]
measure = "head_cka"
model = "vit"
b = "resnet:@block"
[ask.image_statistics]
measure = "image_statistics"
model = ["vit"]
layers = ["@block"]
[ask.inversion]
measure = "inversion"
model = "vit"
layers = ["blocks.1"]
take = 4
starts = 1
iterations = 10
step = 0.05
[ask.jacobian]
measure = "jacobian"
model = "resnet"
layers = ["layer2.0"]
take = 2
vectors = 8
method = "randomised"
[ask.localization]
measure = "localization"
model = "vit"
layers = "@block"
[ask.probe]
measure = "probe"
model = "vit"
layers = "@block"
view = "cls"
train = "train"
test = "test"
[ask.receptive_field]
measure = "receptive_field"
model = "resnet"
layers = "@block"
take = 32
[ask.skip_ratio]
measure = "skip_ratio"
model = "vit"
[ask.trajectory]
measure = "trajectory"
models = ["vit", "resnet"]
layers = ["@block"]
distance = "rsa"
view = "mean"
lags = [0.34, 0.5]
""" + "".join(
    f'[ask.{distance}]\nmeasure = "{distance}"\na = "vit:@block"\nb = "resnet:@block"\nview = "mean"\n'
    for distance in ("cka", "imbalance", "mutual_knn", "procrustes", "rsa")
)


@pytest.mark.long
def test_every_measure_is_shared(tmp_path):
    """13 batches, in 3 processes."""
    study = load_study(written(tmp_path, EVERY) / "study.toml")
    assert {ask.measure.name for ask in study.ask.values()} == set(MEASURES)
    ended = shared(tmp_path, "several", 3)
    assert ended.returncode == 0, ended.stderr
    same(run(tmp_path, "one"), Results(tmp_path / "several"), ROUNDING)


SEARCHES = """
batch = 8
[models.vit]
source = "zoo:vit"
[models.resnet]
source = "zoo:resnet"
[images.test]
source = "scenes:32"
[ask.vit]
measure = "inversion"
model = "vit"
layers = ["blocks.0", "blocks.1", "blocks.2"]
take = 2
starts = 1
iterations = 3
step = 0.05
[ask.resnet]
measure = "inversion"
model = "resnet"
layers = ["layer1.0", "layer2.0"]
take = 2
starts = 1
iterations = 3
step = 0.05
"""


@dataclass(frozen=True)
class Threads(Ranks):
    """Processes of a run that are threads: what the first says goes through a list."""

    barrier: Barrier = field(default_factory=lambda: Barrier(1))
    said: dict = field(default_factory=dict)

    def agreed(self, said):
        self.barrier.wait(60)
        if self.first:
            self.said["last"] = said
        self.barrier.wait(60)
        found = self.said["last"]
        self.barrier.wait(60)
        return found

    def gathered(self, summed, names, device):
        self.said[self.rank] = summed
        self.wait()
        for rank in range(1, self.world) if self.first else ():
            summed.join(self.said[rank])
        return summed


def test_searches_are_taken_in_turns(tmp_path, monkeypatch):
    """Each layer's search is of one batch, and one process's; the others search from other layers meanwhile."""
    study = load_study(written(tmp_path, SEARCHES) / "study.toml")
    searched: dict[str, int] = {}
    run_one = Inverted.run

    def noted(self, given):
        searched[f"{self.source}:{self.tensor}"] = get_ident()
        return run_one(self, given)

    one_at_a_time = Lock()  # torch.export is not made for threads

    def planned(*arguments):
        with one_at_a_time:
            return make_plan(*arguments)

    monkeypatch.setattr(Inverted, "run", noted)
    monkeypatch.setattr("seealike.answering.make_plan", planned)
    barrier, said = Barrier(2), {}
    ranks = [Threads(rank, 2, barrier=barrier, said=said) for rank in range(2)]
    with ThreadPoolExecutor(2) as threads:
        for ended in [threads.submit(answer, study, tmp_path / "two", ranks=r) for r in ranks]:
            ended.result(timeout=300)
    assert sorted(Counter(searched.values()).values()) == [2, 3]
    same(run(tmp_path, "one"), Results(tmp_path / "two"), 0)
    assert not (tmp_path / "two" / "partial").exists()


@pytest.mark.long
def test_a_process_that_dies_ends_the_run_and_loses_nothing_that_was_kept(tmp_path):
    folder = written(tmp_path)
    (folder / "dying.py").write_text(DYING)
    (folder / "study.toml").write_text(STUDY.replace('"made.py:images"', '"dying.py:images"'))
    ended = shared(folder, "out", 3, "--checkpoint", "0")
    assert ended.returncode != 0
    assert "rank      : 1 (local_rank: 1)" in ended.stderr and "exitcode  : -9" in ended.stderr
    assert list((folder / "out" / "partial").iterdir())
    same(run(folder, "one"), run(folder, "out"), ROUNDING)


def test_what_can_be_read_only_once_is_not_shared(tmp_path):
    folder = written(tmp_path)
    (folder / "stream.py").write_text(
        "import torch\n\ndef batches():\n    return (torch.zeros(8, 3, 10, 10) for _ in 'ab')\n"
    )
    lone = STUDY[: STUDY.index("[images.train]")].replace("made.py:images", "stream.py:batches")
    (folder / "study.toml").write_text(lone + '[ask.similarity]\nmeasure = "cka"\nlayers = "net:**"\n')
    with pytest.raises(StudyError, match="test: these images can be read only once, and 2 processes cannot share them"):
        answer(load_study(folder / "study.toml"), folder / "out", ranks=Ranks(0, 2))
    assert not (folder / "out").exists()


def test_one_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with processes() as ranks:
        assert ranks is ALONE and ranks.first and all(map(ranks.mine, range(5)))
    assert ranks.agreed({"a": 1}) == {"a": 1} and ranks.device("cuda") == "cuda"


def test_each_process_has_its_batches_and_its_device():
    ranks = [Ranks(rank, 3, rank) for rank in range(3)]
    assert [[k for k in range(7) if r.mine(k)] for r in ranks] == [[0, 3, 6], [1, 4], [2, 5]]
    assert [r.device("cuda") for r in ranks] == ["cuda:0", "cuda:1", "cuda:2"]
    assert ranks[1].device("cpu") == "cpu" and ranks[1].device("cuda:5") == "cuda:5"


STEP = {
    "SLURM_STEP_NUM_TASKS": "16",
    "SLURM_PROCID": "9",
    "SLURM_LOCALID": "1",
    "SLURM_JOB_ID": "65001",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
}


def test_steps_of_slurm_are_processes_too():
    environment = dict(STEP)
    launched(environment)
    said = {key: environment[key] for key in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")}
    assert said == {"WORLD_SIZE": "16", "RANK": "9", "LOCAL_RANK": "1", "MASTER_ADDR": "gpu07", "MASTER_PORT": "25001"}
    assert environment["TQDM_DISABLE"] == "1"


@pytest.mark.parametrize(
    "environment",
    [{}, {"SLURM_NTASKS": "16", "SLURM_PROCID": "0", "SLURM_JOB_ID": "1"}, {**STEP, "SLURM_STEP_NUM_TASKS": "1"}],
    ids=["none", "a batch script by itself", "a step of one"],
)
def test_what_is_one_process_stays_one(environment):
    before = dict(environment)
    launched(environment)
    assert environment == before


def test_torchruns_own_words_come_first():
    environment = {**STEP, "WORLD_SIZE": "4", "RANK": "0"}
    launched(environment)
    assert environment == {**STEP, "WORLD_SIZE": "4", "RANK": "0"}
