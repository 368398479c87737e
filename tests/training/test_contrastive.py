"""Networks trained without labels, and trained on from there with a new head."""

import tomllib
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny import write

from seealike import zoo
from seealike.errors import StudyError
from seealike.models.sources import ModelSource, build
from seealike.study import ImagesSource
from seealike.training import Examples, Recipe, Settings, load_recipe, pixels, train
from seealike.training.augmentation import Augmentation
from seealike.training.examples import opened
from seealike.training.feeding import InMemory, Reread, feed
from seealike.training.steps import Steps
from seealike.training.toml import text

SSL = 'objective = "contrastive"\naugment = ["mirror", "colour"]\ncolour = 0.5'
UNLABELLED = """
def unlabelled(count=120, seed=0):
    '''Four fields of four colours, with noise.'''
    import numpy as np
    rng = np.random.default_rng(seed)
    fields = rng.integers(40, 216, (count, 3, 2, 2)).repeat(8, 2).repeat(8, 3)
    return torch.tensor(fields + rng.integers(-40, 41, (count, 3, 16, 16)), dtype=torch.uint8)

def others():
    return unlabelled(30, 1)
"""
CPU = torch.device("cpu")


def recipe_of(folder, name="ssl", **written):
    path = write(
        folder, name=f"{name}.toml", **{"model": "options = { width = 16, classes = 5 }", "training": SSL, **written}
    )
    with (folder / "net.py").open("a") as file:
        file.write(UNLABELLED)
    return load_recipe(path)


@pytest.fixture(scope="module")
def ssl(tmp_path_factory):
    """A network trained without labels on images that have none."""
    folder = tmp_path_factory.mktemp("ssl")
    recipe = on_others(recipe_of(folder, train="unlabelled", training=f"{SSL}\nepochs = 4\nhalf = true"))
    return folder, recipe, train(recipe, folder / "out", "ssl")


def on_others(recipe):
    return replace(recipe, test=Examples(ImagesSource("net.py:others")))


def test_views_know_each_other_after_training(ssl, tmp_path):
    _, _, trained = ssl
    before = train(on_others(recipe_of(tmp_path, training=f"{SSL}\nepochs = 0")), tmp_path / "out", "ssl").result
    assert trained.result.accuracy is None and before.agreement is not None
    assert trained.result.agreement > 0.55 > 0.4 > before.agreement


def test_the_card_says_what_was_learned(ssl, capsys):
    folder, recipe, trained = ssl
    card = tomllib.loads(trained.card.read_text())
    assert list(card["result"]) == ["agreement", "tested", "trained", "images_seen", "parameters", "seconds"]
    assert card["training"]["objective"] == "contrastive" and card["training"]["temperature"] == 0.2
    assert card["result"]["images_seen"] == 4 * 120
    assert load_recipe(trained.card) == recipe
    assert train(recipe, folder / "out", "ssl") == trained  # read back
    said = f"{trained.result.agreement:.1%} of views nearest to the other view of their image, of 30 images of tensor"
    assert said in capsys.readouterr().out
    head = (folder / "out/ssl-logs/metrics.csv").read_text().splitlines()[0]
    assert head == "agreement,epoch,loss,rate,step"


def test_agreement_is_that_of_the_written_weights_batch_by_batch(ssl):
    folder, recipe, trained = ssl
    source = ModelSource("net.py:net", size=16, options={"width": 16, "classes": 5}, checkpoint="out/ssl.safetensors")
    module = build("net", source, folder=folder).module
    test = opened("test", recipe.test, recipe.folder, 0, None)
    views = feed(test, Augmentation(("mirror", "colour"), colour=0.5), (16, 16), Steps(30, 8, 1, 0), CPU, 0, 2)
    right, seen = 0, 0
    with torch.no_grad():
        for images, _ in views.since(0):
            z = module((images / 255 - 0.5) / 0.25).double()
            for i in range(16):
                near = [float(torch.cosine_similarity(z[i], z[k], 0)) if k != i else -2 for k in range(16)]
                right, seen = right + (near.index(max(near)) == (i + 8) % 16), seen + 1
    assert seen == 64 and trained.result.agreement == pytest.approx(right / seen, abs=1.01 / 64)


