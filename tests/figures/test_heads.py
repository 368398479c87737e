"""The figure of the heads' distances, by the data of its artists."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from seealike import figures
from seealike.errors import StudyError

VALUES = np.array([[30.0, 10.0, 20.0], [50.0, 60.0, np.nan]])
DIMS = ("layer", "head")


def answer(values=VALUES, **attrs) -> xr.Dataset:
    layers = [f"vit:blocks.{i}.attn" for i in range(len(values))]
    return xr.Dataset(
        {"attention_distance": (DIMS, values), "attention_distance_se": (DIMS, values / 10)},
        {"layer": layers, "depth": ("layer", np.linspace(0, 1, len(values))), "head": np.arange(values.shape[1])},
        {"measure": "attention_distance", "models": {"vit": {}}, "images": {"count": 5000}, "batch": 250} | attrs,
    )


def points(ax):
    return [container.lines[0].get_xydata() for container in ax.containers]


def bars(ax):
    """Half the length of every error bar, layer by layer."""
    return [
        [float(np.ptp(segment[:, 1])) / 2 for segment in container.lines[2][0].get_segments()]
        for container in ax.containers
    ]


def test_heads_are_sorted_within_their_layer():
    (ax,) = figures.draw(answer()).axes
    first, last = points(ax)
    assert first[:, 1].tolist() == [10, 20, 30] and last[:, 1].tolist() == [50, 60]
    for i, layer in enumerate((first, last)):
        assert (np.diff(layer[:, 0]) > 0).all() and layer[:, 0].mean() == pytest.approx(i)
        assert (abs(layer[:, 0] - i) < 0.5).all()
    np.testing.assert_allclose(np.concatenate(bars(ax)), [1, 2, 3, 5, 6])
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 60
    assert ax.get_ylabel() == "mean attention distance (pixels)" and ax.get_xlabel() == "layer of vit"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["blocks.0.attn", "blocks.1.attn"]
    assert ax.get_title(loc="left") == "vit; 5,000 images; batch 250"


def test_errors_that_are_not_known_are_not_drawn():
    dataset = answer()
    dataset["attention_distance_se"] = dataset.attention_distance_se * np.nan
    for shown in (dataset, dataset.drop_vars("attention_distance_se")):
        (ax,) = figures.draw(shown).axes
        assert [len(container.lines[2]) for container in ax.containers] == [0, 0]
    with pytest.raises(StudyError, match=r"^this answer has no attention_distance_se, so error=True"):
        figures.draw(dataset.drop_vars("attention_distance_se"), error=True)


def test_everything_fits_and_many_layers_are_labelled_sparsely():
    values = np.random.default_rng(0).uniform(5, 120, (32, 16))
    for dataset in (answer(values), answer(values[:1, :1])):
        figure = figures.draw(dataset)
        figure.draw_without_rendering()
        left, bottom, right, top = figure.get_tightbbox().extents
        width, height = figure.get_size_inches()
        assert left > 0 and bottom > 0 and right <= width and top <= height
        assert len(figure.axes[0].get_xticks()) <= 20


def test_on_axes_of_ones_own():
    mine = Figure()
    left, right = mine.subplots(1, 2)
    assert figures.draw(answer(), ax=right) is mine
    assert right.containers and not left.containers


def test_the_renormalised_ones_too():
    array = answer().attention_distance.rename("attention_distance_renormalised")
    (ax,) = figures.heads(array).axes
    assert ax.get_ylabel() == "attention_distance_renormalised"


def test_numbers_in_long_form(tmp_path):
    lines = figures.to_csv(answer(), tmp_path / "distance.csv").read_text().splitlines()
    assert lines[0] == "layer,head,attention_distance,attention_distance_se"
    assert lines[1] == "vit:blocks.0.attn,0,30.0,3.0" and lines[6] == "vit:blocks.1.attn,2,,"
