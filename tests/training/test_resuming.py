"""A training that is killed and carried on gives the weights of one that was not, to the bit."""

import random
import signal
from pathlib import Path

import pytest
import torch
from lives import EVERY, begun
from safetensors.torch import load_file
from tiny import write

SETTINGS = 'epochs = 3\naugment = ["crop", "shift", "mirror"]\nshift = 2\noptimizer = "muon"\nlabel_smoothing = 0.1'


def lives(folder: Path, recipe: Path, deaths, logged: int = 20) -> str:
    """What the processes said that died these deaths, and the last, which lived to the end."""
    told = folder / "told"
    for death in [*deaths, None]:
        assert begun(recipe, folder / "out", told, death, logged) == (-signal.SIGKILL if death else 0), told.read_text()
    return told.read_text()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    lives(folder, write(folder, training=SETTINGS), [])
    return load_file(folder / "out" / "net.safetensors")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_killed_at_random_steps_it_ends_at_the_same_weights(tmp_path, undisturbed, seed):
    chance = random.Random(seed)
    early, later = chance.randint(1, EVERY), [chance.randint(1, 5) for _ in range(3)]
    told = lives(tmp_path, write(tmp_path, training=SETTINGS), [early, EVERY + 1, *later])
    assert_equal(load_file(tmp_path / "out/net.safetensors"), undisturbed)
    assert told.count("carried on from step") == 4  # all lives after one that wrote a checkpoint
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["net-logs", "net.safetensors", "net.toml"]


@pytest.mark.parametrize("death", ["before the renaming", "in the middle of the file"])
def test_killed_while_it_writes_a_checkpoint_it_carries_on_from_the_one_before(tmp_path, undisturbed, death):
    told = lives(tmp_path, write(tmp_path, training=SETTINGS), [death])
    assert_equal(load_file(tmp_path / "out/net.safetensors"), undisturbed)
    assert "carried on from step 3\n" in told


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.long
def test_the_logs_of_a_resumed_training_are_those_of_one(tmp_path):
    for folder, deaths in ((tmp_path / "once", []), (tmp_path / "twice", [8])):
        folder.mkdir()
        lives(folder, write(folder, training=SETTINGS), deaths, logged=1)
    one, two = ((tmp_path / name / "out/net-logs/metrics.csv").read_text() for name in ("once", "twice"))
    assert one == two and len(one.splitlines()) == 17
    assert len(list((tmp_path / "twice/out/net-logs").glob("events.*"))) == 2


def test_a_checkpoint_of_another_recipe_is_not_carried_on_from(tmp_path, undisturbed):
    other = write(tmp_path, training=f"{SETTINGS}\nweight_decay = 0.5")
    assert begun(other, tmp_path / "out", tmp_path / "told", EVERY + 2) == -signal.SIGKILL
    assert (tmp_path / "out/net.ckpt").is_file()
    told = lives(tmp_path, write(tmp_path, training=SETTINGS), [])
    assert "net.ckpt: it is of another recipe; training begins anew" in told
    assert_equal(load_file(tmp_path / "out/net.safetensors"), undisturbed)


def test_a_checkpoint_that_is_no_checkpoint_is_not_carried_on_from(tmp_path, undisturbed):
    (tmp_path / "out").mkdir()
    torch.save({"seealike": print}, tmp_path / "out/net.ckpt")  # would run code
    told = lives(tmp_path, write(tmp_path, training=SETTINGS), [])
    assert "net.ckpt: it cannot be read; training begins anew" in told
    assert_equal(load_file(tmp_path / "out/net.safetensors"), undisturbed)
