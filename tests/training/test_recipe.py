"""Recipes as TOML: read, written, and what is said of a wrong one."""

import sys

import pytest
import torch
from tiny import write

from seealike import cli
from seealike.errors import StudyError
from seealike.models.sources import ModelSource
from seealike.study import ImagesSource
from seealike.training import Examples, Recipe, Settings, load_recipe, train
from seealike.training.optimizing import optimizer, share
from seealike.training.steps import Steps
from seealike.training.toml import text

FULL = """
seed = 3
[model]
source = "timm:vit_tiny_patch16_224"
pretrained = false
options = { img_size = 32, patch_size = 4 }
edit = ["without_skip(blocks.3)"]
tags = { family = "transformer" }
[images.train]
source = "scenes:500"
fraction = 0.1
labels = "random"
within = { hue = [0.0, 0.5], clutter = [0, 2] }
[images.test]
source = "scenes:100"
split = "test"
[training]
epochs = 2
augment = ["crop", "mirror"]
precision = "bf16"
optimizer = "muon"
"""


def test_a_recipe_is_read(tmp_path):
    (tmp_path / "full.toml").write_text(FULL)
    recipe = load_recipe(tmp_path / "full.toml")
    within = (("clutter", (0.0, 2.0)), ("hue", (0.0, 0.5)))
    assert recipe == Recipe(
        ModelSource(
            "timm:vit_tiny_patch16_224",
            pretrained=False,
            options={"img_size": 32, "patch_size": 4},
            edit=("without_skip(blocks.3)",),
            tags={"family": "transformer"},
        ),
        Examples(ImagesSource("scenes:500", within=within), fraction=0.1, labels="random"),
        Examples(ImagesSource("scenes:100", split="test")),
        Settings(epochs=2, augment=("crop", "mirror"), precision="bf16", optimizer="muon"),
        seed=3,
    )
    assert recipe.folder == str(tmp_path)


def test_what_is_written_of_a_recipe_reads_as_the_same(tmp_path):
    (tmp_path / "full.toml").write_text(FULL)
    recipe = load_recipe(tmp_path / "full.toml")
    (tmp_path / "again.toml").write_text(text(recipe))
    assert load_recipe(tmp_path / "again.toml") == recipe and text(load_recipe(tmp_path / "again.toml")) == text(recipe)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs = 2", "epoch = 2", r"full.toml: training.epoch: there is no such key. Closest: epochs"),
        ("epochs = 2", "epochs = -1", "training.epochs = -1: write a number, 0 or more"),
        ("epochs = 2", "epochs = nan", "training.epochs = nan"),
        ("epochs = 2", f"epochs = 1{'0' * 400}", "training.epochs = 10{400}: write a number, 0 or more"),
        ("epochs = 2", 'epochs = "two"', "training.epochs = .two.: input should be .* a valid number"),
        ("epochs = 2", "batch = 0", "training.batch = 0: write a whole number, 1 or more"),
        ("epochs = 2", "shift = 1.5", "training.shift = 1.5: input should be a valid integer"),
        ("epochs = 2", "warmup = 1.0", "training.warmup = 1.0: write a share, from 0 to below 1"),
        ("epochs = 2", 'schedule = "step"', "training.schedule = 'step': input should be 'cosine' or 'linear'"),
        ('"muon"', '"sgd"', "training.optimizer = 'sgd': input should be 'adamw' or 'muon'"),
        ('"bf16"', '"8"', "training.precision = '8': input should be '32', 'bf16' or '16'"),
        ('"mirror"', '"mirrors"', 'training.augment: there is no "mirrors". Closest: mirror'),
        ("[training]", "[train]", "train: there is no such key. Closest: training"),
        ("[images.test]", "[images.tests]", "images.tests: there is no such key. Closest: test"),
        ("fraction = 0.1", "fraction = 0", "images.train.fraction = 0.0: write a share of the images"),
        ("fraction = 0.1", "fractions = 0.1", "images.train.fractions: there is no such key. Closest: fraction"),
        ('"random"', '"none"', "images.train.labels = 'none': input should be 'own' or 'random'"),
        ("seed = 3", "seed = -3", "seed = -3: a seed is 0 or a positive whole number"),
        ("seed = 3", "seed = 0.5", "seed = 0.5: input should be a valid integer"),
        ("pretrained = false", "pretraind = false", "model.pretraind: there is no such key. Closest: pretrained"),
        ("pretrained = false", 'checkpoint = ["a", "b"]', "model.checkpoint = .*: input should be a valid string"),
        ('source = "scenes:100"', "take = 5", "images.test.source is missing"),
        ("[model]", "[model", "full.toml is no TOML"),
    ],
)
def test_messages(tmp_path, old, new, said):
    assert old in FULL
    (tmp_path / "full.toml").write_text(FULL.replace(old, new, 1))
    with pytest.raises(StudyError, match=said):
        load_recipe(tmp_path / "full.toml")


