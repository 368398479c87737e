"""A study of every kind of sum, quick to answer: its files, running it, and whether two answers are one."""

from pathlib import Path

import numpy as np

import seealike
from seealike.results import Results
from seealike.study.toml import load_study

MADE = """
import torch
from torch import nn

def net(width=4):
    stem = nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3), nn.AdaptiveAvgPool2d(2)
    return nn.Sequential(*stem, nn.Flatten(), nn.Linear(4 * width, 5))

class Images:
    classes = tuple("abcde")

    def __init__(self, first):
        self.first = first

    def __len__(self):
        return 84

    def __getitem__(self, i):
        return torch.randn(3, 10, 10, generator=torch.Generator().manual_seed(self.first + i)), i % 5

def images():
    return Images(0)

def others():
    return Images(1000)
"""
STUDY = """
batch = 4
[models.net]
source = "made.py:net"
size = 10
[images.test]
source = "made.py:images"
[images.train]
source = "made.py:others"
[ask.similarity]
measure = "cka"
layers = "net:**"
[ask.near]
measure = "imbalance"
layers = "net:**"
view = "mean"
[ask.right]
measure = "accuracy"
models = ["net"]
[ask.fields]
measure = "receptive_field"
model = "net"
layers = "2"
take = 20
[ask.probe]
measure = "probe"
model = "net"
layers = ["2", "4"]
view = "mean"
train = "train"
test = "test"
"""


def written(folder: Path, study: str = STUDY) -> Path:
    """The files of the study, in a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "made.py").write_text(MADE)
    (folder / "study.toml").write_text(study)
    return folder


def run(folder: Path, out: str, every: float = 0.0) -> Results:
    return seealike.run(load_study(folder / "study.toml"), folder / out, every=every)


def same(one: Results, other: Results, rounding: float = 0.0) -> None:
    """The same answers and leave-outs: to the bit, or up to `rounding` in units of the largest number of each."""
    assert list(one) == list(other)
    for name in one:
        pairs = [(one[name], other[name]), (one.left_out(name), other.left_out(name))]
        for first, second in pairs:
            assert (first is None) == (second is None)
            if first is not None and second is not None:
                assert set(first.variables) == set(second.variables)
                for variable in first.variables:
                    _same(first[variable].values, second[variable].values, rounding, f"{name}.{variable}")


def _same(first: np.ndarray, second: np.ndarray, rounding: float, what: str) -> None:
    if rounding and first.dtype.kind == "f":
        largest = np.nanmax(np.abs(first), initial=0.0)
        np.testing.assert_allclose(first, second, rtol=rounding, atol=rounding * largest, err_msg=what)
    else:
        np.testing.assert_array_equal(first, second, err_msg=what)
