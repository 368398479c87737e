"""The claims on the page: what holds stands first with its evidence, what was not asked is folded away."""

import numpy as np
import pytest
import xarray as xr
from made import MODELS, Parsed, attributes, cka

from seealike import report
from seealike.claims import PAPERS
from seealike.results import write

VIT, RESNET = [f"vit:blocks.{i}" for i in range(6)], [f"resnet:stage.{i}" for i in range(9)]
TAGGED = {
    name: facts | {"tags": {"family": family}}
    for (name, facts), family in zip(MODELS.items(), ("transformer", "CNN"), strict=True)
}
TAGGED["resnet"] |= {"weights": "pretrained"}


def within(layers, far: float) -> tuple[xr.Dataset, xr.Dataset]:
    """An answer about one model's blocks, whose ends are alike by `far`, and its leave-outs."""
    model = layers[0].partition(":")[0]
    question = {"layers": f"{model}:@block", "view": "flatten"}
    answer = cka(layers, layers, models=(model,), question=question, claims=["raghu2021"])
    answer.attrs["models"] = {model: TAGGED[model]}
    answer["cka"][:] = far
    noise = np.random.default_rng(0).normal(size=(16, 1, 1)) / 1000
    left_out = xr.Dataset({"cka": (("group", "layer_a", "layer_b"), far + noise * np.ones((len(layers), len(layers))))})
    return answer, left_out.assign(images=("group", [128] * 16))


def page(folder, transformer: float = 0.9, cnn: float = 0.4, **attrs) -> Parsed:
    for name, layers, far in (("within-vit", VIT, transformer), ("within-resnet", RESNET, cnn)):
        answer, left_out = within(layers, far)
        write(folder, name, "0", answer.assign_attrs(attrs), left_out)
    return Parsed(report.write(folder).read_text("utf8"))


def test_a_claim_stands_first_with_its_verdict_and_its_evidence(tmp_path):
    found = page(tmp_path)
    places = [
        found.text.index(words) for words in ("Claims of Raghu et al. 2021", "holds for this pair", "What was asked")
    ]
    assert places == sorted(places)
    assert "1 holds" in found.text and "lower and the upper third" in found.text and "figs 1, B.1" in found.text
    assert "0.5 CKA (0.5 to 0.5 over images)" in found.text and "above 0" in found.text
    targets = [a["href"] for a in found.all("a")]
    identities = {attributes.get("id") for _, attributes in found.elements}
    assert targets.count("#within-vit-0") >= 2 and {"within-vit-0", "within-resnet-0"} <= identities
    (verdict,) = (e for e in found.all("span") if str(e.get("class")).startswith("verdict"))
    assert verdict["class"] == "verdict holds"


def test_many_answers_of_a_claim_are_folded_away(tmp_path, monkeypatch):
    for seed in (1, 2):
        twin = TAGGED["vit"] | {"source": f"made up {seed}", "weights": f"of seed {seed}"}
        monkeypatch.setitem(MODELS, f"vit-s{seed}", MODELS["vit"])
        monkeypatch.setitem(TAGGED, f"vit-s{seed}", twin | {"tags": twin["tags"] | {"seed": str(seed)}})
        answer, left_out = within([layer.replace("vit:", f"vit-s{seed}:") for layer in VIT], 0.8 + seed / 100)
        write(tmp_path, f"within-vit-s{seed}", "0", answer, left_out)
    found = page(tmp_path)
    assert "4 answers" in found.text
    assert {"#within-vit-0", "#within-vit-s2-0", "#within-resnet-0"} <= {a["href"] for a in found.all("a")}


def test_what_was_not_asked_is_folded_away(tmp_path):
    found = page(tmp_path)
    others = len(PAPERS["raghu2021"]) - 1
    assert f"{others} claims not asked" in found.text
    assert 'needs a trained model with tags = { family = "mixer" }' in found.text
    assert 'needs an answer: measure = "attention_distance", model = "vit"' in found.text


@pytest.mark.parametrize(("ends", "words"), [((0.4, 0.9), "fails for this pair"), ((0.5, 0.5), "undecided")])
def test_other_verdicts(tmp_path, ends, words):
    assert words in page(tmp_path, *ends).text


def test_a_folder_whose_studies_name_no_paper_has_no_claims(tmp_path):
    assert "Claims of" not in page(tmp_path, claims=[]).text
    assert "Claims of" not in page(tmp_path, claims=["nobody2020"]).text


def test_claims_that_were_not_asked_about_leave_a_sentence(tmp_path):
    answer = cka().assign_attrs(attributes("similarity", "cka"), claims=["raghu2021"])
    write(tmp_path, "similarity", "0", answer)
    found = Parsed(report.write(tmp_path).read_text("utf8"))
    assert "None of them was asked about." in found.text


def test_no_name_becomes_markup(tmp_path):
    answer, left_out = within(VIT, 0.9)
    bad = "<script>alert(1)</script>"
    answer = answer.assign_coords(layer_a=[f"{bad}:{i}" for i in range(6)], layer_b=[f"{bad}:{i}" for i in range(6)])
    answer.attrs |= {"models": {bad: TAGGED["vit"]}, "question": {"layers": f"{bad}:@block", "view": "flatten"}}
    write(tmp_path, "bad", "0", answer, left_out)
    other, its = within(RESNET, 0.4)
    write(tmp_path, "within-resnet", "0", other, its)
    text = report.write(tmp_path).read_text("utf8")
    assert bad not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "holds for this pair" in text
