"""Scenes within limits: what is limited keeps to them, all else stays."""

import pickle
import re
from dataclasses import asdict, astuple
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from seealike.errors import StudyError
from seealike.images.scenes import Scenes
from seealike.images.scenes.factors import FACTORS, PLACES, REAL, WHOLE, Within, drawn_from
from seealike.images.scenes.painting import _coverage, drawn, paint
from seealike.images.scenes.within import RANGES, limits
from seealike.images.sources import open_images
from seealike.study import ImagesSource
from seealike.study.toml import images_source

COUNT = 1000
EXAMPLE = {"hue": [0.0, 0.5], "clutter": [0, 2], "background": [0]}
LAST = 1 - 2.0**-53  # the largest lot


@cache
def table(within: Within = ()) -> dict[str, np.ndarray]:
    """Each factor of scenes with limits."""
    rows = [astuple(drawn("train", i, within))[1:] for i in range(COUNT)]
    return dict(zip(FACTORS, np.array(rows).T, strict=True))


@st.composite
def ranges(draw):
    """One range of each of some factors; places have room for every shape."""
    found = {}
    for name in draw(st.lists(st.sampled_from(FACTORS), unique=True)):
        low, high = (0.32, 0.68) if name in ("x", "y") else RANGES[name]
        ends = st.integers(int(low), int(high)) if name in WHOLE else st.floats(low, high)
        found[name] = sorted([draw(ends), draw(ends)])
    return found


@settings(max_examples=60)
@given(ranges(), st.integers(0, 10**6))
def test_what_is_limited_is_within_and_what_is_not_stays(within, index):
    scenes, free = Scenes("9", within=within), Scenes("9")
    for name in FACTORS:
        value = scenes.factor(index, name)
        if name in within:
            assert within[name][0] <= value <= within[name][1]
        elif name not in ("x", "y") or "size" not in within:
            assert value == free.factor(index, name)
    assert scenes.label(index) == free.label(index)
    place, size = scenes.factor(index, "x"), scenes.factor(index, "size")
    assert size <= place <= 1 - size


def test_the_lot_is_moved_into_the_range():
    free, limited = table(), table(limits(EXAMPLE))
    np.testing.assert_allclose(limited["hue"], free["hue"] / 2)
    assert set(limited["background"]) == {0} and set(free["background"]) == {0, 1}
    counts = np.bincount(limited["clutter"].astype(int))
    assert len(counts) == 3 and chisquare(counts).pvalue > 1e-4
    # of two scenes the one with more distractors has not fewer now
    assert all(limited["clutter"][free["clutter"] == n].max() <= limited["clutter"][free["clutter"] == n + 1].min()
               for n in range(6))  # fmt: skip


@pytest.mark.parametrize(
    "within",
    [
        {"hue": [0.7, 0.8], "texture": [0.0, 0.1], "luminance": [0.35, 0.65], "contrast": [0.1, 0.18]},
        {"x": [0.35, 0.45], "y": [0.32, 0.68], "size": [0.2, 0.3], "clutter": [1, 6]},
        {"x": [0.0, 0.5], "size": [0.17, 0.17]},
    ],
)
def test_uniform_in_the_range_and_independent_of_all_else(within):
    held = limits(within)
    found = {name: values for name, values in table(held).items() if np.ptp(values) > 0}
    for name, (low, high) in held:
        start = max(low, 0.17) if name in PLACES else low
        if name in found and name not in WHOLE:
            assert kstest(found[name], "uniform", (start, high - start)).pvalue > 1e-4
    related = np.corrcoef(list(found.values())) - np.eye(len(found))
    assert abs(related).max() < 4.5 / np.sqrt(COUNT)


def test_a_limited_place_has_room_for_every_size():
    found = table(limits({"x": [0.0, 0.35]}))
    x, size = found["x"], found["size"]
    assert (x >= size).all() and (x <= 0.35).all()
    assert kstest((x - size) / (0.35 - size), "uniform").pvalue > 1e-4


def test_a_limited_size_leaves_the_lots_of_places():
    for place in PLACES:
        both = (table(), table(limits({"size": [0.17, 0.2]})))
        lots = [(found[place] - found["size"]) / (1 - 2 * found["size"]) for found in both]
        np.testing.assert_allclose(lots[0], lots[1], atol=1e-12)


def test_only_the_object_changes_with_its_hue():
    held = limits({"hue": [0.5, 0.5], "clutter": [0, 0]})
    for index in range(20):
        scene = drawn("train", index, held)
        bare, cyan = paint("train", index, 32, limits({"clutter": [0]})), paint("train", index, 32, held)
        assert scene.hue == 0.5 and (bare == cyan)[_coverage(scene, 32) == 0].all() and (bare != cyan).any()


def test_the_ranges_are_what_lots_reach():
    lowest, highest = (asdict(drawn_from(lambda n, lot=lot: np.full(n, lot))) for lot in (0.0, LAST))
    for name in (*REAL, *WHOLE):
        assert (lowest[name], highest[name]) == pytest.approx(RANGES[name])
    assert lowest["x"] == lowest["size"] and highest["y"] == pytest.approx(1 - highest["size"])
    for name, (low, high) in RANGES.items():
        held = limits({"size": [0.17], name: [low, high]})
        ends = [asdict(drawn_from(lambda n, lot=lot: np.full(n, lot), held))[name] for lot in (0.0, LAST)]
        assert ends == pytest.approx([max(low, 0.17), min(high, 0.83)] if name in ("x", "y") else [low, high])


