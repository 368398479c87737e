"""The live figures of the measures of Raghu et al. 2021, as data: what they hold and what they leave out."""

import base64
import json

import numpy as np
import pytest
import small_answers
import xarray as xr
from made import Parsed
from small_answers import ALL

from seealike import report
from seealike.report.maps import coarse
from seealike.report.values import said
from seealike.results import write


def page_of(folder, *answers: xr.Dataset) -> Parsed:
    for i, answer in enumerate(answers):
        write(folder, answer.attrs["measure"], f"{i}", answer.assign_attrs(created=f"2026-05-06T10:0{i}:00+00:00"))
    return Parsed(report.write(folder).read_text("utf8"))


def figures(page: Parsed) -> dict[str, dict]:
    """The data of each figure, by `measure-variable-key`, its numbers as arrays."""
    at = zip(page.all("script"), page.scripts, strict=True)
    found = {str(e.get("id"))[:-7]: json.loads(text) for e, text in at if str(e.get("id")).endswith("-figure")}
    for figure in found.values():
        for key in ("values", "errors"):
            if figure[key] is not None:
                flat = np.frombuffer(base64.b64decode(figure[key]["bdata"]), "<f4")
                figure[key] = flat.reshape(figure[key]["shape"])
    return {"-".join([name.split("-")[0], *name.split("-")[2:]]): figure for name, figure in found.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("new")


@pytest.fixture(scope="module")
def page(folder) -> Parsed:
    return page_of(folder, *(make() for make in ALL))


@pytest.fixture(scope="module")
def drawn(page) -> dict[str, dict]:
    return figures(page)


def test_every_variable_has_a_figure(drawn, page):
    shown = {tuple(name.split("-")[:2]) for name in drawn}
    for make in ALL:
        answer = make()
        own = [str(name) for name in answer.data_vars if not str(name).endswith("_se")]
        assert [name for name in own if (answer.attrs["measure"], name) not in shown] == []
    assert "not drawn here" not in page.text
    heads = [name for name in drawn if name.startswith("head_cka")]
    assert heads[0] == "head_cka-head_cka-lines", "what was asked for comes first"


def test_plain_words_say_what_was_asked(page):
    for sentence in (
        "skip_ratio: how much of each token of vit its skip connections carry, against the branches beside them",
        "drift: how alike each layer of scenes-3 and scenes-10 and scenes-30 and the same layer of scenes-100 see",
        "head_cka: how alike the heads of vit:blocks.0.attn, from the most local to all, and the 10 layers",
        "receptive_field: which part of the image the centre of each layer of vit depends on",
        "localization: which patch of the image each token of vit is most like",
        "image_statistics: how much each layer of vit tells of the image's low-level statistics (features averaged",
        "trajectory: how the layers of vit and resnet lead from image to output: how long, straight, even and smooth",
        "accuracy: how often the class that each of resnet and data-3 and vit and cut-3 and data-10 and cut-1 and",
        "probe: how well a linear probe on each layer of vit tells the classes (features token by token)",
    ):
        assert page.text.count(sentence) == 2


def test_skip_ratios_are_lines_of_cls_and_spatial_tokens_and_a_heatmap_of_all(drawn, page):
    answer, lines = small_answers.skip_ratio(), drawn["skip_ratio-ratio-lines"]
    assert (lines["kind"], lines["log"], lines["rows"]["names"]) == ("curve", True, ["spatial tokens", "CLS"])
    ratio = answer.ratio.values
    np.testing.assert_allclose(lines["values"], np.stack([ratio[:, 1:].mean(1), ratio[:, 0]]), rtol=1e-6)
    np.testing.assert_allclose(lines["errors"], lines["values"] / 20, rtol=1e-6)
    every = drawn["skip_ratio-ratio-tokens"]
    np.testing.assert_array_equal(every["values"], ratio.astype("f4"))
    assert every["log"] and every["scale"] == pytest.approx([np.log10(ratio.min()), np.log10(ratio.max())])
    assert every["columns"]["names"][:2] == ["CLS", "1"] and every["rows"]["title"] == "residual of vit"
    assert not drawn["skip_ratio-cosine_branch-tokens"]["log"]
    assert "The error of a mean over tokens is given as the mean of theirs, the most that it can be." in page.text


def test_accuracies_are_points_a_network_and_a_table_of_what_was_lost(drawn, page):
    answer, points = small_answers.accuracy(), drawn["accuracy-accuracy"]
    named = ["resnet", "vit", "cut-1", "cut-3", "data-10", "data-3", "pre", "tuned"]
    assert (points["kind"], points["columns"]["names"], points["rows"]["names"]) == ("points", named, ["1", "2"])
    assert points["columns"]["title"] == "model" and points["rows"]["what"] == "repeat"
    np.testing.assert_array_equal(points["values"][0], answer.accuracy.sel(model=named).values.astype("f4"))
    second = points["values"][1]
    assert second[1] == np.float32(answer.accuracy.sel(model="vit-s1")) and np.isnan(np.delete(second, 1)).all()
    np.testing.assert_allclose(points["errors"][0], points["values"][0] / 20, rtol=1e-6)
    at = answer.accuracy.to_series()
    cells = (f"{at['cut-3']:.4f}", f"{(at['vit'] + at['vit-s1']) / 2 - at['cut-3']:.4f}")
    assert all(cell in page.text for cell in cells)
    assert "Undefined" not in page.text.split("accuracy: how often")[-1].split("probe: how")[0]


def test_tokens_that_are_not_there_are_not_undefined_and_too_many_are_thinned(tmp_path):
    page = page_of(tmp_path, small_answers.skip_ratio_of_stages((24, 24, 4)))
    found = figures(page)
    assert "Undefined" not in page.text and "Shown: 400 of 576 tokens." in page.text
    assert found["skip_ratio-ratio-tokens"]["values"].shape == (3, 400)
    names = found["skip_ratio-ratio-tokens"]["columns"]["names"]
    assert names[0] == "0" and names[-1] == "575"
    assert "residual, mean over spatial tokens" in page.text and "token 575" not in names


def test_subsets_of_heads_stand_at_their_distance(drawn):
    answer, lines = small_answers.head_cka(), drawn["head_cka-head_cka-lines"]
    local = answer.sel(subset=[f"{k} most local" for k in range(1, 7)])
    np.testing.assert_array_equal(lines["values"], local.head_cka.values.T.astype("f4"))
    assert lines["at"] == local.distance.values.tolist() and lines["along"] == "mean attention distance, pixel"
    first = str(local.heads.values[1]).replace(",", ", ")
    assert lines["columns"]["names"][1] == f"2 most local (heads {first})"
    assert lines["legend"] == [0, 1, 3, 4, 5, 6, 8, 9], "eight of ten layers are named"
    every = drawn["head_cka-head_cka-subsets"]
    np.testing.assert_array_equal(every["values"], answer.head_cka.values.T.astype("f4"))
    assert every["columns"]["ticks"][0] == [0, "1 most local"]
    assert drawn["head_cka-products"]["kind"] == "heatmap" and drawn["head_cka-own_b"]["kind"] == "curve"


def test_drift_areas_and_probes_are_several_lines(drawn):
    assert drawn["drift-drift"]["rows"]["names"] == ["scenes-3", "scenes-10", "scenes-30"]
    np.testing.assert_array_equal(drawn["drift-drift"]["values"], small_answers.drift().drift.values.astype("f4"))
    assert drawn["receptive_field-area"]["rows"]["names"] == ["mass 0.5", "mass 0.95"]
    lines, answer = drawn["probe-accuracy-lines"], small_answers.probe().accuracy
    kinds = ["spatial tokens, validation", "spatial tokens, test", "CLS, validation", "CLS, test"]
    assert lines["rows"]["names"] == kinds
    np.testing.assert_allclose(lines["values"][1], answer.sel(split="test").values[:, 1:].mean(1), rtol=1e-6)
    np.testing.assert_allclose(lines["values"][2], answer.sel(split="validation").values[:, 0], rtol=1e-6)
    test = drawn["probe-accuracy-tokens"]["values"]
    np.testing.assert_array_equal(test, answer.sel(split="test").values.astype("f4"))
    assert drawn["probe-penalty-tokens"]["log"]


def test_a_probe_of_one_vector_is_a_line_a_split(tmp_path):
    found = figures(page_of(tmp_path, small_answers.probe(grid=0)))
    assert list(found) == ["probe-accuracy", "probe-penalty"]
    assert found["probe-accuracy"]["rows"]["names"] == ["validation", "test"]


def test_a_coordinate_that_says_what_it_means_is_shown_too(tmp_path):
    answer = small_answers.probe(grid=0).drop_vars("penalty_se")
    answer.penalty.attrs["long_name"] = "ridge penalty"
    page = page_of(tmp_path, answer.set_coords("penalty"))
    assert list(figures(page)) == ["probe-accuracy", "probe-penalty"] and "ridge penalty" in page.text


def test_receptive_fields_are_maps_and_large_ones_coarser(drawn, tmp_path):
    answer, maps = small_answers.receptive_field(), drawn["receptive_field-receptive_field"]
    np.testing.assert_array_equal(maps["values"], answer.receptive_field.values.astype("f4"))
    assert (maps["kind"], maps["side"], maps["across"]) == ("maps", 1, 0)
    assert maps["names"] == [str(layer) for layer in answer.layer.values]
    assert maps["scales"][0] == [0, float(answer.receptive_field[0].max())]
    page = page_of(tmp_path, small_answers.receptive_field(30, 112))
    assert "Each map has colours of its own. Shown: 24 of 30 layers, each cell the mean of 2 × 2 pixels." in page.text
    coarser = figures(page)["receptive_field-receptive_field"]
    assert coarser["values"].shape == (24, 56, 56) and coarser["side"] == 2


def test_the_mean_of_cells_is_the_mean_of_their_pixels():
    maps = np.random.default_rng(0).random((2, 7, 9))
    maps[0, 0, 0] = np.nan
    found, side = coarse(maps, 4)
    assert side == 3 and found.shape == (2, 3, 3)
    for y in range(3):
        for x in range(3):
            block = maps[:, 3 * y : 3 * y + 3, 3 * x : 3 * x + 3]
            np.testing.assert_allclose(found[:, y, x], np.nanmean(block, (1, 2)))
    assert np.isnan(coarse(np.full((1, 5, 5), np.nan), 2)[0]).all()


def test_tokens_maps_are_those_of_the_answer(drawn, page, tmp_path):
    answer = small_answers.localization()
    assert [name for name in drawn if name.startswith("localization-localization")] == [
        f"localization-localization-vit-blocks.{i}" for i in range(3)
    ]
    for i, grid in enumerate((4, 4, 2)):
        maps = drawn[f"localization-localization-vit-blocks.{i}"]
        expected = answer.localization.values[i, : grid**2, :grid, :grid]
        np.testing.assert_array_equal(maps["values"], expected.astype("f4"))
        assert (
            maps["across"] == grid and maps["names"][-1] == f"token {grid**2 - 1} (row {grid - 1}, column {grid - 1})"
        )
        assert maps["scales"] == [[0, pytest.approx(expected.max())]] * grid**2, "all in the same colours"
    assert "Undefined" not in page.text, "what a coarser layer has not is not undefined"
    larger = page_of(tmp_path, small_answers.localization((18, 8, 8, 8, 8, 8)))
    kept = "Each map stands at its token's place. Shown: 4 of 6 layers"
    assert f"{kept}, 49 of 324 tokens, each cell the mean of 2 × 2 patches." in larger.text
    assert f"{kept}, 49 of 64 tokens." in larger.text
    assert figures(larger)["localization-localization-vit-blocks.0"]["values"].shape == (49, 9, 9)


def test_large_answers_stay_a_small_page(tmp_path):
    plain = len(report.write(page_folder(tmp_path / "plain", small_answers.drift())).read_bytes())
    large = [small_answers.receptive_field(24, 112), small_answers.skip_ratio(6, 24)]
    assert len(report.write(page_folder(tmp_path / "large", *large)).read_bytes()) - plain < 1.5e6


def page_folder(folder, *answers: xr.Dataset):
    page_of(folder, *answers)
    return folder


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((6.22e-9, 3.1e-10), "(6.22 ± 0.31)e-9"),
        ((-3e-5, 2e-5, "pixel"), "(-3.0 ± 2.0)e-5 pixel"),
        ((2e-4, 1e-5), "0.000200 ± 0.000010"),
    ],
)
def test_tiny_numbers_are_told_by_a_power_of_ten(given, told):
    assert said(*given) == told


