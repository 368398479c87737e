"""Paths drawn: steps, structure function, map, distance between networks; and distances light where alike."""

import numpy as np
import pytest
import xarray as xr
from small_answers import trajectory

from seealike import figures
from seealike.errors import StudyError
from seealike.figures.heatmap import limits


def test_a_path_has_its_steps_its_structure_function_its_map_and_its_distance_from_others():
    answer = trajectory()
    steps, structure, plane, between = figures.draw(answer).axes
    for i, (line, depth) in enumerate(zip(steps.lines, (np.linspace(0, 1, 7), np.linspace(0, 1, 5)), strict=True)):
        here = answer.step[:6] if i == 0 else answer.step[7:11]
        np.testing.assert_array_equal(line.get_ydata(), here)
        np.testing.assert_allclose(line.get_xdata(), (depth[1:] + depth[:-1]) / 2)
    assert [text.get_text() for text in steps.get_legend().get_texts()] == ["vit", "resnet"]
    assert [list(line.get_ydata()) for line in structure.lines] == answer.structure.values.tolist()
    places = np.concatenate([line.get_xydata() for line in (plane.lines[0], plane.lines[3])])
    np.testing.assert_array_equal(places, answer["map"])
    ends = [tuple(line.get_xydata()[0]) for line in plane.lines[1:3]]
    assert ends == [tuple(answer["map"].values[0]), tuple(answer["map"].values[6])]
    assert [line.get_marker() for line in plane.lines[1:3]] == ["o", "s"]
    (line,) = between.lines
    distance = answer.distance.values
    np.testing.assert_allclose(line.get_ydata()[[0, 20, -1]], [distance[0, 7], distance[3, 9], distance[6, 11]])
    assert between.get_legend().get_texts()[0].get_text() == "vit, resnet"


def test_one_network_has_no_other_and_many_have_a_mean():
    assert len(figures.draw(trajectory((7,), ("vit",))).axes) == 3
    between = figures.draw(trajectory((5, 5, 5, 5, 5), tuple("abcde"))).axes[3]
    mean = between.lines[-1].get_ydata()
    np.testing.assert_allclose(mean, np.mean([line.get_ydata() for line in between.lines[:-1]], 0))
    assert between.get_legend().get_texts()[0].get_text() == "mean of 10 pairs"


def test_a_layer_without_a_place_is_left_out_of_the_map():
    answer = trajectory()
    answer["map"][0] = np.nan
    plane = figures.draw(answer).axes[2]
    assert len(plane.lines[0].get_xdata()) == 6
    answer["map"][:7] = np.nan
    assert len(figures.draw(answer).axes[2].lines) == 3


def test_errors_are_drawn_and_refused_where_there_are_none():
    with pytest.raises(StudyError, match="no step_se"):
        figures.draw(trajectory().drop_vars("step_se"), error=True)
    steps = figures.draw(trajectory()).axes[0]
    assert len(steps.collections) == 2


@pytest.mark.parametrize(
    ("measure", "variable", "colours", "label"),
    [
        ("mutual_knn", "mutual_knn", "magma", "mutual nearest neighbours"),
        ("rsa", "rsa", "magma", "RSA"),
        ("procrustes", "procrustes", "magma_r", "Procrustes angle, radian (0: alike)"),
        ("imbalance", "imbalance_rescaled", "magma_r", "information imbalance, rows to columns (0: alike)"),
    ],
)
def test_what_is_alike_is_light_and_said(measure, variable, colours, label):
    far = trajectory()[["distance", "distance_se"]]
    answer = far.rename(distance=variable, distance_se=f"{variable}_se").assign_attrs(measure=measure)
    (ax,) = figures.draw(answer).axes
    np.testing.assert_array_equal(ax.images[0].get_array(), answer[variable])
    assert ax.images[0].get_cmap().name == colours and ax.child_axes[-1].get_ylabel() == label


def test_the_scale_of_angles_ends_above_the_greatest():
    angles = xr.DataArray([0.0, 1.41], attrs={"units": "radian"})
    assert limits(angles) == (0.0, 1.5) and limits(angles * 0.1) == (0.0, 1.0)
    assert limits(xr.DataArray([np.nan], attrs={"units": "radian"})) == (0.0, 1.0)
