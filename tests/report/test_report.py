"""The report, as a file: what it says, that no name becomes markup, its size, and that nothing is lost."""

import base64
import json
import shutil
import sys

import numpy as np
import pytest
import xarray as xr
from made import MODELS, RESNET, VIT, Parsed, attributes, cka, distances, study

from seealike import cli, report
from seealike.errors import StudyError
from seealike.measures import MEASURES
from seealike.report.facts import facts
from seealike.report.values import said
from seealike.results import Results, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return study(tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def page(folder) -> Parsed:
    return Parsed(report.write(folder).read_text("utf8"))


def one(tmp_path, answer: xr.Dataset, name: str = "similarity") -> Parsed:
    write(tmp_path, name, "0", answer)
    return Parsed(report.write(tmp_path).read_text("utf8"))


def figures(page: Parsed) -> dict[str, dict]:
    """The data of each figure, its matrices as arrays."""
    at = [(e.get("id"), text) for e, text in zip(page.all("script"), page.scripts, strict=True)]
    found = {str(identity): json.loads(text) for identity, text in at if str(identity).endswith("-figure")}
    for figure in found.values():
        for key in ("values", "errors"):
            if figure[key] is not None:
                flat = np.frombuffer(base64.b64decode(figure[key]["bdata"]), "<f4")
                figure[key] = flat.reshape(figure[key]["shape"])
    return found


def test_the_page_tells_what_was_asked_of_what(page):
    assert "ViT against ResNet 4 answers · 2 models · 2,048 images · 2026-05-06" in page.text
    asked = [
        "cka: how alike the 6 layers vit:@block and all 9 layers of resnet see the images",
        "cka: how alike all 15 layers of vit and resnet see the images",
        "attention_distance: how far each attention head of vit looks",
        "something_new: model vit",
    ]
    places = [page.text.index(sentence) for sentence in asked]
    assert places == sorted(places), "in the order in which they were answered"
    assert [page.text.count(sentence) for sentence in asked] == [2, 2, 2, 2], "at the top and with the answer"
    assert "2,048 images from folder:photographs" in page.text
    assert "timm:vit_small_patch16_224 pretrained 22,050,664 3 × 224 × 224" in page.text
    assert "What cka means, in a line." in page.text


def test_more_than_three_answers_have_a_table_of_contents(page, tmp_path):
    (nav,) = page.all("nav")
    assert nav["aria-label"] == "Answers"
    targets = [a["href"] for a in page.all("a")]
    identities = {attributes.get("id") for _, attributes in page.elements}
    assert [t for t in targets if t is None or t[0] != "#" or t[1:] not in identities] == []
    assert one(tmp_path, cka()).all("nav") == []


def test_the_figures_hold_the_values_of_the_answers(page, folder):
    drawn, results = figures(page), Results(folder)
    assert list(drawn) == [
        "similarity-0f9a-cka-figure",
        "within-1f9a-cka-figure",
        "distance-2f9a-attention_distance-figure",
        "distance-2f9a-attention_distance_renormalised-figure",
        "other-3f9a-area-figure",
        "other-3f9a-localization-figure",
        "other-3f9a-map-figure",
    ]
    figure, answer = drawn["similarity-0f9a-cka-figure"], results["similarity"]
    np.testing.assert_array_equal(figure["values"], answer.cka.values.astype("f4"))
    np.testing.assert_array_equal(figure["errors"], answer.cka_se.values.astype("f4"))
    assert figure["rows"]["names"] == VIT and figure["columns"]["names"] == RESNET
    assert (figure["rows"]["title"], figure["columns"]["title"]) == ("layer of vit", "layer of resnet")
    assert figure["rows"]["ticks"][2] == [2, "blocks.2"]
    assert figure["scale"] == [0, 1] and figure["square"]
    assert drawn["within-1f9a-cka-figure"]["rows"]["models"] == [["vit", 0, 6], ["resnet", 6, 15]]
    heads = drawn["distance-2f9a-attention_distance-figure"]
    np.testing.assert_array_equal(heads["values"], results["distance"].attention_distance.values.T.astype("f4"))
    assert (heads["kind"], heads["unit"], heads["rows"]["names"]) == ("points", "pixel", ["0", "1", "2", "3"])
    assert drawn["other-3f9a-area-figure"]["kind"] == "curve"
    assert drawn["other-3f9a-localization-figure"]["kind"] == "heatmap"


def test_all_heatmaps_of_a_measure_share_one_scale(tmp_path):
    low = cka(seed=4)
    low.cka[0, 0] = -0.14
    write(tmp_path, "low", "1", low)
    drawn = figures(one(tmp_path, cka()))
    assert [figure["scale"] for figure in drawn.values()] == [[-0.2, 1.0], [-0.2, 1.0]]


def test_what_no_figure_fits_is_told(page):
    assert "length 12.50 ± 0.25 pixel" in page.text
    assert "claim verdict 0 holds 1 fails" in page.text
    assert "cube 2 a × 2 b × 2 c, from 1.000 to 1.000; not drawn here" in page.text
    assert "layer sound vit:l0 True" in page.text


def test_facts_are_those_of_the_data(page, folder):
    answer = Results(folder)["similarity"]
    stacked = answer.cka.stack(pair=("layer_a", "layer_b")).dropna("pair")
    for word, pick in (("Highest", np.argmax), ("Lowest", np.argmin)):
        a, b = stacked.pair.values[int(pick(stacked.values))]
        chosen = answer.sel(layer_a=a, layer_b=b)
        assert f"{word} {a} and {b} {said(float(chosen.cka), float(chosen.cka_se))}" in page.text
    assert f"Median {said(float(stacked.median()))}" in page.text
    assert "Undefined 1 of 54 values" in page.text


def test_the_diagonal_of_a_model_with_itself_is_no_finding():
    answer = cka(VIT + RESNET, VIT + RESNET)
    answer.cka[0, 1], answer.cka[2, 8] = 0.999, 0.995
    told = facts(answer.cka, None)
    assert ("Highest off the diagonal", "vit:blocks.0 and vit:blocks.1", "0.9990") in told
    assert ("Highest across models", "vit:blocks.2 and resnet:stage.2", "0.9950") in told
    assert ("Standard errors", "", "not known") == told[-1]


def test_heads_that_are_not_there_are_not_undefined():
    answer = distances()
    assert "Undefined" not in [what for what, *_ in facts(answer.attention_distance, None)]
    answer.attention_distance[0, 1] = np.nan
    highest, *_, undefined = facts(answer.attention_distance, answer.attention_distance_se)
    assert undefined == ("Undefined", "", "1 of 24 values") and ", head " in highest[1]


def test_an_answer_of_nothing_defined_is_shown(tmp_path):
    answer = cka()
    answer["cka"], answer["cka_se"] = answer.cka * np.nan, answer.cka_se * np.nan
    page = one(tmp_path, answer)
    assert "Undefined 54 of 54 values" in page.text and "Highest" not in page.text


def test_an_answer_with_no_attributes_is_shown(tmp_path):
    page = one(tmp_path, xr.Dataset({"x": ("layer", [1.0, 2.0])}), "bare")
    assert f"Answers in {tmp_path.name}" in page.text and "Highest 1 2.000" in page.text


def test_where_an_answer_comes_from_is_all_there(page, folder):
    answer = Results(folder)["similarity"]
    details = page.text[page.text.index("Where this answer comes from") :]

    def told(value) -> list[str]:
        nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return [str(value)] if nested is None else [text for item in nested for text in told(item)]

    kept = {key: value for key, value in answer.attrs.items() if key not in ("title", "meaning", "notes")}
    assert [text for text in told(kept) if text not in details] == []
    assert "digest 0f9a" in details and "similarity-0f9a.nc" in details
    assert len(page.all("details")) == 4


def test_command_and_literature_close_the_page(page):
    assert page.text.count("Made with seealike run 'my study.toml' --out out Literature") == 1
    assert "Kornblith et al. 2019 S. Kornblith, M. Norouzi" in page.text
    assert page.text.endswith("arXiv:2108.08810.")


def test_warnings_are_seen_before_the_answers(page, tmp_path):
    assert "Mind this resnet: untrained, seed 0 (similarity) Point at a figure" in page.text
    images = {"source": "folder:x", "count": 3, "unreadable_images": ["a.png: truncated"]}
    page = one(tmp_path, cka(images=images, notes=["vit:norm is the same for all images: its CKA is undefined"]))
    assert "its CKA is undefined (similarity) unreadable: a.png: truncated (similarity)" in page.text
    assert "Mind this" not in one(tmp_path, cka()).text


def test_many_warnings_are_folded_away(tmp_path):
    page = one(tmp_path, cka(notes=[f"vit:l{i} is the same for all images" for i in range(40)]))
    assert "28 more vit:l12 is the same" in page.text and "40 notes vit:l0 is the same" in page.text


def test_names_never_become_markup(tmp_path):
    bad = "<script>alert(1)</script>"
    layer = "vit:</script><img src=x onerror=alert(2)>&amp;"
    answer = cka([layer, "vit:b"], models=("vit",), title=bad, notes=[f"{layer} says {bad}"], command=bad)
    answer.attrs["models"] = {bad: MODELS["vit"] | {"tags": {bad: bad}}}
    answer.cka[0, 0] = 1
    page = one(tmp_path, answer.rename(cka='"<img>', cka_se='"<img>_se'), "a' onclick=\"alert(3)")
    assert page.all("img") == [] and len(page.all("script")) == 4, "one figure, the palette, Plotly and ours"
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    (figure,) = figures(page).values()
    assert figure["rows"]["names"] == [layer, "vit:b"]
    assert bad in page.text and layer in page.text


def test_nothing_is_asked_of_the_world(page):
    outside = [
        (tag, name, value)
        for tag, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "srcset", "data", "action") or (name == "href" and not str(value).startswith("#"))
    ]
    assert outside == [] and page.all("link") == [] and page.all("base") == []
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none';") and "http" not in policy


