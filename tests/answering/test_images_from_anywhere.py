"""Studies on images from every kind of source: the same images give the same answers, each set answers for itself."""

from dataclasses import dataclass

import datasets
import numpy as np
import pytest
import torch
from small_images import folder, key, png, tar, tars
from torch import nn

import seealike
from seealike.errors import RunError, StudyError
from seealike.images.sources import open_images
from seealike.images.tensors import Tensors
from seealike.kernel import Selected, fold
from seealike.measures.cka import CKA
from seealike.plan import make_plan
from seealike.plan.forecast import forecast
from seealike.plan.passes import ImageSet
from seealike.plan.preparing import rooted
from seealike.selection import Models
from seealike.study import Ask, ImagesSource, Study
from seealike.study.toml import load_study

NETS = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 5))
"""
MODEL = '[models.net]\nsource = "nets.py:net"\nsize = 8\n'
ASK = '[ask.{0}]\nmeasure = "cka"\nlayers = "net:**"\nimages = "{0}"\nbatch = 16\n'


def study(root, sets, *more):
    """Answers of one study that asks the same of each of these sets."""
    tables = "".join(f"[images.{name}]\n{text}\n" + ASK.format(name) for name, text in sets.items())
    (root / "nets.py").write_text(NETS)
    (root / "study.toml").write_text("seed = 1\n" + MODEL + tables + "\n".join(more))
    return load_study(root / "study.toml")


def answered(root, sets, **options):
    return seealike.run(study(root, sets), root / "out", **options)


def compare(root, count, **options):
    folder(root / "folder", count)
    tars(root / "tars", count)
    sets = {
        "folder": 'source = "folder:folder"',
        "tars": 'source = "webdataset:tars/part-{000..002}.tar"',
        "walked": 'source = "folder:folder"\norder = "given"',
        "tars-walked": 'source = "webdataset:tars"\norder = "given"',
        "streamed": 'source = "webdataset:tars/*.tar"\nstream = true',
    }
    return answered(root, sets, **options)


def same_answers(results):
    np.testing.assert_array_equal(results["folder"].cka, results["tars"].cka)
    np.testing.assert_array_equal(results["folder"].cka_se, results["tars"].cka_se)
    for name in ("tars-walked", "streamed"):
        np.testing.assert_array_equal(results["walked"].cka, results[name].cka)
    assert not np.array_equal(results["folder"].cka, results["walked"].cka)


def test_tars_give_the_answers_of_the_folder_they_came_from(tmp_path):
    results = compare(tmp_path, 200)
    same_answers(results)
    told = {name: results[name].attrs["images"] for name in results}
    assert {name: (said["order"], said["count"]) for name, said in told.items()} == {
        "folder": ("seeded", 200),
        "tars": ("seeded", 200),
        "walked": ("given", 200),
        "tars-walked": ("given", 200),
        "streamed": ("given", 200),
    }
    assert {len(results[name].attrs["notes"]) for name in results} == {0}


@pytest.mark.long
def test_ten_thousand_images_in_tars(tmp_path):
    same_answers(compare(tmp_path, 10_000, workers=1))


def test_the_first_of_a_stream_are_those_of_the_folder_in_its_order(tmp_path):
    folder(tmp_path / "folder", 60)
    tars(tmp_path / "tars", 60)
    first = 'take = 40\norder = "given"'
    results = answered(
        tmp_path,
        {"a": f'source = "folder:folder"\n{first}', "b": f'source = "webdataset:tars"\nstream = true\n{first}'},
        workers=1,
    )
    np.testing.assert_array_equal(results["a"].cka, results["b"].cka)
    assert results["b"].attrs["images"]["count"] == results["b"].attrs["images_seen"] == 40


def test_a_data_set_of_the_hub_streamed_is_what_its_copy_is(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    made = {"image": [{"bytes": png(i), "path": None} for i in range(40)]}
    table = datasets.Dataset.from_dict(made, features=datasets.Features(image=datasets.Image()))
    (tmp_path / "pets" / "data").mkdir(parents=True)
    table.to_parquet(tmp_path / "pets" / "data" / "test-00000-of-00001.parquet")
    results = answered(
        tmp_path,
        {"copied": 'source = "hub:pets"\norder = "given"', "streamed": 'source = "hub:pets"\nstream = true\ntake = 40'},
    )
    np.testing.assert_array_equal(results["copied"].cka, results["streamed"].cka)
    assert results["streamed"].attrs["images"]["source"].endswith("pets, split test, streamed")


def test_each_of_two_sets_answers_for_itself(tmp_path):
    folder(tmp_path / "photographs", 40)
    made = {"image": [{"bytes": png(500 + i), "path": None} for i in range(48)]}
    datasets.disable_progress_bars()
    table = datasets.Dataset.from_dict(made, features=datasets.Features(image=datasets.Image()))
    table.to_parquet(tmp_path / "table.parquet")
    sets = {
        "photographs": 'source = "folder:photographs"',
        "table": 'source = "parquet:table.parquet"\ntake = 40',
        "scenes": 'source = "scenes:40"\nsize = 16',
    }
    results = answered(tmp_path, sets)
    told = {name: results[name].attrs["images"] for name in sets}
    assert {name: said["name"] for name, said in told.items()} == {name: name for name in sets}
    assert told["photographs"]["source"].endswith("photographs") and told["table"]["source"].startswith("parquet:")
    assert told["scenes"]["source"] == "scenes:40" and len({said["fingerprint"] for said in told.values()}) == 3
    for name, text in sets.items():
        alone = seealike.run(study(tmp_path, {name: text}), tmp_path / "alone" / name)
        np.testing.assert_array_equal(alone[name].cka, results[name].cka)
    assert not np.allclose(results["photographs"].cka, results["table"].cka, atol=1e-3)


# ---- answers are kept


def test_answers_are_reused_for_the_same_order_only(tmp_path):
    folder(tmp_path / "folder", 40)
    tars(tmp_path / "tars", 40)
    digests = []
    for text in (
        'source = "folder:folder"',
        'source = "folder:folder"\norder = "given"',
        'source = "folder:folder"\norder = "seeded"',
        'source = "webdataset:tars"\nstream = true',
        'source = "webdataset:tars"\nstream = true\ntake = 39',
        'source = "webdataset:tars"\nstream = true',
    ):
        plan = make_plan(study(tmp_path, {"images": text}))
        digests.append(plan.passes[0].questions[0].digest)
    assert digests[0] == digests[2] and digests[3] == digests[5]
    assert len(set(digests)) == 4


def test_a_stream_asked_in_two_batches_is_walked_twice(tmp_path):
    tars(tmp_path / "tars", 40)
    more = '[ask.again]\nmeasure = "cka"\nlayers = "net:**"\nbatch = 8\n'
    results = seealike.run(study(tmp_path, {"a": 'source = "webdataset:tars"\nstream = true'}, more), tmp_path / "out")
    assert {results[name].attrs["batch"] for name in results} == {8, 16}
    assert {results[name].attrs["images"]["count"] for name in results} == {40}


def test_one_unreadable_image_of_a_stream_is_noted(tmp_path):
    tars(tmp_path / "tars", 120, broken=frozenset({0}))
    answer = answered(tmp_path, {"a": 'source = "webdataset:tars"\nstream = true'})["a"]
    assert answer.attrs["images_seen"] == 119
    assert "1 of 120 images could not be read and were left out" in answer.attrs["notes"]
    assert answer.attrs["images"]["unreadable_images"][0].startswith("part-000.tar/ape/00000: ")


def test_the_first_image_may_be_the_unreadable_one(tmp_path):
    root = folder(tmp_path / "folder", 120)
    (root / f"{key(0, 120)}.png").write_bytes(b"no image")
    answer = answered(tmp_path, {"a": 'source = "folder:folder"\norder = "given"'})["a"]
    assert answer.attrs["images_seen"] == 119


def test_a_forecast_of_a_stream(tmp_path):
    tars(tmp_path / "tars", 40)
    text = 'source = "webdataset:tars"\nstream = true'
    (line, *_) = forecast(make_plan(study(tmp_path, {"a": text})))
    assert line == "pass 1 of 1: a stream of images of a in batches of 16"
    lines = list(forecast(make_plan(study(tmp_path, {"a": f"{text}\ntake = 40"}))))
    assert lines[0].startswith("pass 1 of 1: 40 images") and "from 8 images" in lines[-1]


def test_the_batch_of_a_stream_that_does_not_say_how_long_it_is(tmp_path):
    pictures = open_images(f"webdataset:{tars(tmp_path, 40)}", stream=True)
    assert ImageSet.of("a", pictures, None, 0).default_batch == 256
    assert ImageSet.of("a", pictures, 40, 0).default_batch == 5


# ---- refusals


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('source = "webdataset:tars"\nstream = true\norder = "seeded"', 'order = "seeded": a stream comes in its own'),
        ('source = "webdataset:tars"\nstream = true\ntake = 3', r"too few images: 3\."),
        ('source = "webdataset:tar"', r"webdataset:.*: There is no 'tar' in .*\. Closest: tars\."),
        ('source = "folder:tars"\nstream = true', r"folder: takes no 'stream'"),
        (
            'source = "folder:tars"\norder = "random"',
            r"images\.a\.order = 'random': input should be 'seeded' or 'given'",
        ),
        ('source = "hub:./pets"', r"hub:.*/pets: There is no 'pets' in "),
    ],
)
def test_what_is_refused_before_anything_runs(tmp_path, text, words):
    tars(tmp_path / "tars", 12)
    with pytest.raises(StudyError, match=words):
        answered(tmp_path, {"a": text})
    assert not (tmp_path / "out").exists()


def test_a_stream_that_ends_too_soon_ends_the_run(tmp_path):
    tars(tmp_path / "tars", 40)
    with pytest.raises(RunError, match=r"take = 41: only 40 images came\.") as error:
        answered(tmp_path, {"a": 'source = "webdataset:tars"\nstream = true\ntake = 41'})
    assert error.value.exit_code == 1


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("folder:a", "folder:{at}/a"),
        ("parquet:a/*.parquet", "parquet:{at}/a/*.parquet"),
        ("webdataset:a/{0..9}.tar", "webdataset:{at}/a/{0..9}.tar"),
        ("webdataset:/a.tar", "webdataset:/a.tar"),
        ("webdataset:https://example.org/a.tar", "webdataset:https://example.org/a.tar"),
        ("hub:pets", "hub:{at}/pets"),
        ("hub:./none", "hub:{at}/none"),
        ("hub:owner/name", "hub:owner/name"),
        ("scenes:100", "scenes:100"),
        ("data.py:images", "{at}/data.py:images"),
        ("a", "{at}/a"),
        (3, 3),
    ],
)
def test_paths_are_meant_from_the_study_s_file(tmp_path, source, meant):
    (tmp_path / "pets").mkdir()
    assert rooted(source, str(tmp_path)) == (meant.replace("{at}", str(tmp_path)) if isinstance(meant, str) else meant)


# ---- images as a source of tensors


def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())


def test_what_is_recorded_of_images_stands_beside_layers(tmp_path):
    tars(tmp_path, 40)
    asked = ["0", "images:label", "images:hue", "images:index"]
    source = ImagesSource(f"webdataset:{tmp_path}", factor_columns=("hue",))
    table = seealike.features(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), source, asked, batch=8)
    assert list(table) == asked
    assert table["images:label"].values.tolist() == [i * 3 // 40 for i in range(40)]
    assert table["images:hue"].values.tolist() == [i / 10 for i in range(40)]
    assert table["images:index"].values.tolist() == list(range(40))
    assert table.image.values.tolist()[:2] == ["part-000.tar/ape/00000", "part-000.tar/ape/00001"]
    streamed = seealike.features(
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        ImagesSource(f"webdataset:{tmp_path}", factor_columns=("hue",), stream=True),
        asked,
        batch=8,
    )
    assert table.identical(streamed)
    table.to_netcdf(tmp_path / "f.nc", engine="h5netcdf")


def test_all_that_is_recorded(tmp_path):
    table = seealike.features(net(), "scenes:20", "images:*", batch=8)
    assert next(iter(table)) == "images:label" and "images:hue" in table
    scenes = open_images("scenes:20")
    assert table["images:hue"].values.tolist() == [scenes.factor(i, "hue") for i in range(20)]


def test_labels_of_a_loader():
    batches = [(torch.rand(5, 3, 8, 8), torch.arange(5)), (torch.rand(5, 3, 8, 8), torch.arange(5))]
    table = seealike.features(net(), iter(batches), ["images:label", "1"])
    assert table["images:label"].values.tolist() == [*range(5), *range(5)]


def test_a_loader_without_labels_has_none_to_ask_for():
    with pytest.raises(StudyError, match=r"images:label: these images have no labels\."):
        seealike.features(net(), iter([torch.rand(8, 3, 8, 8)]), "images:label")


def test_images_left_out_have_no_labels_either(tmp_path):
    tars(tmp_path, 120, broken=frozenset({7, 50}))
    source = ImagesSource(f"webdataset:{tmp_path}", factor_columns=("hue",))
    with pytest.raises(RunError, match="2 of 120"):
        seealike.features(net(), source, "images:hue")
    tars(tmp_path, 120, broken=frozenset({50}))
    table = seealike.features(net(), source, "images:hue")
    assert table["images:hue"].values.tolist() == [i / 10 for i in range(120) if i != 50]


def test_images_without_labels_in_a_set_that_has_some(tmp_path):
    path = tar(tmp_path / "a.tar", a__png=png(0), a__cls=b"2", **{f"{x}__png": png(1) for x in "bcdefgh"})
    table = seealike.features(net(), f"webdataset:{path}", "images:label", batch=4)
    assert table["images:label"].values.tolist() == [2, *[-1] * 7]


def test_selections_of_images(tmp_path):
    images = open_images("scenes:20")
    models = Models({}, images)
    assert models.select("images:hue") == (Selected("images", "hue", 0.0),)
    assert [s.tensor for s in models.select("images")] == ["label", *images.factors]
    assert models.select("images:index") == (Selected("images", "index", 0.0),)


@pytest.mark.parametrize(
    ("pattern", "options", "words"),
    [
        (
            "images:huee",
            {"factor_columns": ("hue",)},
            r"images:huee: these images have no factor 'huee'\. Closest: hue\.",
        ),
        ("images:sharpness", {}, r"images:sharpness: these images have no factor 'sharpness'\. There are: label\."),
        ("images:label", {"label_column": None}, r"images:label: these images have no labels\. label_column names"),
        ("images:*", {"label_column": None}, r"images:\*: these images have no factors and no labels\. factor_columns"),
    ],
)
def test_what_is_not_recorded_is_refused(tmp_path, pattern, options, words):
    tars(tmp_path, 12)
    for how in ({}, {"stream": True}):
        images = open_images(f"webdataset:{tmp_path}", **options, **how)
        with pytest.raises(StudyError, match=words):
            seealike.features(net(), images, ["1", pattern])
    with pytest.raises(StudyError, match=r"images:label: these images have no labels"):
        Models({}).select("images:label")


@dataclass(frozen=True, eq=False)
class Recorded(Tensors):
    """Tensors of which a hue is known: their label."""

    factors = ("hue",)

    def factor(self, index, name):
        return float(self.labels[index])


def test_a_view_sees_a_factor_as_a_layer_of_one_number():
    """CKA of a model with a recorded factor: the factor's Gram is the product of its centred values."""
    x, hue = torch.rand(32, 3, 4, 4), torch.rand(32)
    images = Recorded(x + hue[:, None, None, None], hue)
    mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    study = Study(
        {"net": mean},
        {"x": ImagesSource(images)},
        {"a": Ask(CKA("net:**", "images:hue", estimator="biased"))},
        batch=32,
    )
    (planned,) = make_plan(study).passes
    measure = planned.questions[0].measure
    totals = fold(measure.needs(), planned.run)
    found = float(measure.read(*totals.groups[0].values()).cka[0, 0])
    features = images.tensor.mean((2, 3)) - images.tensor.mean((0, 2, 3))
    centred = (hue - hue.mean())[:, None]
    k, one = features @ features.T, centred @ centred.T
    assert found == pytest.approx(float((k * one).sum() / (k.norm() * one.norm())), abs=1e-5)
    with pytest.raises(StudyError, match=r"images:hue cannot be seen so: its places in the image could not be found\."):
        CKA(a="images:hue", view="cls").bind(Models({}, images))
