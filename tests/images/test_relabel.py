"""Random labels: uniform, fixed for an image, and telling nothing of it."""

import numpy as np
import pytest
from scipy.stats import chi2, chisquare

from seealike.errors import StudyError
from seealike.images.relabel import random_label
from seealike.images.scenes import Scenes

COUNT = 4000


def labels(seed: int, classes: int = 10, count: int = COUNT) -> np.ndarray:
    return np.array([random_label(f"train-{i}", classes, seed) for i in range(count)])


def related(a: np.ndarray, b: np.ndarray) -> float:
    """The chance that independent labels look so related: chi squared of their table."""
    seen = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(seen, (a, b), 1)
    expected = np.outer(seen.sum(1), seen.sum(0)) / len(a)
    return float(chi2.sf(((seen - expected) ** 2 / expected).sum(), a.max() * b.max()))


@pytest.mark.parametrize("classes", [2, 7, 10, 100])
def test_uniform(classes):
    assert chisquare(np.bincount(labels(3, classes), minlength=classes)).pvalue > 1e-4


def test_independent_of_the_true_label_and_of_other_seeds():
    scenes = Scenes(str(COUNT))
    true = np.array([scenes.label(i) for i in range(COUNT)])
    assert related(labels(0), true) > 1e-4 and related(labels(0), labels(1)) > 1e-4
    assert related(labels(0), np.arange(COUNT) % 10) > 1e-4 and related(labels(0)[1:], labels(0)[:-1]) > 1e-4
    assert related(true, true) < 1e-10  # the test tells labels that are related


def test_the_same_on_all_machines():
    """Values from another run: whoever changes them changes what networks with random labels were trained on."""
    assert labels(0, count=12).tolist() == [9, 8, 1, 3, 3, 7, 3, 8, 8, 3, 4, 1]
    assert random_label("a", 10**9, -1) != random_label("a", 10**9, 1) != random_label("b", 10**9, 1)


def test_any_file_name_has_a_label():
    assert 0 <= random_label("é/\udcff.png", 10, 0) < 10


def test_no_class_is_refused():
    with pytest.raises(StudyError, match="classes = 0: random labels need at least 1 class"):
        random_label("train-0", 0, 0)
