"""Inversions compared on the page: live lines of several answers, named, and no name becomes markup."""

import json

import numpy as np
import pytest
from made import Parsed
from small_comparison import inverted, study
from small_inversion import WORST
from test_new_figures import figures as by_name

from seealike import report
from seealike.results import write


def page_of(folder, answers) -> Parsed:
    for i, (name, answer) in enumerate(answers.items()):
        write(folder, name, f"{i:x}", answer.assign_attrs(created=f"2026-05-06T10:{i:02}:00+00:00"))
    return Parsed(report.write(folder).read_text("utf8"))


def compared(page: Parsed) -> dict[str, dict]:
    """The figures of comparisons, by their family."""
    at = zip(page.all("script"), page.scripts, strict=True)
    ours = [(str(e.get("id")), text) for e, text in at if str(e.get("id")).startswith("compared-")]
    return {identity.removesuffix("-figure"): json.loads(text) for identity, text in ours}


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Parsed:
    return page_of(tmp_path_factory.mktemp("compared"), study())


def test_a_figure_a_family_with_a_line_an_answer(page):
    answers, drawn = study(), compared(page)
    assert list(drawn) == ["compared-inversions-transformer", "compared-inversions-CNN"]
    assert len({tuple(figure["range"]) for figure in drawn.values()}) == 1, "one scale"
    figure = drawn["compared-inversions-transformer"]
    names = ["vit", "vit-s1", "vit-untrained", "vit-untrained-s1", "vit-noise", "vit-noise-s1"]
    assert figure["rows"]["names"] == [*names, "image with noise"]
    assert figure["columns"]["names"] == [f"layer{i}" for i in range(4)] and figure["along"] == "normalised depth"
    np.testing.assert_allclose(figure["at"], answers["pictures@vit"].depth)
    assert [stroke["colour"] for stroke in figure["strokes"]] == [0, 0, 1, 1, 2, 2, None]
    assert [stroke["dash"] for stroke in figure["strokes"]] == [*"solid solid dot dot dash dash dash".split()]
    named = [figure["kinds"][row] for row in figure["legend"]]
    assert named == ["vit (2)", "vit-untrained (2)", "vit-noise (2)", "image with noise"]


def test_values_and_errors_are_those_of_the_answers(page):
    answers, found = study(), by_name(page)["compared-CNN"]
    for values, errors, name in zip(found["values"], found["errors"], found["rows"]["names"][:-1], strict=False):
        np.testing.assert_array_equal(values, answers[f"pictures@{name}"].mean_m_i.values.astype("f4"))
        np.testing.assert_array_equal(errors, answers[f"pictures@{name}"].mean_m_i_se.values.astype("f4"))
    assert (found["values"][-1] == 3).all() and np.isnan(found["errors"][-1]).all()


def test_the_section_says_what_it_shows_and_leads_to_its_answers(page):
    assert "inversion: how far from an image the pictures of 12 networks lie (3 images of scenes; strict" in page.text
    assert "Solid lines: trained; dotted lines: untrained; dashed lines: trained otherwise." in page.text
    links = [str(a["href"]) for a in page.all("a") if "href" in a]
    ids = {str(attributes["id"]) for _, attributes in page.elements if "id" in attributes}
    assert {link[1:] for link in links if link.startswith("#")} <= ids
    assert links.count("#compared-inversions") == 2, "in the contents, and its own heading"
    sections = [str(s.get("id")) for s in page.all("section") if s.get("class") == "answer"]
    assert sections[0] == "compared-inversions" and len(sections) == 13
    assert "Undefined" not in page.text, "that a network lacks another's layers is nothing undefined"


def test_layers_of_other_depths_are_passed_over(tmp_path):
    answers = {"a": inverted("small", layers=4), "b": inverted("large", layers=6)}
    answers["a"]["mean_m_i"][1] = np.nan
    (figure,) = compared(page_of(tmp_path, answers)).values()
    assert figure["at"] == sorted(figure["at"]) and len(figure["at"]) == 9, "they have layer0 in common"
    small, large, noise = (stroke["columns"] for stroke in figure["strokes"])
    assert (len(small), len(large), len(noise)) == (4, 6, 9)
    np.testing.assert_allclose([figure["at"][column] for column in small], answers["a"].depth)


def test_two_sets_of_images_have_a_section_each_and_one_answer_none(tmp_path):
    of_noise = {"name": "noise", "fingerprint": "f1", "count": 3}
    more = {f"noise@{model}": inverted(model, images=of_noise) for model in ("vit", "resnet")}
    page = page_of(tmp_path / "two", study(1) | more)
    assert "Inversions compared: scenes" in page.text and "Inversions compared: noise" in page.text
    assert "Inversions compared" not in page_of(tmp_path / "one", {"a": inverted("vit")}).text


def test_names_are_no_markup(tmp_path):
    tags = {"family": WORST}
    images = {"name": WORST, "source": WORST, "fingerprint": "f"}
    answers = {f"{i}&<b>": inverted(f"{i}{WORST}", tags=tags, images=images) for i in range(2)}
    answers |= {f"other{i}": inverted(f"net{i}", tags={"family": "CNN"}, images=images) for i in range(2)}
    answers |= {f"apart{i}": inverted(f"net{i}") for i in range(2)}
    page = page_of(tmp_path, answers)
    for text in (f"0{WORST}", f"3 images of {WORST}", "0&<b>, 1&<b>, other0"):
        assert text in page.text.replace(" ,", ",")
    assert not any("alert" in script for script in page.scripts if "const" in script and len(script) < 50_000)
    assert not any(name in ("b",) for name, _ in page.elements)
    figure = next(figure for name, figure in compared(page).items() if "script" in name)
    assert figure["rows"]["names"][0] == f"0{WORST}"


def test_one_layer_of_unknown_depth_leaves_the_page_whole(tmp_path):
    answers = {"a": inverted("vit"), "b": inverted("resnet")}
    answers["b"] = answers["b"].assign_coords(depth=("layer", [0.1, np.nan, 0.5, 1.0]))
    assert "Inversions compared" not in page_of(tmp_path, answers).text
