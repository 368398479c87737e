"""The studies that come with the package are read, and ask what there is."""

import pytest

from seealike import zoo
from seealike.cli import STUDIES
from seealike.study.toml import load_study


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_study_names_networks_of_the_zoo(path):
    study = load_study(path)
    assert study.title and {model.source.removeprefix("zoo:") for model in study.models.values()} <= set(zoo.names())


def test_the_demo_needs_no_download_and_is_small():
    study = load_study(STUDIES / "demo.toml")
    assert all(images.source.startswith("scenes:") for images in study.images.values())
    assert {ask.measure.name for ask in study.ask.values()} == {"cka", "attention_distance"}
