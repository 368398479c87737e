"""Figures with lines along the depth: skip ratios, drift, subsets of heads, probes. By the data of their artists."""

import numpy as np
import pytest
import small_answers
from matplotlib.colors import LogNorm, to_rgba
from matplotlib.figure import Figure

from seealike import figures
from seealike.errors import StudyError
from seealike.figures.style import shade


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def lines(ax) -> list[np.ndarray]:
    """What is drawn through points; rules across the panel are not."""
    return [line.get_xydata() for line in ax.lines if line.get_marker() != "None"]


def bands(ax) -> list[np.ndarray]:
    """Half the height of each band at each of its points."""
    found = []
    for band in ax.collections:
        xy = band.get_paths()[0].vertices
        found.append(np.array([np.ptp(xy[xy[:, 0] == x, 1]) / 2 for x in np.unique(xy[:, 0])]))
    return found


def test_skip_ratios_show_cls_first_and_on_a_logarithmic_scale():
    answer = small_answers.skip_ratio()
    left, right = figures.draw(answer).axes
    cls, spatial = left.images
    np.testing.assert_array_equal(cls.get_array(), answer.ratio.values[:, :1])
    np.testing.assert_array_equal(spatial.get_array(), answer.ratio.values[:, 1:])
    assert cls.get_extent()[1] < spatial.get_extent()[0], "a gap between CLS and the others"
    assert cls.norm is spatial.norm and isinstance(cls.norm, LogNorm) and cls.origin == "lower"
    assert cls.get_clim() == (float(answer.ratio.min()), float(answer.ratio.max()))
    texts = [label.get_text() for label in left.get_xticklabels()]
    assert texts[0] == "CLS" and texts[-1] == "64" and left.get_ylabel() == "residual addition of vit"
    assert right.get_yscale() == "log"
    left.figure.draw_without_rendering()
    for axis in (right.yaxis, left.child_axes[-1].yaxis):
        written = [label for label in axis.get_ticklabels(which="both") if label.get_text()]
        assert {"0.5", "1", "2", "5", "10"} <= {label.get_text() for label in written}
        assert {label.get_fontsize() for label in written} == {7.0}


def test_skip_ratios_by_depth_are_of_cls_and_of_the_mean_of_spatial_tokens():
    answer = small_answers.skip_ratio()
    _, ax = figures.draw(answer).axes
    assert legend(ax) == ["CLS, attention", "CLS, MLP", "spatial tokens, attention", "spatial tokens, MLP"]
    expected = [answer.ratio.values[i::2, part].mean(1) for part in (slice(0, 1), slice(1, 65)) for i in (0, 1)]
    depths = answer.depth.values
    for drawn, values, start in zip(lines(ax), expected, (0, 1, 0, 1), strict=True):
        np.testing.assert_allclose(drawn, np.stack([depths[start::2], values], 1))
    np.testing.assert_allclose(bands(ax)[2], expected[2] / 20, err_msg="the mean of the tokens' errors")


def test_skip_ratios_of_a_hierarchical_network_have_no_cls_and_end_early():
    answer = small_answers.skip_ratio_of_stages()
    left, right = figures.draw(answer).axes
    (image,) = left.images
    assert np.ma.masked_invalid(image.get_array()).mask.sum() == 64 * 5 - (64 + 64 + 16 + 16 + 4)
    assert image.get_clim()[0] == 0 and not isinstance(image.norm, LogNorm), "it spans no decade"
    assert legend(right) == ["spatial tokens"]
    np.testing.assert_allclose(lines(right)[0][:, 1], np.nanmean(answer.ratio.values, 1))


def test_registers_are_shown_one_by_one():
    answer = small_answers.skip_ratio()
    answer.place_y[:, 1] = np.nan
    left, right = figures.draw(answer).axes
    assert [label.get_text() for label in left.get_xticklabels()][:2] == ["token 0", "token 1"]
    assert [text.partition(",")[0] for text in legend(right)[::2]] == ["token 0", "token 1", "spatial tokens"]


def test_a_residual_whose_places_are_not_known_has_no_cls():
    answer = small_answers.skip_ratio()
    answer.place_y[0] = np.nan
    answer.ratio[0, 1:] = np.nan
    _, ax = figures.draw(answer).axes
    assert [text.partition(",")[0] for text in legend(ax)[::2]] == ["CLS", "spatial tokens", "all of the image"][:3]
    assert len(lines(ax)[0]) == 6 and np.isnan(lines(ax)[0][0, 1]), "nor is what it has taken for CLS"


def test_standard_errors_of_skip_ratios_have_a_panel():
    answer = small_answers.skip_ratio()
    _, errors, _ = figures.draw(answer, error=True).axes
    np.testing.assert_array_equal(errors.images[1].get_array(), answer.ratio_se.values[:, 1:])
    assert errors.images[0].get_cmap().name == "cividis"


def test_a_band_that_reaches_zero_ends_at_the_line_where_the_axis_is_logarithmic():
    answer = small_answers.skip_ratio()
    answer["ratio_se"] = answer.ratio * 2
    _, ax = figures.draw(answer).axes
    assert all(band.get_paths()[0].vertices[:, 1].min() > 0 for band in ax.collections)


