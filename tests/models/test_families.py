"""Every architecture of the libraries is as `breadth` says it must be, and the page about them tells of all of them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from architectures import OTHER_SOFTMAXES, REFUSED, WITHOUT_SKIPS, families
from breadth import Row, looked_at, wrong

ROOT = Path(__file__).parents[2]
FAMILIES = {str(family): family for family in families()}
SHORT = ("transformers-ViTForImageClassification", "transformers-ResNetForImageClassification")


@pytest.mark.parametrize("name", [n if n in SHORT else pytest.param(n, marks=pytest.mark.long) for n in FAMILIES])
@pytest.mark.filterwarnings("default")  # of the libraries themselves, as they make their models
def test_a_family_is_as_it_must_be(name):
    row = looked_at(FAMILIES[name])
    assert wrong(row) == [], row.failure


GOOD = Row(
    "timm-vit",
    model="vit",
    parameters=5,
    tensors=10,
    placed=10,
    residuals=2,
    attentions={"token": 1},
    softmaxes=1,
    apart=0.0,
    largest=1.0,
    diagonal=0.0,
    highest=1.0,
    layer="blocks.0",
    sensitivity=1.0,
    errors=[1.0, 0.9],
)
BROKEN = {
    "names that are not unique": {"repeated": ["norm"]},
    "not in the order of execution": {"disorder": ["norm, head"]},
    "places of 5 of 10 tensors": {"placed": 5},
    "0 residuals": {"residuals": 0},
    "0 attentions of 1 softmaxes": {"attentions": {}},
    "the graph's output": {"apart": 1e-5},
    "CKA of a tensor with itself": {"diagonal": 2e-6},
    "CKA of 1.1": {"highest": 1.1},
    "no CKA of": {"undefined": ["norm"]},
    "a receptive field of 0.0": {"sensitivity": 0.0},
    "a receptive field of nan": {"sensitivity": float("nan")},
    "errors of a reconstruction": {"errors": [1.0, 1.1]},
    "refused: cannot be traced": {"refusals": {"trace": "cannot be traced"}},
    "RuntimeError: no": {"failure": "Traceback\nRuntimeError: no"},
}


@pytest.mark.parametrize("said", BROKEN)
def test_what_is_wrong_of_a_family_is_said(said):
    assert wrong(GOOD) == []
    (found,) = wrong(replace(GOOD, **BROKEN[said]))
    assert found.startswith(said)


def test_a_refusal_must_be_the_one_that_is_known():
    (name,) = [n for n in REFUSED if n == "timm-csatv2"]
    rightly = replace(GOOD, family=name, refusals={"trace": f"model: {REFUSED[name][0]} (operation ...)"})
    assert wrong(rightly) == [] and wrong(replace(rightly, refusals={"trace": "something else"})) != []


def test_what_is_known_of_families_is_of_families_that_there_are():
    assert (WITHOUT_SKIPS | {*OTHER_SOFTMAXES, *REFUSED}) <= set(FAMILIES)


def test_the_page_tells_of_every_family():
    rows = re.findall(
        r"^\| ([\w-]+) \| `.*\| (.*) \|$", (ROOT / "docs" / "families.md").read_text("utf8"), re.MULTILINE
    )
    assert [name for name, _ in rows] == list(FAMILIES)
    assert [name for name, outcome in rows if outcome.startswith("failed")] == []
    assert [name for name, outcome in rows if outcome.startswith("refused")] == sorted(REFUSED)


def test_the_page_has_a_command():
    assert re.search(
        r"^families: .*\n\t\$\(BIN\)/python bench/families.py", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