def test_the_page_gives_the_ranges():
    page = (Path(__file__).parents[2] / "docs" / "images.md").read_text("utf8")
    rows = dict(re.findall(r"^\| `(\w+)`(?: `y`)? \| .* \| ([\d.]+ to [\d.]+)", page, re.MULTILINE))
    assert rows == {name: f"{low:g} to {high:g}" for name, (low, high) in RANGES.items() if name != "y"}


def test_limits_make_another_set_that_says_so():
    free, near = Scenes("100"), Scenes("100", within=EXAMPLE)
    assert near.text == "scenes:100 within background 0, clutter 0 to 2, hue 0 to 0.5"
    assert free.text == "scenes:100" and Scenes("100", within={}) == free
    others = [near, free, Scenes("100", within={"hue": [0.0, 0.5]}), Scenes("100", within={"hue": [0.0, 0.6]})]
    assert len({scenes.fingerprint for scenes in others}) == len(set(others)) == 4
    assert free.fingerprint[:16] == "76276548a9d9e7f8"  # stored answers without limits hold


def test_equal_limits_are_equal_however_they_are_written():
    near = Scenes("100", within=EXAMPLE)
    turned = dict(reversed([(name, tuple(map(float, ends))) for name, ends in EXAMPLE.items()]))
    again = [Scenes("100", within=turned), Scenes("100", within=near.within), pickle.loads(pickle.dumps(near))]
    assert all(other == near and hash(other) == hash(near) for other in again)
    assert {other.fingerprint for other in again} == {near.fingerprint}


def test_a_study_limits_its_scenes():
    source = images_source("near", {"source": "scenes:20", "within": EXAMPLE})
    assert source == ImagesSource("scenes:20", within=EXAMPLE) != ImagesSource("scenes:20")
    assert hash(source) != hash(ImagesSource("scenes:20")) and "within" not in ImagesSource("scenes:20").options
    assert open_images(source.source, **source.options) == Scenes("20", within=EXAMPLE)


@pytest.mark.parametrize(
    ("within", "said"),
    [
        ({"colour": [0, 1]}, "within.colour: scenes have no such factor. Closest: clutter."),
        ({"mass": [0, 1]}, "within.mass: scenes have no such factor. There are: x, y, size, hue, texture, lum"),
        ({"hues": [0, 1]}, "within.hues: scenes have no such factor. Closest: hue."),
        ({"hue": [0.5, 0.2]}, "within.hue = [0.5, 0.2]: nothing lies between these. Write the lower one first."),
        ({"hue": [float("nan"), 1]}, "within.hue = [nan, 1]: nothing lies between these."),
        ({"hue": [0.5, 1.2]}, "within.hue = [0.5, 1.2]: that is beyond what scenes have, [0.0, 1.0]."),
        ({"luminance": [0.2, 0.5]}, "within.luminance = [0.2, 0.5]: that is beyond what scenes have, [0.35, 0.65]."),
        ({"clutter": [0, 7]}, "within.clutter = [0, 7]: that is beyond what scenes have, [0, 6]."),
        ({"clutter": [0.5, 2]}, "within.clutter = [0.5, 2]: clutter is a whole number, [0, 6]."),
        ({"hue": 0.5}, "within.hue = 0.5: write its lowest and its highest value, [0.0, 1.0]."),
        ({"hue": []}, "within.hue = []: write its lowest"),
        ({"hue": [0.1, 0.2, 0.3]}, "within.hue = [0.1, 0.2, 0.3]: write its lowest"),
        ({"hue": ["red"]}, "within.hue = ['red']: write its lowest"),
        ({"hue": [False, True]}, "within.hue = [False, True]: write its lowest"),
        ("hue", "within = 'hue': write a table of ranges, { hue = [0.0, 0.5], clutter = [0, 2] }."),
        (("hue",), "within = ('hue',): write a table of ranges"),
        (
            {"x": [0.0, 0.25]},
            "within.x = [0.0, 0.25]: a shape of size 0.32 has its x between 0.32 and 0.68, or it would be cut off. "
            "Widen x, or let within.size end lower.",
        ),
        ({"y": [0.9, 1], "size": [0.17, 0.2]}, "within.y = [0.9, 1.0]: a shape of size 0.2 has its y between 0.2 and"),
    ],
)
def test_limits_that_no_scene_keeps_to(within, said):
    with pytest.raises(StudyError) as refused:
        open_images("scenes:9", within=within)
    assert str(refused.value).startswith(said)
    with pytest.raises(StudyError) as refused:
        images_source("near", {"source": "scenes:9", "within": within})
    assert str(refused.value).startswith(f"images.near.{said}")


def test_other_images_have_no_limits(tmp_path):
    with pytest.raises(StudyError, match="noise: takes no 'within'"):
        open_images("noise:9", within=EXAMPLE)
