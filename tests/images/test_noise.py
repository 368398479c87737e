"""Noise: normal, the same everywhere, and with labels that tell nothing of it."""

import hashlib
import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare, f_oneway, norm

from seealike.errors import StudyError
from seealike.images.loading import load
from seealike.images.noise import LEVELS, LOTS, VERSION, Noise
from seealike.images.order import batches
from seealike.images.preprocessing import plain
from seealike.images.relabel import random_label
from seealike.images.sources import open_images
from seealike.study import ImagesSource
from seealike.study.toml import images_source

COUNT = 200
# the chance of each of 256 levels, by another implementation of the normal distribution
EDGES = norm.cdf(((np.arange(255) + 0.5) / 255 - 0.5) / 0.25)
CHANCE = np.diff([0, *EDGES, 1])


@pytest.fixture(scope="module")
def seen():
    noise = Noise(str(COUNT))
    return np.stack([np.asarray(noise.read(i)) for i in range(COUNT)])


def digest(noise, count=32):
    read = b"".join(noise.read(i).tobytes() + bytes([noise.label(i)]) for i in range(count))
    return hashlib.sha256(read).hexdigest()[:16]


@pytest.mark.parametrize(("size", "expected"), [(32, "4a125e4167ad5321"), (7, "28262b6dae432402")])
def test_the_same_to_the_bit_on_every_machine(size, expected):
    """Values from another run: whoever changes an image must raise VERSION, for stored answers would be wrong."""
    assert digest(Noise("32", "test", size)) == expected


def test_the_table_is_the_normal_distribution_to_one_lot():
    assert len(LEVELS) == LOTS and LEVELS.dtype == np.uint8
    below = np.searchsorted(LEVELS, np.arange(1, 256))  # how many lots give a lower level
    assert abs(below - LOTS * EDGES).max() <= 0.5 + 1e-6
    # so far from a tie that no rounding error of a machine could change it
    assert abs((LOTS * EDGES) % 1 - 0.5).min() > 1e-6


def test_mean_spread_and_kurtosis_are_those_of_the_clipped_normal_distribution(seen):
    level, pixels = np.arange(256) / 255, seen.reshape(-1) / 255
    mean = CHANCE @ level
    moment = lambda k: CHANCE @ (level - mean) ** k  # noqa: E731
    assert (mean, np.sqrt(moment(2))) == (pytest.approx(0.5), pytest.approx(0.25, abs=0.011))
    errors = [np.sqrt((moment(2 * k) - moment(k) ** 2) / pixels.size) for k in (1, 2, 4)]
    assert pixels.mean() == pytest.approx(mean, abs=4.5 * errors[0])
    assert pixels.var() == pytest.approx(moment(2), abs=4.5 * errors[1])
    assert ((pixels - mean) ** 4).mean() == pytest.approx(moment(4), abs=4.5 * errors[2])
    # where nothing is clipped, within one spread of the mean, the kurtosis of a normal distribution cut there
    inner = pixels[abs(pixels - 0.5) < 0.25] - 0.5
    z = np.linspace(-1, 1, 20001)
    cut = (norm.pdf(z) @ z**4 / norm.pdf(z).sum()) / (norm.pdf(z) @ z**2 / norm.pdf(z).sum()) ** 2
    assert (inner**4).mean() / (inner**2).mean() ** 2 == pytest.approx(cut, abs=0.01)


def test_every_level_is_as_frequent_as_it_should_be(seen):
    assert chisquare(np.bincount(seen.reshape(-1), minlength=256), CHANCE * seen.size).pvalue > 1e-4


def test_pixels_channels_and_images_are_independent(seen):
    z = (seen - seen.mean()) / seen.std()
    for axis in range(4):
        for apart in (1, 2):
            one, other = (np.moveaxis(z, axis, 0)[cut] for cut in (slice(apart, None), slice(None, -apart)))
            assert abs((one * other).mean()) < 4.5 / np.sqrt(one.size)


def test_labels_are_uniform_and_tell_nothing_of_the_image(seen):
    noise = Noise("5000")
    labels = np.array([noise.label(i) for i in range(5000)])
    assert chisquare(np.bincount(labels, minlength=10)).pvalue > 1e-4
    for told in (seen.mean((1, 2, 3)), seen[:, 0, 0, 0], seen[:, 16:].mean((1, 2, 3)), np.arange(COUNT)):
        assert f_oneway(*(told[labels[:COUNT] == k] for k in range(10))).pvalue > 1e-4
    others = [[random_label(noise.id(i), 10, seed) for i in range(5000)] for seed in (0, VERSION)]
    for other in ([Noise("5000", "test").label(i) for i in range(5000)], *others):
        assert (labels == other).mean() == pytest.approx(0.1, abs=0.02)


def test_a_longer_set_begins_with_the_shorter_and_all_else_makes_another():
    noise = Noise("64")
    others = [Noise("65"), Noise("64", "test"), Noise("64", size=16), Noise("64", classes=5)]
    assert digest(noise) == digest(others[0])
    assert len({digest(other) for other in (noise, *others)}) == 4
    assert len({other.fingerprint for other in (noise, *others, Noise(""))}) == 6
    assert (
        open_images("noise:") == Noise()
        and len(Noise()) == 10_000
        and noise.text == "noise:64"
        and noise.id(3) == "train-3"
    )


def test_classes_are_as_many_as_asked_for():
    noise = Noise("500", size=4, classes=3)
    assert noise.classes == ("0", "1", "2") and {noise.label(i) for i in range(500)} == {0, 1, 2}
    assert noise.labelled and noise.factors == ()
    again = pickle.loads(pickle.dumps(noise))
    assert again == noise == replace(noise, size=4) and hash(again) == hash(noise) and again.classes == noise.classes


def test_noise_is_read_as_other_images_are():
    noise = Noise("12", size=8)
    found = list(load(noise, batches(range(12), 8), {"net": plain(8)}, 0))
    expected = np.stack([np.asarray(noise.read(i)) for i in range(12)])
    told = np.concatenate([batch.inputs["net"].permute(0, 2, 3, 1).numpy() for batch in found])
    np.testing.assert_allclose(told * 255, expected, atol=1e-3)
    assert [label for batch in found for label in np.asarray(batch.labels)] == [noise.label(i) for i in range(12)]


def test_a_study_asks_for_noise():
    source = images_source("noise", {"source": "noise:20", "split": "test", "size": 16, "classes": 7})
    assert source == ImagesSource("noise:20", split="test", size=16, classes=7)
    assert open_images(source.source, **source.options) == Noise("20", "test", 16, 7)


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("noise:many", {}, '"noise:many": write how many, as in "noise:5000", or "noise:" for 10,000.'),
        ("noise:0", {}, '"noise:0": write how many'),
        ("noise:9", {"size": 0}, "noise:9: size = 0: an image has at least 1 x 1 pixels."),
        ("noise:9", {"classes": 0}, "noise:9: classes = 0: labels need at least 1 class."),
        ("noise:9", {"class": 3}, "noise: takes no 'class'. Closest: classes."),
        ("scenes:9", {"classes": 3}, "scenes: takes no 'classes'."),
    ],
)
def test_what_is_asked_wrongly(source, options, said):
    with pytest.raises(StudyError, match=said):
        open_images(source, **options)
