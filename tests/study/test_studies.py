"""The studies that come with the package are read, and ask what there is; those that need no download are answered."""

from dataclasses import replace
from pathlib import Path

import pytest

import seealike
from seealike import zoo
from seealike.cli import STUDIES
from seealike.study import ImagesSource
from seealike.study.toml import load_study

DATA = Path(__file__).parents[3] / "shared" / "data" / "cifar10-test.parquet"


@pytest.mark.parametrize("name", ["demo", "cifar10"])
def test_a_study_names_networks_of_the_zoo(name):
    study = load_study(STUDIES / f"{name}.toml")
    assert study.title and {model.source.removeprefix("zoo:") for model in study.models.values()} <= set(zoo.names())


def test_the_demo_needs_no_download_and_is_small():
    study = load_study(STUDIES / "demo.toml")
    assert all(images.source.startswith("scenes:") for images in study.images.values())
    assert {ask.measure.name for ask in study.ask.values()} == {"cka", "attention_distance"}


@pytest.mark.skipif(not DATA.exists(), reason="no CIFAR-10 beside the project")
@pytest.mark.long
def test_cifar10_is_answered_on_its_test_images(tmp_path):
    study = load_study(STUDIES / "cifar10.toml")
    few = {"test": ImagesSource(f"parquet:{DATA}", take=256)}
    results = seealike.run(replace(study, images=few, batch=32), tmp_path)
    assert set(results) == set(study.ask)
    similarity = results["similarity"]
    assert similarity.cka.max() > 0.5 and "cifar10" in similarity.attrs["models"]["vit"]["weights"]