def test_two_trainings_are_equal_to_the_bit_however_images_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "_KEPT", {})
    cut = SSL.replace('["mirror"', '["crop", "mirror"')  # from images of many sizes, which are not kept
    recipe = recipe_of(tmp_path, train="mixed", training=f"{cut}\nepochs = 0.5")
    found = [load_file(train(recipe, tmp_path / str(n), "net", workers=n).weights) for n in (0, 2)]
    assert all(torch.equal(value, found[1][key]) for key, value in found[0].items())


def test_views_that_are_read_each_time_are_those_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "_KEPT", {})
    recipe = recipe_of(tmp_path)
    labelled = opened("train", recipe.train, recipe.folder, 0, None)
    given = labelled, Augmentation(("shift", "mirror", "colour"), 2), (16, 16), Steps(42, 8, 1, 0), CPU, 0, 2
    kept = feed(*given)
    monkeypatch.setattr(pixels, "LIMIT", 0)
    monkeypatch.setattr(pixels, "_KEPT", {})
    reread = feed(*given)
    assert isinstance(kept, InMemory) and isinstance(reread, Reread)
    for (images, labels), (others, of_others) in zip(kept.since(4), reread.since(4), strict=True):
        assert images.shape == (16, 3, 16, 16) and torch.equal(labels, of_others) and labels.shape == (8,)
        torch.testing.assert_close(images, others, rtol=0, atol=1e-3)
        assert not torch.equal(images[:8], images[8:])


def test_a_share_of_images_needs_no_labels_here(tmp_path):
    half = [
        opened("train", recipe.train, recipe.folder, 0, None)
        for recipe in (recipe_of(tmp_path, train=name, images="fraction = 0.5") for name in ("unlabelled", "train"))
    ]
    assert [len(each) for each in half] == [60, 21]
    assert set(half[0].labels) == {-1} and [half[1].labels.count(k) for k in range(3)] == [7, 7, 7]


def test_a_new_head_takes_all_other_weights(ssl, tmp_path, capsys):
    _, _, trained = ssl
    lines = "new_head = true\nepochs = 0"
    recipe = recipe_of(
        tmp_path, "tuned", model=f'checkpoint = "{trained.weights}"\noptions = {{ width = 16 }}', training=lines
    )
    tuned = train(recipe, tmp_path / "out", "tuned")
    assert f"model: begins from {trained.weights} (without head, which is new)" in capsys.readouterr().err
    ours, theirs = load_file(tuned.weights), load_file(trained.weights)
    untrained = build(
        "net", ModelSource("net.py:net", pretrained=False, options={"width": 16}), folder=tmp_path
    ).module.state_dict()
    assert ours.keys() == theirs.keys() and ours["head.weight"].shape == (3, 16) != theirs["head.weight"].shape
    for key, value in ours.items():
        known = untrained[key] if key.startswith("head.") else theirs[key].to(value.dtype)
        assert torch.equal(value, known), key
    assert tuned.result.accuracy is not None and load_recipe(tuned.card) == recipe


def test_a_network_of_the_zoo_goes_on_with_a_new_head(tmp_path, monkeypatch):
    """From a card of the cache; and what came of it, put there, is built with its own head."""
    cache = tmp_path / "seealike" / "zoo"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    design, grey, spread = {"width": 8, "depth": 1, "classes": 5}, (0.5,) * 3, (0.25,) * 3
    small = ModelSource("networks.py:mixer", pretrained=False, options=design, size=32, mean=grey, std=spread)
    few = Examples(ImagesSource("scenes:16"))
    settings = Settings(epochs=0, batch=8, objective="contrastive", augment=("mirror",))
    begun = train(Recipe(small, few, few, settings, 0, str(zoo.HOME)), cache, "pre")
    with pytest.raises(StudyError, match=r"zoo:pre was trained without classes, and names none: .* of views nearest"):
        zoo.card("pre").accuracy  # noqa: B018
    tuned = ModelSource("zoo:pre", options={"classes": 10})
    train(Recipe(tuned, few, few, Settings(epochs=0, batch=8, new_head=True), 0), cache, "tuned")
    built = build("net", ModelSource("zoo:tuned"))
    state, weights = built.module.state_dict(), load_file(begun.weights)
    assert state["head.weight"].shape == (10, 8) and "% right of 16 images" in built.weights
    assert all(torch.equal(state[key], weights[key]) for key in weights if not key.startswith("head."))
    with pytest.raises(StudyError, match="zoo:pre takes no options"):
        build("net", tuned)


