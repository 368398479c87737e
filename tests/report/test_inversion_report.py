"""Reconstructions on the page: pictures that a file holds in itself, what is said of each, and what has no figure."""

import base64
import io

import numpy as np
import pytest
import xarray as xr
from made import Parsed
from PIL import Image
from small_inversion import WORST, inversion
from test_new_figures import figures, page_of

from seealike import report
from seealike.report.pictures import gallery
from seealike.results import write


def of_url(url: str) -> np.ndarray:
    head, _, text = url.partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Parsed:
    return page_of(tmp_path_factory.mktemp("inversion"), inversion())


def test_the_pictures_are_those_of_the_answer(page):
    answer, shown = inversion(), page.all("img")
    assert len(shown) == 3 * (1 + 4)
    for i, img in enumerate(shown):
        image, layer = divmod(i, 5)
        one = answer.isel(image=image)
        values = one.original if layer == 0 else one.reconstruction.isel(layer=layer - 1, start=1)
        expected = np.round(255 * values.clip(0, 1).transpose("y", "x", "channel").values)
        np.testing.assert_array_equal(of_url(str(img["src"])), expected)
        assert (img["width"], img["height"]) == ("8", "8")
    far = f"{float(answer.m_i[0, 0, 1]):.3f}"
    assert shown[1]["alt"] == f"image 10, nearest picture of cnn:layer0: distance {far}, not shown"
    tip = str(shown[1]["data-tip"]).split("\n")
    assert tip[:3] == ["cnn:layer0", "image 10, start 2 of 2", f"distance of the picture\t{far}"]
    assert tip[-1] == "not shown" and any(line.endswith(" dB") for line in tip)
    assert shown[0]["alt"] == shown[0]["data-tip"] == "image 10"
    for text in (f"m i {far} not shown", "non-unique", "not converged", "image layer0 layer1 layer2 layer3 image 10"):
        assert text in page.text
    assert "Nearest pictures Each image, and of each layer the picture that came nearest" in page.text


def test_curves_and_searches_have_figures_and_single_images_none(page):
    drawn, answer = figures(page), inversion()
    names = ["mean_m_i", "mean_psnr", "non_unique", "not_converged", "trace_error", "trace_m_i"]
    assert list(drawn) == [f"inversion-{name}" for name in names]
    np.testing.assert_array_equal(drawn["inversion-mean_m_i"]["values"][0], answer.mean_m_i.values.astype("f4"))
    trace = drawn["inversion-trace_error"]
    assert (trace["kind"], trace["log"], trace["along"]) == ("curve", True, "iteration")
    assert trace["at"] == [0, 10, 20, 30, 40] and trace["columns"]["names"] == ["0", "10", "20", "30", "40"]
    assert trace["rows"]["names"] == answer.layer.values.tolist()
    np.testing.assert_array_equal(trace["values"], answer.trace_error.values.astype("f4"))
    assert "2 more variables by layer" in page.text and "mean_error: mean error" in page.text
    assert "11 variables of single images, kept in inversion-0.nc" in page.text
    assert "3 image × 4 layer × 2 start: " in page.text, "verdicts are counted"
    assert "not drawn here" not in page.text
    assert page.text.count("inversion: which pictures each layer of cnn cannot tell from an image") == 2


def test_a_long_search_is_thinned(tmp_path):
    answer = inversion()
    many = np.tile(answer.trace_error.values[:, :1], (1, 501)) * np.linspace(1, 0.01, 501)
    answer = answer.drop_dims("point").assign_coords(iteration=("point", np.arange(501)))
    found = figures(page_of(tmp_path, answer.assign(trace_error=(("layer", "point"), many))))
    trace = found["inversion-trace_error"]
    assert trace["values"].shape == (4, 101) and trace["at"][:2] == [0, 5] and trace["at"][-1] == 500


def test_how_it_was_asked_is_in_the_sentence(tmp_path):
    page = page_of(tmp_path, inversion().assign_attrs(question={"mode": "paper", "prior": "blur"}))
    assert "cannot tell from an image (as published, prior blur)" in page.text


def test_names_are_no_markup(tmp_path):
    page = page_of(tmp_path, inversion(last=WORST))
    assert WORST in page.text
    assert any(str(img["alt"]).startswith(f"image 10, nearest picture of cnn:{WORST}") for img in page.all("img"))
    assert str(page.all("img")[4]["data-tip"]).split("\n")[0] == f"cnn:{WORST}"
    assert not any("alert" in script for script in page.scripts if "const" in script and len(script) < 50_000)


def test_many_large_pictures_stay_a_small_page(tmp_path):
    plain = len(report.write(folder_of(tmp_path / "plain", inversion())).read_bytes())
    large = inversion(7, 9, 1, side=160)  # noise, which nothing compresses
    path = report.write(folder_of(tmp_path / "large", large))
    page = Parsed(path.read_text("utf8"))
    assert len(page.all("img")) == 48
    assert all((img["width"], img["height"]) == ("80", "80") for img in page.all("img"))
    assert "Shown: 6 of 7 images, 7 of 9 layers, each pixel the mean of 2 × 2." in page.text
    assert len(path.read_bytes()) - plain < 1.5e6
    mean = large.original.values[0, :, :2, :2].mean((1, 2))
    np.testing.assert_allclose(of_url(str(page.all("img")[0]["src"]))[0, 0], 255 * mean, atol=0.51)


def folder_of(folder, answer: xr.Dataset):
    write(folder, "inversion", "0", answer)
    return folder


def test_answers_without_pictures_have_no_gallery():
    assert gallery(xr.Dataset()) == ""
    assert gallery(inversion().isel(image=[])) == ""
    unknown = inversion(notes=["colours are those of the network's input"])
    assert "Colours go from the image&#x27;s least to its greatest." in gallery(unknown)
