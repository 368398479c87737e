"""The networks that come with the package: they load, fit into it, and do as well as their cards say."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seealike import zoo
from seealike.errors import StudyError
from seealike.images.scenes import Scenes
from seealike.models.sources import ModelSource, build

DATA = Path(__file__).parents[2] / "shared" / "data" / "cifar10-test.parquet"
SHIPPED = 10e6  # bytes that all of them may take in the package


def built(name, **fields):
    return build("net", ModelSource(f"zoo:{name}", **fields))


def right(model, images, count):
    """The share of images that a network names right."""
    seen = torch.stack([model.preprocessing.transform(images.read(i)) for i in range(count)])
    with torch.inference_mode():
        guesses = torch.cat([model.module(x).argmax(1) for x in seen.split(250)])
    return float((guesses == torch.tensor([images.label(i) for i in range(count)])).float().mean())


def test_what_the_package_ships():
    assert {"vit", "resnet"} <= set(zoo.names())
    assert sum(path.stat().st_size for path in zoo.FOLDER.iterdir()) < SHIPPED


@pytest.mark.parametrize("name", zoo.names())
def test_weights_fit_their_network_and_are_halves(name):
    weights = load_file(zoo.card(name).weights)
    assert {w.dtype for w in weights.values()} <= {torch.float16, torch.int64}
    model = built(name)
    assert model.weights == zoo.card(name).words and "%" in model.weights
    assert model.preprocessing.size == (32, 32) and not model.module.training
    state = model.module.state_dict()
    assert all(torch.equal(state[key], value.to(state[key].dtype)) for key, value in weights.items())
    if "cifar" not in name:
        assert 80_000 < sum(p.numel() for p in model.module.parameters()) < 120_000


@pytest.mark.parametrize("name", [n for n in zoo.names() if "cifar" not in n])
def test_held_out_scenes_are_named_as_well_as_the_card_says(name):
    """1,000 of the held-out scenes; 0.9 is what the zoo promises."""
    share = right(built(name), Scenes("1000", "test"), 1000)
    assert share == pytest.approx(zoo.card(name).accuracy, abs=0.03)
    assert zoo.card(name).accuracy >= 0.9


@pytest.mark.skipif(not DATA.exists(), reason="no CIFAR-10 beside the project")
@pytest.mark.parametrize("name", [n for n in zoo.names() if "cifar" in n])
def test_cifar10_is_named_as_well_as_the_card_says(name):
    from seealike.images.sources import open_images

    share = right(built(name), open_images(f"parquet:{DATA}"), 1000)
    assert share == pytest.approx(zoo.card(name).accuracy, abs=0.04)


def test_untrained_weights_are_drawn_from_the_seed():
    one, other = (built("vit", pretrained=False).module.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert built("vit", pretrained=False).weights == "untrained, seed 0"


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("vitt", {}, "the zoo has no network 'vitt'. Closest: vit"),
        ("vit", {"options": {"depth": 3}}, "takes no options"),
        ("vit", {"mean": (0.1, 0.1, 0.1), "std": (1.0, 1.0, 1.0)}, "brings its own mean and std"),
    ],
)
def test_messages(name, fields, said):
    with pytest.raises(StudyError, match=said):
        built(name, **fields)
