"""Figures, by the data, labels and limits of their artists; never by images."""

import csv

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from seealike import figures
from seealike.errors import StudyError
from seealike.figures.layers import LONGEST, labels, segments

VIT = [f"vit:blocks.{i // 10}.op{'abcdefghij'[i % 10]}" for i in range(120)] + ["vit:norm", "vit:head"]
RESNET = [f"resnet:layer{s + 1}.{b}.{op}" for s, n in enumerate((3, 4, 6, 3)) for b in range(n) for op in "abcdefghij"]
SMALL_A, SMALL_B = [f"vit:blocks.{i}" for i in range(12)], [f"resnet:stage.{i}" for i in range(16)]


def answer(a=SMALL_A, b=SMALL_B, **attrs) -> xr.Dataset:
    values = np.random.default_rng(0).random((len(a), len(b)))
    return xr.Dataset(
        {"cka": (("layer_a", "layer_b"), values), "cka_se": (("layer_a", "layer_b"), values / 50)},
        coords={
            "layer_a": a,
            "layer_b": b,
            "depth_a": ("layer_a", np.linspace(0, 1, len(a))),
            "depth_b": ("layer_b", np.linspace(0, 1, len(b))),
        },
        attrs={"measure": "cka", "models": {"vit": {}, "resnet": {}}, "images": {"count": 2048}, "batch": 256} | attrs,
    )


def texts(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def bar(ax):
    return ax.child_axes[-1]


def test_the_panel_shows_the_values_with_the_input_at_the_lower_left():
    dataset = answer()
    figure = figures.draw(dataset)
    (ax,) = figure.axes
    image = ax.images[0]
    np.testing.assert_array_equal(image.get_array(), dataset.cka.values)
    assert image.origin == "lower" and image.get_cmap().name == "magma" and image.get_clim() == (0, 1)
    assert ax.get_aspect() == 1
    assert ax.get_title(loc="left") == "vit, resnet; 2,048 images; batch 256"
    assert ax.get_ylabel() == "layer of vit" and ax.get_xlabel() == "layer of resnet"
    assert texts(ax.yaxis) == [f"blocks.{i}" for i in range(12)]
    assert texts(ax.xaxis) == [f"stage.{i}" for i in range(16)]
    assert bar(ax).get_ylabel() == "CKA"
    assert ax.get_legend() is None


def test_many_layers_are_labelled_by_block():
    (ax,) = figures.draw(answer(VIT, RESNET)).axes
    assert texts(ax.yaxis)[:12] == [f"blocks.{i}" for i in range(12)]
    assert list(ax.get_yticks()[:12]) == list(range(0, 120, 10))
    assert len(texts(ax.xaxis)) == 16 and texts(ax.xaxis)[3] == "layer2.0"


def test_everything_fits_in_the_figure():
    both = VIT + RESNET
    for dataset in (answer(VIT), answer(both, both), answer(SMALL_A[:2], ["m:" + "n" * 60])):
        figure = figures.draw(dataset, error=True)
        figure.draw_without_rendering()
        left, bottom, right, top = figure.get_tightbbox().extents
        width, height = figure.get_size_inches()
        assert left > 0 and bottom > 0 and right < width and top < height


def test_several_models_on_an_axis_are_separated_and_named():
    both = SMALL_A + SMALL_B
    (ax,) = figures.draw(answer(both, both)).axes
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines]
    assert lines == [([11.5, 11.5], [0, 1]), ([0, 1], [11.5, 11.5])]
    top, right = ax.child_axes[:2]
    assert texts(top.xaxis) == texts(right.yaxis) == ["vit", "resnet"]
    assert list(top.get_xticks()) == [5.5, 19.5]
    assert ax.get_xlabel() == ax.get_ylabel() == "layer"


def test_a_model_with_over_twice_the_layers_fills_the_panel():
    (ax,) = figures.draw(answer(VIT, SMALL_B)).axes
    assert ax.get_aspect() == "auto"


def test_undefined_values_are_grey_and_said():
    dataset = answer()
    dataset.cka[2, 3] = np.nan
    (ax,) = figures.draw(dataset).axes
    assert ax.images[0].get_array().mask[2, 3]
    (grey,) = ax.get_legend().get_patches()
    assert grey.get_label() == "undefined"
    assert ax.images[0].get_cmap()(np.nan) == pytest.approx(grey.get_facecolor(), abs=0.01)


def test_errors_on_demand_have_their_own_scale():
    dataset = answer()
    cka, error = figures.draw(dataset, error=True).axes
    np.testing.assert_array_equal(error.images[0].get_array(), dataset.cka_se.values)
    assert cka.images[0].get_clim() == (0, 1)
    assert error.images[0].get_clim() == (0, float(dataset.cka_se.max()))
    assert bar(error).get_ylabel() == "standard error"
    assert set(texts(error.yaxis)) == {""} and error.get_ylabel() == ""


