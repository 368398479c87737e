"""Scenes: the same everywhere, their factors as recorded, their backgrounds as natural as promised."""

import hashlib

import numpy as np
import pytest

from seealike.errors import StudyError
from seealike.images.loading import load
from seealike.images.order import batches
from seealike.images.preprocessing import plain
from seealike.images.scenes import Scenes
from seealike.images.scenes.backgrounds import BACKGROUNDS
from seealike.images.scenes.painting import CLUTTER, _coverage, drawn, paint
from seealike.images.scenes.shapes import SHAPES
from seealike.images.sources import open_images

COUNT = 400


def digest(scenes, count=64):
    return hashlib.sha256(b"".join(scenes.read(i).tobytes() for i in range(count))).hexdigest()[:16]


@pytest.mark.parametrize(("size", "expected"), [(32, "c9e162144caac8f1"), (47, "85da6ffeaac37003")])
def test_the_same_to_the_bit_on_every_machine(size, expected):
    """Values from another run: whoever changes a picture must raise VERSION, for stored answers would be wrong."""
    assert digest(Scenes("64", "test", size)) == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_any_number_of_workers_paints_the_same(workers):
    scenes = Scenes("24")
    found = list(load(scenes, batches(range(24), 8), {"net": plain(32)}, workers))
    seen = np.concatenate([b.inputs["net"].permute(0, 2, 3, 1).numpy() for b in found])
    expected = np.stack([np.asarray(scenes.read(i)) for i in range(24)])
    np.testing.assert_allclose(seen * 255, expected, atol=1e-3)
    assert [b.labels.tolist() for b in found] == [[scenes.label(i) for i in range(k, k + 8)] for k in (0, 8, 16)]


def test_a_longer_set_begins_with_the_shorter_and_splits_differ():
    assert digest(Scenes("64")) == digest(Scenes("5000")) != digest(Scenes("64", "test"))
    assert Scenes("64").fingerprint != Scenes("65").fingerprint != Scenes("65", size=64).fingerprint
    assert len(open_images("scenes:")) == 10_000 and open_images("scenes:7", size=16, split="x").read(0).size == (
        16,
        16,
    )


def test_factors_are_drawn_independently_of_each_other_and_of_the_shape():
    scenes = Scenes(str(5 * COUNT))
    table = np.array([[scenes.factor(i, name) for name in scenes.factors] for i in range(len(scenes))])
    labels = np.eye(10)[[scenes.label(i) for i in range(len(scenes))]]
    assert labels.mean(0) == pytest.approx(0.1, abs=0.03)
    names = scenes.factors
    x, y = names.index("x"), names.index("y")
    # a large shape has less room to move in
    table[:, [x, y]] = (table[:, [x, y]] - 0.5) / (0.5 - table[:, [names.index("size")]])
    related = np.corrcoef(np.hstack([table, labels[:, 1:]]).T)[: len(names)]
    related[:, : len(names)][np.eye(len(names), dtype=bool)] = 0
    assert abs(related).max() < 4.5 / np.sqrt(len(scenes))
    assert set(np.unique(table[:, names.index("clutter")])) == set(range(CLUTTER + 1))


@pytest.mark.parametrize("shape", [s for s in SHAPES if s not in ("crescent", "triangle", "heart", "arch")])
def test_position_and_size_are_where_the_shape_is(shape):
    scene = next(s for s in (drawn("train", i) for i in range(COUNT)) if list(SHAPES)[s.shape] == shape)
    covered = _coverage(scene, 96)
    at = (np.arange(96) + 0.5) / 96
    assert (covered.sum(0) @ at / covered.sum(), covered.sum(1) @ at / covered.sum()) == pytest.approx(
        (scene.x, scene.y), abs=0.005
    )
    rows = at[covered.any(1)]
    assert 0.75 * scene.size < (rows.max() - rows.min()) / 2 < 1.1 * scene.size


def test_luminance_and_hue_are_seen_in_the_picture():
    scenes = [drawn("train", i) for i in range(COUNT)]
    pictures = [paint("train", i, 32) / 255 for i in range(COUNT)]
    means = [p.mean() for p in pictures]
    assert np.corrcoef(means, [s.luminance for s in scenes])[0, 1] > 0.8
    spreads = [p.std() for p in pictures]
    assert np.corrcoef(spreads, [s.contrast for s in scenes])[0, 1] > 0.5
    solid = [(p, s) for p, s in zip(pictures, scenes, strict=True) if s.shape == list(SHAPES).index("disc")]
    colours = np.array([p[int(s.y * 32), int(s.x * 32)] for p, s in solid])
    red = np.array([np.cos(2 * np.pi * s.hue) for _, s in solid])
    assert np.corrcoef(colours[:, 0] - colours[:, 1:].mean(1), red)[0, 1] > 0.7


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("size", [32, 64, 90])
def test_backgrounds_fall_as_natural_images_do(background, size):
    """Amplitude ~ 1/f^a with a near 1, and a spread near 1."""
    source = np.random.PCG64(5)
    lots = lambda n: (source.random_raw(n) >> np.uint64(11)) * 2.0**-53  # noqa: E731
    fields = np.stack([background(lots, size).mean(-1) for _ in range(6400 // size)])
    assert 0.7 < fields.std() < 1.3 and abs(fields.mean()) < 0.25
    window = np.outer(np.hanning(size), np.hanning(size))
    amplitude = abs(np.fft.fft2((fields - fields.mean((1, 2), keepdims=True)) * window)).mean(0)
    f = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size, 1 / size)] * 2))
    used = (f >= 2) & (f <= 0.45 * size)
    slope = np.polyfit(np.log(f[used]), np.log(amplitude[used]), 1)[0]
    assert 0.8 <= -slope <= 1.2


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("scenes:many", {}, '"scenes:many": write how many, as in "scenes:5000"'),
        ("scenes:0", {}, "write how many"),
        ("scenes:", {"size": 4}, "at least 8 x 8 pixels"),
        ("scenes:", {"sizes": 4}, "size"),
    ],
)
def test_messages(source, options, said):
    with pytest.raises(StudyError, match=said.replace("(", r"\(")):
        open_images(source, **options)