@pytest.mark.parametrize("table", ["model", "images.train", "images.test"])
def test_a_table_that_is_missing_is_named(tmp_path, table):
    kept = [part for part in FULL.split("\n[") if not part.startswith(f"{table}]")]
    (tmp_path / "part.toml").write_text("\n[".join(kept))
    with pytest.raises(StudyError, match=rf"part.toml: there is no table \[{table}\]"):
        load_recipe(tmp_path / "part.toml")


def test_a_file_that_is_missing_is_named(tmp_path):
    (tmp_path / "full.toml").write_text(FULL)
    with pytest.raises(StudyError, match=r"ful.toml: no such file. Closest: full.toml"):
        load_recipe(tmp_path / "ful.toml")


def test_a_recipe_names_its_images_by_a_text():
    of_tensor = Examples(ImagesSource(torch.zeros(4, 3, 8, 8)))
    with pytest.raises(StudyError, match=r"images.train: a recipe names its images by a text, not by a Tensor"):
        Recipe(ModelSource("zoo:vit"), of_tensor, Examples(ImagesSource("scenes:9")))


def test_without_lightning_the_message_says_what_to_install(tmp_path, monkeypatch, capsys):
    path = write(tmp_path)
    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.setattr(sys, "argv", ["seealike", "train", str(path), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 2 and not (tmp_path / "out").exists()
    assert capsys.readouterr().err == 'seealike: training needs Lightning: pip install "seealike[train]"\n'


@pytest.mark.parametrize(
    ("keywords", "lines", "said"),
    [
        ({"device": "tpu9"}, "", 'device = "tpu9" cannot be used here'),
        ({}, 'precision = "16"', 'training.precision = "16" needs a CUDA device, not cpu'),
    ],
)
def test_what_the_machine_cannot_do_is_said_before_anything_is_done(tmp_path, keywords, lines, said):
    recipe = load_recipe(write(tmp_path, training=lines))
    with pytest.raises(StudyError, match=said):
        train(recipe, tmp_path / "out", "net", **keywords)


def test_muon_is_refused_where_there_is_nothing_for_it():
    with pytest.raises(StudyError, match='Write optimizer = "adamw"'):
        optimizer(torch.nn.Sequential(torch.nn.Linear(3, 4)), Settings(optimizer="muon"))


def test_muon_takes_the_matrices_of_blocks_and_adamw_the_rest():
    from timm.models.vision_transformer import VisionTransformer

    vit = VisionTransformer(img_size=8, patch_size=4, embed_dim=8, depth=2, num_heads=2, num_classes=3)
    adamw, muon = optimizer(vit, Settings(optimizer="muon", rate=0.1, muon_rate=0.2)).parts
    named = {id(p): name for name, p in vit.named_parameters()}
    inner = {named[id(p)] for p in muon.param_groups[0]["params"]}
    matrices = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    assert inner == {f"blocks.{k}.{name}.weight" for k in range(2) for name in matrices}
    assert {named[id(p)] for p in adamw.param_groups[0]["params"]} == set(named.values()) - inner
    assert [part.param_groups[0]["peak"] for part in (adamw, muon)] == [0.1, 0.2]


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_rates_rise_over_the_warm_up_and_fall_to_nothing(schedule):
    rates = [share(step, 1000, Settings(warmup=0.3, schedule=schedule)) for step in range(1000)]
    assert rates.index(max(rates)) in (299, 300) and max(rates) == pytest.approx(1, abs=0.01)
    assert rates[0] == pytest.approx(0.0005 / 0.3) and rates[-1] < 1e-3
    assert rates[649] == pytest.approx(0.5, abs=2e-3)  # half-way down, both are at a half
    assert rates == sorted(rates[:300]) + sorted(rates[300:], reverse=True)


@pytest.mark.parametrize(("count", "batch", "epochs"), [(10, 4, 2), (7, 3, 3), (3, 8, 4), (12, 4, 1)])
def test_every_image_is_seen_once_an_epoch(count, batch, epochs):
    steps = Steps(count, batch, epochs, seed=0)
    seen = [pair for k in range(len(steps)) for pair in zip(*(x.tolist() for x in steps.at(k)), strict=True)]
    assert len(seen) == len(steps) * batch < epochs * count + batch
    first = seen[: epochs * count]
    assert sorted(first) == sorted((index, epoch) for index in range(count) for epoch in range(epochs))
    orders = [[index for index, epoch in first if epoch == one] for one in range(epochs)]
    assert epochs == 1 or orders[0] != orders[1]
    assert Steps(count, batch, epochs, seed=1).at(0)[0].tolist() != steps.at(0)[0].tolist()
