"""The page on images: its tables are read and its sources opened, its studies and its Python are run."""

import re
from pathlib import Path

import datasets
import pytest
from small_images import folder, png, tars

import seealike
from seealike import zoo
from seealike.images.sources import SCHEMES, Images, Pictures, open_images
from seealike.plan.preparing import rooted
from seealike.study.toml import images_source, load_study, tomllib

PAGE = (Path(__file__).parents[2] / "docs" / "images.md").read_text("utf8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TABLES = [text for kind, text in BLOCKS if kind == "toml"]
COUNT = 48
SMALL = 'source = "timm:test_vit"\npretrained = false\nsize = 32'


def standing(text: str) -> str:
    """As it stands on the page, where the zoo has been trained; else with a small network in its place."""
    if "vit" in zoo.names():
        return text
    made = 'seealike.models.sources.ModelSource("timm:test_vit", pretrained=False, size=32)'
    return text.replace('source = "zoo:vit"', SMALL).replace('features("zoo:vit"', f"features({made}")


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    """What the page names."""
    root = tmp_path_factory.mktemp("page")
    folder(root / "photographs", COUNT)
    tars(root, COUNT)
    for shard in range(3):
        (root / f"part-{shard:03}.tar").rename(root / f"train-{shard:03}.tar")
    datasets.disable_progress_bars()
    rows = {"image": [{"bytes": png(i), "path": None} for i in range(COUNT)], "label": [0, 1] * (COUNT // 2)}
    features = datasets.Features(image=datasets.Image(), label=datasets.Value("int64"))
    table = datasets.Dataset.from_dict(rows, features=features)
    for name in ("hue", "size"):
        table = table.add_column(name, [0.5] * COUNT)
    table.to_parquet(root / "images.parquet")
    (root / "pets" / "data").mkdir(parents=True)
    for split in ("train", "test"):
        table.to_parquet(root / "pets" / "data" / f"{split}-00000-of-00001.parquet")
    (root / "data.py").write_text("import torch\n\ndef images():\n    return torch.rand(8, 3, 32, 32)\n")
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("text", TABLES)
def test_what_the_page_shows_can_be_opened(at, text):
    for name, entry in tomllib.loads(text)["images"].items():
        source = images_source(name, entry)
        if source.source != "hub:uoft-cs/cifar10":  # not without a network
            assert isinstance(open_images(rooted(source.source, str(at)), **source.options), Images | Pictures)


@pytest.mark.parametrize("text", [text for text in TABLES if "[ask." in text])
def test_the_studies_of_the_page_are_answered(at, tmp_path, text):
    (at / "study.toml").write_text(standing(text))
    results = seealike.run(load_study(at / "study.toml"), tmp_path / "out")
    assert sorted(results) == sorted(tomllib.loads(text)["ask"])
    if "streamed" in results:
        assert (results["streamed"].cka == results["walked"].cka).all()


def test_the_python_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind, text in BLOCKS:
        if kind == "python":
            exec(compile(standing(text), "images.md", "exec"), {"__name__": "page"})


def test_every_source_is_on_the_page():
    assert all(f"### `{scheme}:" in PAGE for scheme in SCHEMES)
