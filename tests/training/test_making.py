"""`make zoo`: which networks it trains, with how many threads, and how it compares them with those of the package."""

import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from seealike import zoo
from seealike.models.sources import ModelSource
from seealike.study import ImagesSource
from seealike.training import Recipe, Settings, load_recipe, making
from seealike.training.recipe import Examples
from seealike.training.toml import as_read

GREY = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
SMALL = ModelSource("networks.py:mixer", pretrained=False, options={"width": 8, "depth": 1}, size=32, **GREY)
FEW = Examples(ImagesSource("scenes:16"))
CIFAR = Examples(ImagesSource(making.CIFAR, split="test"))
QUICK = Settings(epochs=1, batch=8, half=True)
RECIPES = {
    "small": Recipe(SMALL, FEW, FEW, QUICK, 0, str(zoo.HOME)),
    "small-s1": Recipe(SMALL, FEW, FEW, QUICK, 1, str(zoo.HOME)),
    "small-cifar10": Recipe(SMALL, CIFAR, CIFAR, QUICK, 0, str(zoo.HOME)),
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with these recipes, whose networks lie in an empty folder, and a cache that is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(making, "RECIPES", RECIPES)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "package")
    zoo.FOLDER.mkdir()
    before = torch.get_num_threads()
    yield zoo.FOLDER
    torch.set_num_threads(before)


def command(monkeypatch, *arguments):
    """Its exit status."""
    monkeypatch.setattr(sys, "argv", ["making", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        making.main()
    return int(ended.value.code)


def shipped(name):
    """What the cache has, as if the package brought it."""
    for suffix in (".toml", ".safetensors"):
        shutil.move(zoo.cache() / f"{name}{suffix}", zoo.FOLDER / f"{name}{suffix}")


def test_an_unknown_network_is_refused(package, monkeypatch, capsys):
    assert command(monkeypatch, "smal") == 2
    assert "the zoo has no recipe 'smal': there are small, small-s1, small-cifar10" in capsys.readouterr().err


def test_the_zoo_is_trained_with_one_thread(package, monkeypatch):
    """With another number the sums round otherwise."""
    torch.set_num_threads(2)
    seen = []
    monkeypatch.setattr(making, "make", lambda *_: seen.append(torch.get_num_threads()))
    command(monkeypatch, "small")
    assert seen == [1]


def test_what_is_not_named_is_what_is_not_here(package, monkeypatch):
    command(monkeypatch, "small", "small-s1")
    shipped("small")
    asked = []
    monkeypatch.setattr(making, "make", lambda name, *_: asked.append(name))
    command(monkeypatch)
    assert asked == ["small-cifar10"]


def test_what_the_package_has_too_is_compared(package, monkeypatch, capsys):
    assert command(monkeypatch, "small") == 0
    assert "in the package" not in capsys.readouterr().out
    shipped("small")
    command(monkeypatch, "small")
    assert capsys.readouterr().out.splitlines()[-1].endswith("in the package: the same weights to the bit")
    weights = load_file(package / "small.safetensors")
    save_file({key: value + 1 for key, value in weights.items()}, package / "small.safetensors")
    card = package / "small.toml"
    lines = card.read_text().splitlines()
    card.write_text("\n".join("accuracy = 0.9" if line.startswith("accuracy") else line for line in lines))
    command(monkeypatch, "small")
    (accuracy,) = (float(line[11:]) for line in lines if line.startswith("accuracy"))
    said = f"small: {accuracy:.1%}, 90.0% in the package: {100 * abs(accuracy - 0.9):.1f} points from it"
    assert capsys.readouterr().out.splitlines()[-1] == said


def test_images_from_elsewhere_leave_the_recipe_as_it_is(package, monkeypatch, capsys):
    """CIFAR-10 from a file: the card names the hub, where anybody finds it, and nothing is made twice."""
    command(monkeypatch, "small-cifar10", "--train", "scenes:24", "--test", "scenes:12")
    card = zoo.card("small-cifar10")
    assert card.result["trained"] == f"24 images of {making.CIFAR}, split test"
    assert card.result["tested"] == f"12 images of {making.CIFAR}, split test"
    assert load_recipe(zoo.cache() / "small-cifar10.toml") == as_read(RECIPES["small-cifar10"])
    command(monkeypatch, "small-cifar10", "--train", "scenes:24")
    assert "made by this recipe already" in capsys.readouterr().out


def test_what_cannot_be_made_does_not_stop_the_others(package, monkeypatch, capsys):
    lost = f"folder:{package / 'lost'}"
    assert command(monkeypatch, "small-cifar10", "small", "--train", lost) == 1
    said = capsys.readouterr().err
    assert "small-cifar10: " in said and "lost" in said and "Traceback" not in said
    assert zoo.names() == ["small"]