def test_other_misfits_are_refused_as_before(ssl, tmp_path):
    _, _, trained = ssl
    model = f'checkpoint = "{trained.weights}"\noptions = {{ width = 7 }}'
    recipe = recipe_of(tmp_path, model=model, training="new_head = true")
    with pytest.raises(StudyError, match=r"does not fit model: .* different: stem.weight is 16x3x4x4 in the file"):
        train(recipe, tmp_path / "out", "net")
    recipe = recipe_of(
        tmp_path, model=f'checkpoint = "{trained.weights}"\noptions = {{ width = 16 }}', training="epochs = 0"
    )
    with pytest.raises(StudyError, match=r"head.weight is 5x16 in the file and 3x16 in model"):
        train(recipe, tmp_path / "out", "net")


def test_a_network_that_ends_in_no_linear_layer_has_no_head_to_renew(ssl, tmp_path):
    _, _, trained = ssl
    recipe = recipe_of(
        tmp_path, model=f'checkpoint = "{trained.weights}"\noptions = {{ width = 16 }}', training="new_head = true"
    )
    net = (tmp_path / "net.py").read_text().replace(".mean((2, 3)))", ".mean((2, 3))).relu()")
    (tmp_path / "net.py").write_text(net)
    with pytest.raises(
        StudyError, match=r"model has no head that could be made anew: .* not what a linear layer gives"
    ):
        train(recipe, tmp_path / "out", "net")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"training": 'objective = "contrastive"'}, "training.augment = .*: with objective = .contrastive. the two"),
        ({"training": f"{SSL}\nlabel_smoothing = 0.1"}, "training.label_smoothing = 0.1: objective = .contrastive. re"),
        ({"training": f"{SSL}\ntemperature = 0"}, "training.temperature = 0.0: write a number above 0"),
        ({"training": "colour = -1"}, "training.colour = -1.0: write a number, 0 or more"),
        ({"training": 'objective = "views"'}, "training.objective = 'views': input should be 'classes' or 'contrastiv"),
        (
            {"training": "new_head = true"},
            "training.new_head = true: net.py:net begins with no weights .* checkpoint =",
        ),
        ({"model": 'crop = "corner"'}, 'model.crop = "corner": a study cuts images so, a recipe does not'),
        ({"images": 'labels = "random"'}, 'images.train: labels = "random", but objective = "contrastive" reads no'),
        (
            {"training": f"{SSL}\nbatch = 64".replace("batch", "batch", 1)},
            "training.batch = 64: an image may be in a b",
        ),
        ({"train": "unlabelled", "training": "epochs = 0"}, "120 of 120 images of tensor .* have no label"),
    ],
)
def test_messages(tmp_path, written, said):
    with pytest.raises(StudyError, match=said):
        if "batch = 64" in written.get("training", ""):
            path = tmp_path / "ssl.toml"
            recipe_of(tmp_path)
            path.write_text(path.read_text().replace("batch = 8", "batch = 64"))
            train(load_recipe(path), tmp_path / "out", "net")
        else:
            train(recipe_of(tmp_path, **written), tmp_path / "out", "net")


def test_older_recipes_are_written_as_they_were():
    few = Examples(ImagesSource("scenes:9"))
    known = text(Recipe(ModelSource("zoo:vit"), few, few))
    later = ("objective", "temperature", "colour", "new_head", "crop")
    assert not any(f"\n{key} = " in known for key in later)
    assert "\nnew_head = true" in text(Recipe(ModelSource("zoo:vit"), few, few, Settings(new_head=True)))