def test_paths_are_lines_on_a_plane_and_distances_are_light_where_alike(drawn, page):
    answer = small_answers.trajectory()
    path, far, structure = (drawn[f"trajectory-{name}"] for name in ("map", "distance", "structure"))
    assert path["kind"] == "path" and path["columns"]["models"] == [["vit", 0, 7], ["resnet", 7, 12]]
    np.testing.assert_allclose(np.stack([path["at"], path["values"][0]], 1), answer["map"], atol=1e-6)
    assert far["light"] == "0: alike" and far["scale"][1] == pytest.approx(np.ceil(answer.distance.max() * 10) / 10)
    assert drawn["head_cka-products"]["light"] == "", "of what is alike where it is large"
    assert (structure["kind"], structure["rows"]["names"]) == ("curve", ["vit", "resnet"])
    assert structure["at"] == [0.25, 0.5, 1.0] and structure["along"] == "lag"
    np.testing.assert_allclose(structure["values"], answer.structure, rtol=1e-6)
    assert "A picture, and no evidence." in page.text


def test_a_layer_without_a_place_is_no_point_of_its_path(tmp_path):
    answer = small_answers.trajectory()
    answer["map"][2] = np.nan
    path = figures(page_of(tmp_path, answer))["trajectory-map"]
    assert path["at"][2] is None and np.isnan(path["values"][0, 2]) and path["at"][3] is not None
