"""Figures with maps over the image: receptive fields, localization, the accuracy of tokens. By their artists' data."""

import numpy as np
import pytest
import small_answers
import xarray as xr
from matplotlib.figure import Figure

from seealike import figures
from seealike.figures import Map
from seealike.figures.tiles import tiles
from seealike.figures.tokens import arranged


def images(axes) -> list[np.ndarray]:
    return [np.asarray(ax.images[0].get_array()) for ax in axes if ax.images]


def test_receptive_fields_are_maps_of_24_layers_at_most():
    answer = small_answers.receptive_field(30, 8)
    *panels, curves = figures.draw(answer).axes
    assert len(panels) == 24
    names = [str(panel.get_xlabel()).splitlines()[0] for panel in panels]
    assert names[0] == "blocks.0.attn.add" and names[-1] == "blocks.14.mlp.add"
    np.testing.assert_array_equal(images(panels)[0], answer.receptive_field.values[0])
    np.testing.assert_array_equal(images(panels)[-1], answer.receptive_field.values[-1])
    assert panels[0].get_xlabel().endswith("\n95% in 5% of image")
    for panel, values in zip(panels, images(panels), strict=True):
        assert panel.images[0].get_clim() == (0, values.max()), "each in its own colours"
        assert panel.images[0].origin == "upper", "the image's upper left at the upper left"
    half, most = (line.get_xydata() for line in curves.lines)
    np.testing.assert_allclose(half, np.stack([answer.depth, answer.area.values[0]], 1))
    np.testing.assert_allclose(most, np.stack([answer.depth, answer.area.values[1]], 1))
    assert [text.get_text() for text in curves.get_legend().get_texts()] == [
        "50% of the gradient",
        "95% of the gradient",
    ]


def test_standard_errors_of_receptive_fields_are_maps_too():
    answer = small_answers.receptive_field()
    *panels, _ = figures.draw(answer, error=True).axes
    np.testing.assert_array_equal(images(panels)[5:], answer.receptive_field_se.values)
    assert panels[5].get_xlabel() == "blocks.0.attn.add\nup to 0.0005"


def test_a_token_s_map_stands_at_the_token_s_place():
    answer = small_answers.localization((8, 8, 8, 4, 4))
    layers = figures.draw(answer).axes[:4]
    assert [ax.get_xlabel() for ax in layers] == [
        "blocks.0\n8 × 8 tokens, 49 of them shown",
        "blocks.1\n8 × 8 tokens, 49 of them shown",
        "blocks.3\n4 × 4 tokens",
        "blocks.4\n4 × 4 tokens",
    ]
    for ax, layer, side, grid in zip(layers, (0, 1, 3, 4), (7, 7, 4, 4), (8, 8, 4, 4), strict=True):
        assert len(ax.images) == side**2
        for image in ax.images:
            left, right, bottom, top = image.get_extent()
            assert bottom - top == pytest.approx(right - left) and right - left < 1
            row, column = (round(at * (grid - 1) / (side - 1)) for at in (top, left))
            values = answer.localization.values[layer, row * grid + column, :grid, :grid]
            np.testing.assert_array_equal(image.get_array(), values)
            assert np.unravel_index(values.argmax(), values.shape) == (row, column)
        assert len({image.norm for image in ax.images}) == 1, "one scale a layer"


def test_the_share_of_tokens_that_find_their_patch_is_drawn_by_depth():
    answer = small_answers.localization()
    curves = figures.draw(answer).axes[3]
    for line, name in zip(curves.lines, ("own_patch", "own_patch_interior"), strict=True):
        np.testing.assert_allclose(line.get_xydata(), np.stack([answer.depth, answer[name]], 1))
    errors = figures.draw(answer, error=True).axes
    np.testing.assert_array_equal(errors[4].images[0].get_array(), answer.localization_se.values[0, 0])


def test_a_map_of_accuracy_shows_each_token_where_it_stands():
    answer = small_answers.probe()
    _, *panels = figures.draw(answer).axes
    assert [panel.get_xlabel().splitlines()[0] for panel in panels] == [f"blocks.{i}" for i in range(6)]
    last = answer.accuracy.sel(split="test").values[-1]
    np.testing.assert_array_equal(images(panels)[-1], last[1:].reshape(4, 4))
    assert panels[-1].images[0].get_clim() == (last[1:].min(), last[1:].max())
    _, *panels = figures.draw(answer, error=True).axes
    np.testing.assert_array_equal(images(panels)[6], answer.accuracy_se.values[0, 1:, 1].reshape(4, 4))


def test_tokens_that_do_not_fill_a_grid_leave_it_empty():
    found = arranged(np.array([1.0, 2.0, 3.0]), np.array([8.0, 24.0, np.nan]), np.array([24.0, 8.0, np.nan]))
    np.testing.assert_array_equal(found, [[np.nan, 1], [2, np.nan]])


def test_a_layer_with_nothing_defined_is_all_undefined():
    nothing = xr.DataArray(np.full((4, 2, 2), np.nan), dims=("token", "y", "x"))
    found = tiles(nothing)
    assert found.grid == (2, 2) and found.whole and np.isnan(found.values).all()
    one = tiles(nothing.assign_coords(rows=1, columns=2))
    assert one.grid == (1, 2) and one.values.shape == (1, 2, 1, 2), "the answer knows better"
    answer = small_answers.localization()
    answer.localization[1] = np.nan
    figures.draw(answer).draw_without_rendering()


def test_maps_of_ones_own():
    drawn = figures.maps([Map(np.array([[np.nan, -1.0], [2.0, 0.0]]), "a"), Map(np.ones((2, 2)), "b", (0.5, 3.0))])
    a, b = drawn.axes
    assert isinstance(drawn, Figure) and a.images[0].get_clim() == (-1, 2) and b.images[0].get_clim() == (0.5, 3)
    assert [ax.get_xlabel() for ax in (a, b)] == ["a", "b"]
