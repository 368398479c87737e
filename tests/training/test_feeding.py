"""Which images a training sees, with which labels, and that it is the same for all ways of reading them."""

import os
from itertools import pairwise

import pytest
import torch
from tiny import write

from seealike.errors import StudyError
from seealike.images.fraction import balanced
from seealike.training import load_recipe, pixels
from seealike.training.augmentation import Augmentation
from seealike.training.examples import opened
from seealike.training.feeding import InMemory, Reread, feed
from seealike.training.steps import Steps

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(pixels, "_KEPT", {})


def examples(folder, seed=0, classes=3, name="train", **written):
    recipe = load_recipe(write(folder, seed=seed, **written))
    return opened(name, getattr(recipe, name), recipe.folder, recipe.seed, classes)


def fed(labelled, names=(), size=(16, 16), workers=0):
    steps = Steps(len(labelled), batch=8, epochs=2, seed=0)
    return feed(labelled, Augmentation(names, shift=2), size, steps, CPU, workers)


def test_images_are_kept_once_and_labels_are_theirs(tmp_path):
    labelled = examples(tmp_path)
    kept = fed(labelled)
    assert isinstance(kept, InMemory) and kept.pixels.dtype == torch.uint8 and kept.pixels.shape == (42, 16, 16, 3)
    seen = [(x, y) for images, labels in kept.since(0) for x, y in zip(images, labels, strict=True)]
    assert len(seen) == 88
    for image, label in seen:
        assert int(image.float().mean((1, 2)).argmax()) == label  # red, green or blue
    again = fed(labelled)
    assert isinstance(again, InMemory) and again.pixels.data_ptr() == kept.pixels.data_ptr()


def test_a_part_that_is_in_memory_is_not_read_again(tmp_path, monkeypatch):
    part = examples(tmp_path, images="fraction = 0.5")
    whole = examples(tmp_path)
    first, read = fed(part), []
    item = type(whole.images).item
    monkeypatch.setattr(type(whole.images), "item", lambda self, i: (read.append(i), item(self, i))[1])
    both = fed(whole)
    assert sorted(set(read)) == sorted(set(range(42)) - set(part.indices))
    assert isinstance(both, InMemory) and isinstance(first, InMemory)
    for k, index in enumerate(part.indices):
        assert torch.equal(first.pixels[k], both.pixels[index])


@pytest.mark.parametrize("names", [(), ("shift", "mirror"), ("crop", "mirror")], ids=" ".join)
@pytest.mark.parametrize("workers", [0, 2])
def test_images_that_are_read_each_time_are_those_in_memory(tmp_path, monkeypatch, names, workers):
    labelled = examples(tmp_path)
    kept = fed(labelled, names, (12, 12) if "crop" in names else (16, 16))
    monkeypatch.setattr(pixels, "LIMIT", 0)
    monkeypatch.setattr(pixels, "_KEPT", {})
    reread = fed(labelled, names, (12, 12) if "crop" in names else (16, 16), workers)
    assert isinstance(kept, InMemory) and isinstance(reread, Reread)
    for (images, labels), (others, of_others) in zip(kept.since(3), reread.since(3), strict=True):
        assert torch.equal(labels, of_others)
        assert torch.allclose(images.float(), others.float(), atol=1.01 if "crop" in names else 0)  # rounded to uint8


def test_images_of_many_sizes_are_read_each_time(tmp_path):
    reread = fed(examples(tmp_path, train="mixed"), ("crop",), (8, 12))
    assert isinstance(reread, Reread)
    assert {tuple(images.shape[1:]) for images, _ in reread.since(9)} == {(3, 8, 12)}
    resized = fed(examples(tmp_path, train="mixed"), ("shift",), (8, 8))
    assert isinstance(resized, InMemory) and resized.pixels.shape == (42, 8, 8, 3)


def test_one_image_of_another_size_is_found_late(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "PEEKED", 1)
    assert isinstance(fed(examples(tmp_path, train="mixed"), ("crop",), (8, 8)), Reread)


def test_images_that_cannot_be_read_are_left_out(tmp_path, monkeypatch):
    from PIL import Image

    for k in range(120):
        (tmp_path / "red" / f"{k:03}.png").parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 16), (k, 0, 0)).save(tmp_path / "red" / f"{k:03}.png")
    os.truncate(tmp_path / "red" / "006.png", 20)
    write(tmp_path)
    path = tmp_path / "tiny.toml"
    path.write_text(path.read_text().replace('"net.py:train"', '"folder:."'))
    recipe = load_recipe(path)
    labelled = opened("train", recipe.train, recipe.folder, 0, 3)
    kept = fed(labelled)
    assert isinstance(kept, InMemory) and kept.steps.count == 119 and len(kept.pixels) == 119
    monkeypatch.setattr(pixels, "LIMIT", 0)
    monkeypatch.setattr(pixels, "_KEPT", {})
    sizes = [len(images) for images, _ in fed(labelled).since(0)]
    assert sorted(set(sizes)) == [7, 8] and sum(sizes) == 240 - 2  # two epochs


def test_fractions_are_nested_and_balanced(tmp_path):
    parts = [examples(tmp_path, images=f"fraction = {share}") for share in (0.2, 0.5, 1.0)]
    for smaller, larger in pairwise(parts):
        assert set(smaller.indices) < set(larger.indices)
    assert [len(part) for part in parts] == [9, 21, 42]
    for part in parts:
        assert len({part.labels.count(label) for label in range(3)}) == 1
    whole = parts[-1]
    assert list(parts[1].indices) == [whole.indices[k] for k in balanced(list(whole.labels), 0.5, 0)]
    assert examples(tmp_path, seed=1, images="fraction = 0.2").indices != parts[0].indices


def test_random_labels_are_a_function_of_seed_and_id(tmp_path):
    own = examples(tmp_path)
    one, other = (examples(tmp_path, seed=s, images='labels = "random"') for s in (0, 1))
    assert one.labels != own.labels and one.labels != other.labels and set(one.labels) == {0, 1, 2}
    part = examples(tmp_path, images='labels = "random"\nfraction = 0.5')
    assert list(part.labels) == [one.labels[i] for i in part.indices]
    assert one.words == "42 images of Images of 42, random labels"


def test_take_and_order(tmp_path):
    given = examples(tmp_path, images='take = 5\norder = "given"')
    assert given.indices == (0, 1, 2, 3, 4)
    seeded = examples(tmp_path, images="take = 5")
    assert len(seeded) == 5 and seeded.indices != given.indices


@pytest.mark.parametrize(
    ("classes", "source", "said"),
    [
        (2, "net.py:train", "a label is 2, and the network tells 2 classes apart, 0 to 1. Build it for more"),
        (3, "net.py:unlabelled", r"4 of 4 images of tensor \(4, 3, 16, 16\) of uint8 have no label"),
        (3, "net.py:stream", "comes in one order only"),
        (3, "net.py:floats", "training takes pictures or uint8 tensors, not tensors of torch.float32"),
    ],
)
def test_messages(tmp_path, classes, source, said):
    path = write(tmp_path, train=source.partition(":")[2])
    with (tmp_path / "net.py").open("a") as file:
        file.write(
            "def unlabelled():\n    return torch.zeros(4, 3, 16, 16, dtype=torch.uint8)\n"
            "def stream():\n    return iter([torch.zeros(4, 3, 16, 16)])\n"
            "def floats():\n    return [(torch.zeros(3, 16, 16), 0)] * 4\n"
        )
    recipe = load_recipe(path)
    with pytest.raises(StudyError, match=said):
        fed(opened("train", recipe.train, recipe.folder, 0, classes))
