"""The figure of reconstructions: which pictures, in which colours, and what stands under them."""

import csv

import numpy as np
import pytest
from matplotlib.figure import Figure
from small_inversion import inversion

from seealike import figures
from seealike.errors import StudyError
from seealike.figures.reconstructions import coloured, reconstructions
from seealike.figures.style import shade


def pictures(figure) -> list[np.ndarray]:
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def grid(figure, columns: int):
    panels = [ax for ax in figure.axes if ax.images]
    return [panels[i : i + columns] for i in range(0, len(panels), columns)]


def test_each_image_is_followed_by_the_picture_nearest_in_each_layer():
    answer = inversion()
    rows = grid(figures.draw(answer), 5)
    assert [row[0].get_ylabel() for row in rows] == ["image 10", "image 11", "image 12"]
    assert [ax.get_title() for ax in rows[0]] == ["image", "layer0", "layer1", "layer2", "layer3"]
    for i, (original, *others) in enumerate(rows):
        np.testing.assert_allclose(original.images[0].get_array(), answer.original[i].transpose("y", "x", "channel"))
        for layer, ax in enumerate(others):
            one = answer.isel(image=i, layer=layer, start=1)  # which came nearer in the layer, not in the picture
            expected = one.reconstruction.clip(0, 1).transpose("y", "x", "channel")
            np.testing.assert_allclose(ax.images[0].get_array(), expected)
            assert ax.get_xlabel() == f"$m_i$ = {float(one.m_i):.3g}\n{one.verdict.item()}"
    assert original.get_xlabel() == ""


def test_of_many_images_and_layers_some_are_shown():
    answer = inversion(20, 30, 1, side=2)
    figure = figures.draw(answer)
    rows = grid(figure, 9)
    assert len(rows) == 6 and len(rows[-1]) == 9
    assert rows[0][0].get_ylabel() == "image 10" and rows[-1][0].get_ylabel() == "image 29"
    assert rows[0][1].get_title() == "layer0" and rows[0][-1].get_title() == "layer29"
    far, _, near, trace = figure.axes[-4:]
    assert len(far.lines[0].get_xydata()) == 30, "curves show every layer"
    assert len(near.lines) == len(trace.lines) == 8, "searches those of the pictures"


def test_distance_and_verdicts_are_drawn_by_depth_and_searches_by_iteration():
    answer = inversion()
    figure = figures.draw(answer)
    far, shares, near, trace = figure.axes[-4:]
    pictured, noisy = (line.get_xydata() for line in far.lines)
    np.testing.assert_allclose(pictured, np.stack([answer.depth, answer.mean_m_i], 1))
    np.testing.assert_allclose(noisy, [[0, 3], [1, 3]])
    assert far.collections, "a band of standard errors"
    for line, name in zip(shares.lines, ("non_unique", "not_converged"), strict=True):
        np.testing.assert_allclose(line.get_xydata(), np.stack([answer.depth, answer[name]], 1))
    assert [text.get_text() for text in shares.get_legend().get_texts()] == ["non-unique", "not converged"]
    for ax, name in ((near, "trace_error"), (trace, "trace_m_i")):
        for line, values in zip(ax.lines, answer[name].values, strict=True):
            np.testing.assert_allclose(line.get_xydata(), np.stack([answer.iteration, values], 1))
    assert near.get_yscale() == "log" and trace.get_yscale() == "linear"
    heads = [ax.lines[0].get_color() for ax in figure.axes[1:5]]
    assert heads == [line.get_color() for line in near.lines] == [shade(i / 3) for i in range(4)]


def test_a_figure_fits_takes_axes_and_is_saved(tmp_path):
    for answer in (inversion(), inversion(1, 1, 1), inversion(7, 12, last="stages.2.blocks.11.mlp.fc1_of_long_name")):
        figure = figures.draw(answer, error=True)
        figure.draw_without_rendering()
        left, bottom, right, top = figure.get_tightbbox().extents
        width, height = figure.get_size_inches()
        assert left > -0.01 and bottom > -0.01 and right < width + 0.01 and top < height + 0.01
    answer, mine = inversion(), Figure()
    first, second = mine.subplots(1, 2)
    assert figures.draw(answer, ax=second) is mine
    assert len(second.lines) == 2 and not first.lines and not second.images
    assert second.get_title(loc="left") == "cnn; 1,024 images; strict, prior none, 40 iterations"
    bare = answer.drop_vars([name for name in answer if str(name).endswith("_se")])
    with pytest.raises(StudyError, match=r"^this answer has no mean_m_i_se, so error=True has nothing to draw"):
        figures.draw(bare, error=True)
    assert figures.save(figures.draw(bare), tmp_path / "f.svg").stat().st_size > 0


def test_searches_that_lead_nowhere_are_drawn():
    answer = inversion()
    answer["m_g"][:, :, 1] = np.inf
    answer["m_g"][0, 0] = np.nan
    answer["reconstruction"][0, 0] = np.nan
    answer["trace_error"][0] = 0.0  # exactly the image, which has no logarithm
    answer["trace_m_i"][1] = np.inf
    figure = figures.draw(answer)
    figure.draw_without_rendering()
    starts = [[picture.start for picture in row.pictures] for row in reconstructions(answer, 3, 4)]
    assert starts == [[0, 0, 0, 0]] * 3
    assert np.isfinite(pictures(figure)[1]).all()


def test_other_channels_are_grey():
    for channels in (1, 4):
        answer = inversion(channels=channels)
        (first, *_) = pictures(figures.draw(answer))
        grey = answer.original[0].mean("channel").values
        np.testing.assert_allclose(first, np.repeat(grey[..., None], 3, 2))


def test_unknown_colours_span_those_of_the_image():
    note = "colours are those of the network's input, as what brought them from [0, 1] is unknown"
    answer = inversion(notes=[note])
    answer["original"] = 4 * answer.original - 2
    answer["reconstruction"] = 4 * answer.reconstruction - 2
    (row, *_) = reconstructions(answer, 3, 4)
    assert row.original.pixels.min() == 0 and row.original.pixels.max() == 1
    image = answer.original[0].values
    expected = coloured(answer.reconstruction[0, 0, 1].values, (image.min(), image.max()))
    np.testing.assert_allclose(row.pictures[0].pixels, expected)
    assert coloured(np.ones((1, 2, 2)), (1.0, 1.0)).tolist() == [[[0.0] * 3] * 2] * 2, "of one colour only"


def test_numbers_are_in_long_form_without_pictures(tmp_path):
    answer = inversion()
    with figures.to_csv(answer, tmp_path / "i.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert not {"original", "reconstruction", "channel", "y", "x"} & set(rows[0])
    searches = [row for row in rows if row["m_i"]]
    traces = [row for row in rows if row["trace_m_i"]]
    assert len(rows) == len(searches) + len(traces) and len(searches) == 3 * 4 * 2 and len(traces) == 4 * 5
    at = {"image": "11", "layer": "cnn:layer2", "start": "1"}
    (one,) = (row for row in searches if at.items() <= row.items())
    expected = answer.isel(image=1, layer=2, start=1)
    assert one["verdict"] == expected.verdict.item() and float(one["m_i"]) == float(expected.m_i)
    assert [row["iteration"] for row in traces[:5]] == ["0", "10", "20", "30", "40"]