def test_the_same_answers_give_the_same_bytes(folder, tmp_path):
    first = report.write(folder).read_bytes()
    shutil.copytree(folder, tmp_path / "copy")
    assert report.write(tmp_path / "copy").read_bytes() == first
    assert report.write(folder, tmp_path / "new" / "r.html") == tmp_path / "new" / "r.html"
    assert (tmp_path / "new" / "r.html").read_bytes() == first
    assert sorted(p.suffix for p in folder.iterdir()) == [".html", *[".nc"] * 4], "nothing else is left behind"


def test_twenty_large_heatmaps_fit_in_15_megabytes(tmp_path):
    for i in range(20):
        layers = [f"m{i}:stage.{k // 10}.block.{k % 10}.conv" for k in range(150)]
        write(tmp_path, f"ask{i}", f"{i}", cka(layers, layers, i, f"ask{i}"))
    size = report.write(tmp_path).stat().st_size
    assert 5e6 < size < 15e6


def test_an_unreadable_answer_is_named_and_the_others_are_shown(tmp_path):
    study(tmp_path)
    broken = tmp_path / "within-1f9a.nc"
    broken.write_bytes(broken.read_bytes()[:1000])
    page = Parsed(report.write(tmp_path).read_text("utf8"))
    assert f"Mind this {broken} cannot be read (" in page.text and "Delete it and run the study again." in page.text
    assert "3 answers" in page.text and len(figures(page)) == 6


