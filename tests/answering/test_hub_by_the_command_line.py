"""A repository of a data set as the hub serves it, from a folder, through `seealike run`: its card, its shards."""

import sys

import datasets
import numpy as np
import pytest
from small_images import png

from seealike import cli
from seealike.results import Results

CARD = """---
license: mit
configs:
- config_name: fine
  default: true
  data_files:
  - split: train
    path: data/train-*.parquet
  - split: test
    path: data/test-*.parquet
- config_name: coarse
  data_files:
  - split: train
    path: coarse/train-*.parquet
dataset_info:
- config_name: fine
  features:
  - name: image
    dtype: image
  - name: label
    dtype: {class_label: {names: {"0": cat, "1": dog}}}
---
# Pets <script>alert(1)</script>
"""
NETS = """
import torch
from torch import nn

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
"""
STUDY = """
seed = 1
batch = 8
[models.net]
source = "nets.py:net"
size = 8
[images.indexed]
source = "hub:./pets"
order = "given"
[images.streamed]
source = "hub:./pets"
stream = true
[images.tested]
source = "hub:./pets"
split = "test"
take = 8
[images.coarse]
source = "hub:./pets"
config = "coarse"
"""
ASKS = "".join(
    f'[ask.{name}]\nmeasure = "cka"\nlayers = "net:**"\nimages = "{name}"\n'
    for name in ("indexed", "streamed", "tested", "coarse")
)
RIGHT = '[ask.right]\nmeasure = "accuracy"\nimages = "indexed"\n'


def parquet(path, first, count):
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["cat", "dog"]))
    images = [{"bytes": png(i), "path": f"{i}.png"} for i in range(first, first + count)]
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = {"image": images, "label": [i % 2 for i in range(count)]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(path)


@pytest.fixture
def pets(tmp_path):
    datasets.disable_progress_bars()
    for shard in range(2):
        parquet(tmp_path / "pets" / "data" / f"train-0000{shard}-of-00002.parquet", 20 * shard, 20)
    parquet(tmp_path / "pets" / "data" / "test-00000-of-00001.parquet", 40, 10)
    parquet(tmp_path / "pets" / "coarse" / "train-00000-of-00001.parquet", 50, 12)
    (tmp_path / "pets" / "README.md").write_text(CARD)
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def test_a_repository_in_a_folder_indexed_and_streamed(pets, monkeypatch, capsys):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", pets / "cache")
    (pets / "study.toml").write_text(STUDY + ASKS + RIGHT)
    monkeypatch.setattr(sys, "argv", ["seealike", "run", str(pets / "study.toml"), "--out", str(pets / "out")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, None), capsys.readouterr().err
    results = Results(pets / "out")
    np.testing.assert_array_equal(results["indexed"].cka, results["streamed"].cka)
    seen = {name: results[name].attrs["images_seen"] for name in results}
    assert seen == {"indexed": 40, "streamed": 40, "tested": 8, "coarse": 12, "right": 40}
    said = {name: results[name].attrs["images"]["source"].rpartition("pets")[2] for name in results}
    assert (
        said["indexed"] == ", split train, config fine" and said["streamed"] == ", split train, config fine, streamed"
    )
    assert said["tested"] == ", split test, config fine" and said["coarse"] == ", split train, config coarse"
    assert 0 <= float(results["right"].accuracy[0]) <= 1
    assert "<script>alert" not in (pets / "out" / "report.html").read_text("utf8")


def test_a_card_that_is_broken_is_told(pets, monkeypatch, capsys):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", pets / "cache")
    (pets / "study.toml").write_text(STUDY + ASKS)
    monkeypatch.setattr(sys, "argv", ["seealike", "run", str(pets / "study.toml"), "--out", str(pets / "out")])
    for card in (
        CARD.replace("configs:", "configs: ["),
        CARD.replace("data/", "../../"),
        "---\n" + "[" * 3000 + "\n---\n",
    ):
        (pets / "pets" / "README.md").write_text(card)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        assert "seealike: hub:" in capsys.readouterr().err
