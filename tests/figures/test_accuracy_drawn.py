"""Accuracies: a line a network, repeats in one, what departs from a network below it; by the data of their artists."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from small_answers import accuracy

from seealike import figures
from seealike.errors import StudyError
from seealike.figures.accuracy import rows
from seealike.figures.repeats import lines


def names(answer: xr.Dataset) -> list[str]:
    return [row.line.label for row in rows(answer)]


def test_what_departs_from_a_network_stands_below_it_in_its_own_order():
    assert names(accuracy()) == ["resnet", "vit", "cut-1", "cut-3", "data-10", "data-3", "pre", "tuned"]


def test_repeats_are_one_line_and_losses_are_between_means():
    answer = accuracy()
    found = {row.line.label: row for row in rows(answer)}
    assert found["vit"].line.models == ("vit", "vit-s1") and found["vit"].name == "vit (2)"
    at = answer.accuracy.to_series()
    intact = (at["vit"] + at["vit-s1"]) / 2
    assert found["vit"].mean == pytest.approx(intact) and np.isnan(found["vit"].lost)
    assert found["cut-3"].lost == pytest.approx(intact - at["cut-3"])
    assert found["tuned"].lost == pytest.approx(at["pre"] - at["tuned"]), "against the one of its own other tags"
    assert np.isnan(found["resnet"].lost)


def test_only_a_seed_makes_repeats():
    same = {"tags": {"family": "transformer"}, "parameters": 5}
    assert [line.models for line in lines({"a": same, "b": same})] == [("a",), ("b",)]
    seeded = [{"tags": {"seed": str(i)}, "parameters": 5 + (i > 1)} for i in range(3)]
    assert [line.models for line in lines(dict(zip("abc", seeded, strict=True)))] == [("a", "b"), ("c",)]
    assert [line.models for line in lines({"a": {}, "b": {}})] == [("a",), ("b",)]
    words = {"vit": {}, "cut": {"without_skip": "the last"}, "cut2": {"without_skip": "2"}}
    found = lines({name: {"tags": tags | {"family": "transformer"}} for name, tags in words.items()})
    assert [(line.label, line.of) for line in found] == [("vit", None), ("cut", 0), ("cut2", 0)]


def test_the_figure_has_a_point_a_network_with_its_error_and_a_bar_at_the_mean():
    answer = accuracy()
    figure = figures.draw(answer)
    (ax,) = figure.axes
    points = [container.lines[0].get_xydata() for container in ax.containers]
    expected = [answer.accuracy.sel(model=list(row.line.models)).values for row in rows(answer)]
    assert [list(line[:, 0]) for line in points] == [list(values) for values in expected]
    assert all((np.abs(line[:, 1] - i) < 0.5).all() for i, line in enumerate(points))
    bars = [np.ptp(s[:, 0]) / 2 for container in ax.containers for s in container.lines[2][0].get_segments()]
    np.testing.assert_allclose(bars, np.concatenate(expected) / 20)
    assert [tick.get_text() for tick in ax.get_yticklabels()][:3] == ["resnet", "vit (2)", "cut-1"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1] and ax.get_xlabel() == "accuracy"
    solid, dotted = (
        [line.get_xydata() for line in ax.lines if line.get_linestyle() == s and line.get_marker() == "None"]
        for s in ("-", ":")
    )
    mean = rows(answer)[1].mean
    assert (solid[0][:, 0] == mean).all() and len(solid) == 1, "only vit has repeats"
    assert [list(line[:, 0]) for line in dotted] == [[mean] * 2, [float(answer.accuracy.sel(model="pre"))] * 2]
    assert dotted[0][:, 1].tolist() == [1, 5.4]


def test_errors_that_are_not_known_are_not_drawn_and_the_axes_may_be_ones_own():
    answer = accuracy().drop_vars("accuracy_se")
    own = Figure().subplots()
    assert figures.draw(answer, ax=own) is own.figure and not [c for c in own.containers if len(c.lines[2])]
    with pytest.raises(StudyError, match=r"^this answer has no accuracy_se, so error=True"):
        figures.draw(answer, error=True)
    part = accuracy().isel(model=[0])
    assert [t.get_text() for t in figures.draw(part).axes[0].get_yticklabels()] == ["resnet"]


def test_everything_fits():
    figure = figures.draw(accuracy())
    figure.draw_without_rendering()
    left, bottom, right, top = figure.get_tightbbox().extents
    width, height = figure.get_size_inches()
    assert left > 0 and bottom > 0 and right < width and top < height