def test_a_folder_with_nothing_readable_says_so(tmp_path):
    (tmp_path / "a-0.nc").write_bytes(b"")
    assert "a-0.nc cannot be read" in Parsed(report.write(tmp_path).read_text("utf8")).text


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_has_a_section(tmp_path, measure):
    answer = (distances() if measure == "attention_distance" else cka()).assign_attrs(measure=measure)
    page = one(tmp_path, answer, "ask")
    assert f"{measure}: " in page.text and figures(page)


def test_two_weights_by_one_name_are_two_models(tmp_path):
    other = MODELS["vit"] | {"weights": "vit.safetensors", "fingerprint": "000"}
    write(tmp_path, "later", "1", cka(models=("vit",)).assign_attrs(models={"vit": other}))
    page = one(tmp_path, cka(models=("vit",)))
    assert "timm:vit_small_patch16_224 pretrained 22" in page.text
    assert "timm:vit_small_patch16_224 vit.safetensors 22" in page.text


def test_other_views_and_estimators_are_said(tmp_path):
    question = {"a": "vit:@block", "b": "", "view": "mean", "estimator": "biased"}
    page = one(tmp_path, cka(VIT, VIT, question=question))
    sentence = "how alike the 6 layers vit:@block see the images"
    assert f"{sentence} (features averaged over places, biased estimator)" in page.text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((0.83417, 0.00213), "0.8342 ± 0.0021"),
        ((0.5, float("nan")), "0.5000"),
        ((-1.26e-9, 1e-3), "-0.0000 ± 0.0010"),
        ((512.3, 40.0, "pixel"), "512 ± 40 pixel"),
        ((float("inf"),), "inf"),
        ((3.0, 1.0, "1"), "3.0 ± 1.0"),
    ],
)
def test_numbers_have_the_digits_their_error_warrants(given, told):
    assert said(*given) == told


def verb(monkeypatch, capsys, *words) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["seealike", *map(str, words)])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    return int(exit.value.code or 0), *capsys.readouterr()


def test_the_verb_writes_the_page_and_prints_where(tmp_path, monkeypatch, capsys):
    write(tmp_path / "out", "similarity", "0", cka())
    where = tmp_path / "out" / "report.html"
    assert verb(monkeypatch, capsys, "report", tmp_path / "out") == (0, f"{where}\n", "")
    there = tmp_path / "r.html"
    assert verb(monkeypatch, capsys, "report", tmp_path / "out", "--out", there) == (0, f"{there}\n", "")
    assert where.read_bytes() == there.read_bytes()


def test_messages(tmp_path, monkeypatch, capsys):
    said = f"{tmp_path} holds no answers. `seealike run STUDY.toml --out {tmp_path}` puts them there."
    assert verb(monkeypatch, capsys, "report", tmp_path) == (2, "", f"seealike: {said}\n")
    assert list(tmp_path.iterdir()) == []
    write(tmp_path, "similarity", "0", cka())
    (tmp_path / "sub").mkdir()
    with pytest.raises(StudyError) as caught:
        report.write(tmp_path, tmp_path / "sub")
    there = tmp_path / "sub"
    assert str(caught.value) == f"{there} is a folder. Name the file to write, for example {there / 'report.html'}."


def test_attributes_of_other_hands_do_not_break_the_page(tmp_path):
    answer = cka().assign_attrs(images="some", models={}, citation="", command="", question={})
    assert "cka: how alike the 6 layers of vit and" in one(tmp_path, answer).text
    assert attributes("x", "cka")["seed"] == 7