def test_drift_is_a_line_a_model_along_the_layers():
    answer = small_answers.drift()
    (ax,) = figures.draw(answer).axes
    assert legend(ax) == ["scenes-3", "scenes-10", "scenes-30"]
    for drawn, values in zip(lines(ax), answer.drift.values, strict=True):
        np.testing.assert_allclose(drawn, np.stack([np.arange(8), values], 1))
    np.testing.assert_allclose(bands(ax)[1], answer.drift_se.values[1])
    assert ax.get_ylabel() == "CKA with the same layer of scenes-100" and ax.get_ylim()[0] == 0
    assert [label.get_text() for label in ax.get_xticklabels()] == [f"blocks.{i}" for i in range(8)]
    answer.drift[0, 3] = -0.12
    assert figures.draw(answer).axes[0].get_ylim()[0] == -0.2


def test_subsets_of_heads_are_drawn_at_their_distance_by_the_depth_of_the_other_layer():
    answer = small_answers.head_cka().isel(subset=slice(None, None, -1))
    ax, bar = figures.draw(answer).axes
    local = [f"{k} most local" for k in range(1, 7)]
    chosen = answer.sel(subset=local)
    for i, drawn in enumerate(lines(ax)):
        np.testing.assert_allclose(drawn, np.stack([chosen.distance.values, chosen.head_cka.values[:, i]], 1))
    assert [to_rgba(line.get_color()) for line in ax.lines] == [shade(depth) for depth in answer.depth_b.values]
    windows = answer.where(answer["first"] > 0, drop=True)
    drawn = np.concatenate([points.get_offsets() for points in ax.collections])
    expected = np.stack(np.broadcast_arrays(windows.distance.values[:, None], windows.head_cka.values), -1)
    np.testing.assert_allclose(np.sort(drawn.ravel()), np.sort(expected.ravel()))
    assert bar.get_ylabel() == "normalised depth of the layer of resnet" and ax.get_legend() is None
    ax, _ = figures.draw(answer, error=True).axes
    assert len(ax.collections) == 20


def test_a_probe_s_accuracy_by_depth_leaves_cls_out_of_the_mean():
    answer = small_answers.probe()
    ax = figures.draw(answer).axes[0]
    assert legend(ax) == ["spatial tokens, test", "spatial tokens, validation", "CLS, test", "CLS, validation"]
    test = answer.accuracy.sel(split="test").values
    np.testing.assert_allclose(lines(ax)[0], np.stack([answer.depth.values, test[:, 1:].mean(1)], 1))
    np.testing.assert_allclose(lines(ax)[2][:, 1], test[:, 0])
    assert ax.get_ylim()[0] == 0 and ax.get_ylabel() == "accuracy of a linear probe"


def test_a_probe_of_one_vector_is_two_lines():
    answer = small_answers.probe(grid=0)
    (ax,) = figures.draw(answer).axes
    assert legend(ax) == ["test", "validation"]
    np.testing.assert_allclose(lines(ax)[0][:, 1], answer.accuracy.values[:, 0, 1])


@pytest.mark.parametrize("answer", [make() for make in small_answers.ALL], ids=lambda answer: answer.attrs["measure"])
def test_every_new_figure_fits_takes_axes_and_is_saved(answer, tmp_path):
    measure = answer.attrs["measure"]
    for figure in (figures.draw(answer), figures.draw(answer, error=True)):
        figure.draw_without_rendering()
        left, bottom, right, top = figure.get_tightbbox().extents
        width, height = figure.get_size_inches()
        assert left > -0.01 and bottom > -0.01 and right < width + 0.01 and top < height + 0.01
    mine = Figure()
    first, second = mine.subplots(1, 2)
    assert figures.draw(answer, ax=second) is mine
    assert second.lines and not first.lines and not second.images
    variable = {"skip_ratio": "ratio", "probe": "accuracy", "image_statistics": "r2_ridge", "trajectory": "step"}.get(
        measure, measure
    )
    with pytest.raises(StudyError, match=f"^this answer has no {variable}_se, so error=True has nothing to draw"):
        figures.draw(answer.drop_vars(f"{variable}_se"), error=True)
    assert figures.draw(answer.drop_vars([name for name in answer if str(name).endswith("_se")]))
    assert figures.save(mine, tmp_path / "f.svg").stat().st_size > 0
    rows = figures.to_csv(answer, tmp_path / "f.csv").read_text().splitlines()
    count = 12 * 12 + 12 + 2 * 3 if measure == "trajectory" else np.prod(list(answer.sizes.values()))
    assert variable in rows[0].split(",") and len(rows) == 1 + count


def test_what_layers_tell_of_image_statistics_has_a_panel_a_statistic():
    answer = small_answers.image_statistics()
    answer = answer.where(answer.statistic != "images:hue").assign(imbalance_all=answer.imbalance_all)
    figure = figures.draw(answer)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["all, mean of R²", *answer.statistic.values]
    first, luminance, *_, hue = figure.axes
    np.testing.assert_allclose(lines(luminance)[0], np.stack([answer.depth, answer.r2_ridge[:, 0]], 1))
    np.testing.assert_allclose(lines(luminance)[2][:, 1], answer.imbalance[:, 0])
    np.testing.assert_allclose(lines(first)[0][:, 1], answer.r2_ridge[:, :4].mean("statistic"))
    np.testing.assert_allclose(lines(first)[2][:, 1], answer.imbalance_all)
    assert len(hue.lines) == 1 and len(luminance.collections) == 3, "undefined: but the line at 0; three bands"
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["R², ridge", "R², nearest images", "imbalance"]