def test_undefined_errors_are_drawn_as_such():
    dataset = answer()
    dataset["cka_se"] = dataset.cka_se * np.nan
    _, error = figures.draw(dataset, error=True).axes
    assert error.images[0].get_clim() == (0, 1) and error.get_legend() is not None


def test_one_scale_for_all_panels():
    low, lower = xr.DataArray([-0.03, 1.0]), xr.DataArray([-0.31, 0.5])
    assert figures.limits(low) == (-0.1, 1.0)
    assert figures.limits(low, lower) == (-0.4, 1.0)
    assert figures.limits(xr.DataArray([-7.0])) == figures.limits(xr.DataArray([-np.inf])) == (-1.0, 1.0)
    assert figures.limits(xr.DataArray([-1e-9])) == figures.limits(xr.DataArray([np.nan])) == (0.0, 1.0)


@pytest.mark.parametrize(("value", "extend"), [(0.5, "neither"), (1.2, "max"), (-2.0, "min")])
def test_values_beyond_the_scale_are_marked(value, extend):
    dataset = answer()
    dataset.cka[0, 0] = value
    (ax,) = figures.draw(dataset).axes
    assert ax.images[0].colorbar.extend == extend


def test_a_scale_of_ones_own():
    (ax,) = figures.heatmap(answer().cka, vmin=0.2, vmax=0.8).axes
    assert ax.images[0].get_clim() == (0.2, 0.8)
    assert bar(ax).get_ylabel() == "cka"


def test_axes_of_ones_own():
    mine = Figure()
    left, right = mine.subplots(1, 2)
    assert figures.draw(answer(), ax=right) is mine
    assert right.images and not left.images


def test_the_title_says_what_the_answer_says():
    dataset = answer(models={f"m{i}": {} for i in range(5)})
    del dataset.attrs["batch"], dataset.attrs["images"]
    assert figures.draw(dataset).axes[0].get_title(loc="left") == "5 models"


def test_labels_are_few_and_apart():
    for layers in (VIT, RESNET, VIT + RESNET, [f"m:{i}" for i in range(252)], ["m:only"], []):
        chosen = labels(layers)
        assert len(chosen) <= 20
        near = np.diff([label.position for label in chosen])
        assert (near >= len(layers) / 20).all()
        for label in chosen:
            assert f":{label.text}" in layers[label.position]


def test_long_names_keep_their_ends():
    name = "vision_model.encoder.layers.11.self_attn.out_proj"
    (label,) = labels([f"m:{name}"])
    assert len(label.text) == LONGEST and label.text[0] == "…" and name.endswith(label.text[1:])


def test_layers_without_model():
    assert segments(["a", "b"])[0].model == ""
    array = xr.DataArray(np.eye(2), dims=("layer_a", "layer_b"), coords={"layer_a": ["a", "b"], "layer_b": ["a", "b"]})
    assert figures.heatmap(array).axes[0].get_xlabel() == "layer"


@pytest.mark.parametrize(("kind", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_same_answer_gives_the_same_file(tmp_path, kind, start):
    first, second = (
        figures.save(figures.draw(answer(SMALL_A[:2], SMALL_B[:3])), tmp_path / f"{i}.{kind}").read_bytes()
        for i in range(2)
    )
    assert first == second and first.startswith(start)


def test_numbers_in_long_form(tmp_path):
    dataset = answer(SMALL_A[:2], SMALL_B[:3])
    dataset.cka[0, 1] = np.nan
    with figures.to_csv(dataset, tmp_path / "cka.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["layer_a", "layer_b", "cka", "cka_se"]
    assert [(row["layer_a"], row["layer_b"]) for row in rows] == [(a, b) for a in SMALL_A[:2] for b in SMALL_B[:3]]
    assert rows[1]["cka"] == "" and float(rows[5]["cka"]) == float(dataset.cka[1, 2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.draw(answer(measure="ckaa")), "measure 'ckaa' has no figure. Closest: cka, head_cka."),
        (
            lambda: figures.draw(xr.Dataset()),
            "this dataset does not say which measure it answers. Figures there are: cka, imbalance, mutual_knn, "
            "procrustes, rsa, trajectory, attention_distance, drift, head_cka, image_statistics, localization, probe, "
            "receptive_field, inversion, jacobian, skip_ratio, accuracy.",
        ),
        (
            lambda: figures.draw(answer().drop_vars("cka_se"), error=True),
            "this answer has no cka_se, so error=True has nothing to draw. Leave it out.",
        ),
        (
            lambda: figures.draw(answer(), error=True, ax=Figure().subplots()),
            "ax= holds one panel. Leave out error, or draw the error on axes of its own.",
        ),
        (
            lambda: figures.save(Figure(), "a.gif"),
            "a.gif: figures are not saved as gif. There are: pdf, svg, png, csv.",
        ),
        (lambda: figures.save(Figure(), "a"), "a has no suffix that says what to save. There are: pdf, svg, png, csv."),
        (
            lambda: figures.save(Figure(), "a.csv"),
            "a.csv is to hold numbers, and a figure has none: use to_csv(dataset, path).",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(StudyError) as caught:
        call()
    assert str(caught.value) == message
