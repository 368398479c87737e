"""The networks that come with the package: they load, fit into it, and do as well as their cards say."""

from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seealike import zoo
from seealike.errors import StudyError
from seealike.images.sources import open_images
from seealike.models.graph import Graph
from seealike.models.run import output
from seealike.models.sources import ModelSource, build
from seealike.surgery import edited, parse
from seealike.training import load_recipe
from seealike.training.recipes import RECIPES
from seealike.training.toml import as_read, text

DATA = Path(__file__).parents[2] / "shared" / "data" / "cifar10-test.parquet"
ROOM = 10e6  # bytes that all of them may take in the package
SHIPPED = sorted(card.stem for card in zoo.FOLDER.glob("*.toml"))
NAMING = [name for name in SHIPPED if "accuracy" in zoo.card(name).result]  # others know views, and no classes


def built(name, **fields):
    return build("net", ModelSource(f"zoo:{name}", **fields))


def right(name, images, count):
    """The share of the first images that a network names right, its edits made."""
    model = built(name)
    graph = edited(Graph.of(model.module, (3, 32, 32)), [parse(edit) for edit in model.edits])
    seen = torch.stack([model.preprocessing.transform(images.read(i)) for i in range(count)])
    guesses = torch.cat([output(graph, x).argmax(1) for x in seen.split(250)])
    return float((guesses == torch.tensor([images.label(i) for i in range(count)])).float().mean())


@cache
def asked(name):
    """What the recipe tests the network on."""
    images = RECIPES[name].test.images
    return open_images(images.source, **images.options)


def test_what_the_package_ships():
    assert {"vit", "resnet"} <= {*SHIPPED} <= {*zoo.names()}
    assert sum(path.stat().st_size for path in zoo.FOLDER.iterdir()) < ROOM


@pytest.mark.parametrize("name", SHIPPED)
def test_weights_fit_their_network_and_are_halves(name):
    weights = load_file(zoo.card(name).weights)
    assert {w.dtype for w in weights.values()} <= {torch.float16, torch.int64}
    model = built(name)
    assert model.weights == zoo.card(name).words and "%" in model.weights
    assert model.preprocessing.size == (32, 32) and not model.module.training
    state = model.module.state_dict()
    assert all(torch.equal(state[key], value.to(state[key].dtype)) for key, value in weights.items())
    if "cifar" not in name:
        assert 70_000 < sum(p.numel() for p in model.module.parameters()) < 120_000


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_is_the_recipe_that_made_it(name):
    assert text(load_recipe(zoo.FOLDER / f"{name}.toml")) == text(as_read(RECIPES[name]))


FEW = ("vit", "vit-without-skip-3")
CIFAR = [name for name in NAMING if "cifar" in RECIPES[name].test.images.source]
MANY = [pytest.param(name, marks=[] if name in FEW else pytest.mark.long) for name in NAMING if name not in CIFAR]


@pytest.mark.parametrize("name", MANY)
def test_images_are_named_as_well_as_the_card_says(name):
    """Of 500, within three standard errors."""
    share, said = right(name, asked(name), 500), zoo.card(name).accuracy
    assert share == pytest.approx(said, abs=3 * (said * (1 - said) / 500) ** 0.5 + 0.005)


@pytest.mark.skipif(not DATA.exists(), reason="no CIFAR-10 beside the project")
@pytest.mark.parametrize("name", CIFAR)
def test_cifar10_is_named_as_well_as_the_card_says(name):
    assert right(name, open_images(f"parquet:{DATA}"), 300) == pytest.approx(zoo.card(name).accuracy, abs=0.07)


@pytest.mark.parametrize("name", NAMING)
def test_the_page_says_what_is_shipped(name):
    page = (Path(__file__).parents[1] / "docs" / "zoo.md").read_text("utf8")
    (line,) = (line for line in page.splitlines() if line.startswith("| `") and f"`{name}`" in line)
    assert f"{zoo.card(name).accuracy:.1%}".replace("%", " %") in line


def test_untrained_weights_are_drawn_from_the_seed():
    one, other = (built("vit", pretrained=False).module.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert built("vit", pretrained=False).weights == "untrained, seed 0"


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("vitt", {}, "the zoo has no network 'vitt' here. Closest: vit"),
        ("vit", {"options": {"depth": 3}}, "takes no options"),
        ("vit", {"mean": (0.1, 0.1, 0.1), "std": (1.0, 1.0, 1.0)}, "brings its own mean and std"),
    ],
)
def test_messages(name, fields, said):
    with pytest.raises(StudyError, match=said):
        built(name, **fields)


def test_the_cache_holds_what_the_package_does_not(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(StudyError, match="train it: make zoo NAME=mine"):
        zoo.card("mine")
    (tmp_path / "seealike" / "zoo").mkdir(parents=True)
    for suffix in (".toml", ".safetensors"):
        copied = (zoo.FOLDER / f"vit{suffix}").read_bytes()
        (tmp_path / "seealike" / "zoo" / f"mine{suffix}").write_bytes(copied)
    assert "mine" in zoo.names() and built("mine").weights == built("vit").weights
