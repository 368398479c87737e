"""Every mistake in a study's file is told in the words of the file, before anything runs."""

import copy

import pytest

from seealike.errors import StudyError
from seealike.measures import MEASURES
from seealike.measures.cka import CKA
from seealike.models.sources import ModelSource
from seealike.study.toml import load_study, study

WHOLE = """
title = "ViT against ResNet"
batch = 256
seed = 3
crop = "shared"
[models.vit]
source = "timm:vit_tiny_patch16_224"
pretrained = false
checkpoint = ["a.safetensors", "b.safetensors"]
options = { img_size = 32, patch_size = 4, num_classes = 10 }
tags = { family = "transformer", objective = "classifier" }
size = 32
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
[models.resnet]
source = "torchvision:resnet18"
size = [32, 48]
[images.test]
source = "parquet:images.parquet"
split = "train"
take = 2048
image_column = "image"
label_column = "label"
[images.other]
source = "folder:photographs"
[ask.similarity]
measure = "cka"
a = "vit@0:**"
b = ["resnet:@block", "resnet:fc"]
view = "4x4"
estimator = "biased"
images = "other"
batch = 64
"""

TABLE = {
    "models": {"vit": {"source": "timm:vit_tiny_patch16_224"}},
    "images": {"test": {"source": "folder:photographs"}},
    "ask": {"similarity": {"measure": "cka", "a": "vit:**"}},
}


def test_a_whole_study(tmp_path):
    (tmp_path / "study.toml").write_text(WHOLE)
    read = load_study(tmp_path / "study.toml")
    assert (read.title, read.batch, read.seed, read.crop) == ("ViT against ResNet", 256, 3, "shared")
    assert list(read.models) == ["vit@0", "vit@1", "resnet"]
    assert read.models["vit@1"] == ModelSource(
        "timm:vit_tiny_patch16_224",
        pretrained=False,
        checkpoint="b.safetensors",
        options={"img_size": 32, "patch_size": 4, "num_classes": 10},
        tags={"family": "transformer", "objective": "classifier"},
        size=32,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )
    assert read.models["resnet"].size == (32, 48)
    assert read.images["test"].take == 2048
    assert read.images["test"].options == {"split": "train", "image_column": "image", "label_column": "label"}
    ask = read.ask["similarity"]
    assert ask.measure == CKA(a="vit@0:**", b=("resnet:@block", "resnet:fc"), view="4x4", estimator="biased")
    assert (ask.images, ask.batch) == ("other", 64)
    assert read.folder == str(tmp_path)


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (("batches",), 3, "batches: there is no such key. Closest: batch."),
        (("models", "vit", "sorce"), "x", "models.vit.sorce: there is no such key. Closest: source."),
        (("images", "test", "tak"), 3, "images.test.tak: there is no such key. Closest: take."),
        (("ask", "similarity", "vieww"), "cls", "ask.similarity.vieww: there is no such key. Closest: view."),
        (("ask", "similarity", "bound_a"), [], "ask.similarity.bound_a: there is no such key."),
        (("ask", "similarity", "measure"), "ckaa", 'ask.similarity.measure = "ckaa": no such measure. Closest: cka'),
        (
            ("ask", "similarity", "estimator"),
            "fast",
            "ask.similarity.estimator = 'fast': input should be 'unbiased' or",
        ),
        (("ask", "similarity", "view"), "tokns", 'ask.similarity: view = "tokns" is no view. Closest: tokens.'),
        (("ask", "similarity", "images"), "tset", 'ask.similarity.images = "tset": no such images. Closest: test.'),
        (("images", "test", "take"), "2048", "images.test.take = '2048': input should be a valid integer"),
        (("images", "test", "source"), 3, "images.test.source = 3: write a text"),
        (("batch",), 2.5, "batch = 2.5: input should be a valid integer"),
        (("crop",), "none", "crop = 'none': input should be 'own' or 'shared'"),
        (("models", "vit", "pretrained"), "no", "models.vit.pretrained = 'no': input should be a valid boolean"),
        (("models", "vit"), "timm:resnet18", "models.vit = 'timm:resnet18': write it as a table, [models.NAME]."),
        (("models", "images"), {"source": "x"}, '"images" cannot name a model'),
        (("models",), 3, "models = 3: write it as a table, [models.NAME]."),
        (("models", "a:b"), {"source": "x"}, 'models."a:b": a model\'s name may not hold a colon'),
    ],
)
def test_what_is_wrong_is_named(where, value, says):
    table = copy.deepcopy(TABLE)
    at = table
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    with pytest.raises(StudyError) as error:
        study(table)
    assert str(error.value).startswith(says)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        (("models", "vit", "source"), "models.vit.source is missing."),
        (("images", "test", "source"), "images.test.source is missing."),
        (("ask", "similarity", "measure"), f"ask.similarity has no measure. There are: {', '.join(MEASURES)}."),
        (("models", "vit"), "the study has no models: it needs at least one [models.NAME] table."),
        (("images",), "the study has no images: it needs at least one [images.NAME] table."),
        (("ask", "similarity"), "the study has no ask: it needs at least one [ask.NAME] table."),
    ],
)
def test_what_is_missing_is_named(gone, says):
    table = copy.deepcopy(TABLE)
    at = table
    for key in gone[:-1]:
        at = at[key]
    del at[gone[-1]]
    with pytest.raises(StudyError) as error:
        study(table)
    assert str(error.value) == says


def test_a_file_that_is_no_toml_or_is_not_there(tmp_path):
    (tmp_path / "study.toml").write_text("title = ")
    with pytest.raises(StudyError, match=r"study.toml is no TOML: Invalid value"):
        load_study(tmp_path / "study.toml")
    with pytest.raises(StudyError, match=r"studdy.toml: no such file. Closest: study.toml."):
        load_study(tmp_path / "studdy.toml")
    with pytest.raises(StudyError, match=r"nowhere/study.toml: no such file."):
        load_study(tmp_path / "nowhere" / "study.toml")


def test_a_message_names_the_file(tmp_path):
    (tmp_path / "study.toml").write_text("batches = 3")
    with pytest.raises(StudyError, match=r"study.toml: batches: there is no such key."):
        load_study(tmp_path / "study.toml")
