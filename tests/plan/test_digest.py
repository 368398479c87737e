"""Equal questions have equal digests, whatever their models are called; all others have others."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from seealike.kernel import Selected
from seealike.measures.cka import CKA
from seealike.plan.digest import digest, models_of

NET = Selected("net", "conv1", 0.5)
QUESTION = CKA(view="mean", bound_a=(NET, Selected("net", "fc", 1.0)), bound_b=(Selected("vit", "head", 1.0),))
PRINTS = {"net": "1f", "vit": "2e"}


def renamed(question: CKA, **names: str) -> CKA:
    def today(side):
        return tuple(replace(s, source=names[s.source]) for s in side)

    return replace(question, bound_a=today(question.bound_a), bound_b=today(question.bound_b))


def test_names_are_no_part_of_a_question():
    other = renamed(QUESTION, net="uno", vit="due")
    assert digest(other, {"uno": "1f", "due": "2e"}) == digest(QUESTION, PRINTS)
    assert digest(renamed(QUESTION, net="vit", vit="net"), {"vit": "1f", "net": "2e"}) == digest(QUESTION, PRINTS)
    assert digest(other, {"uno": "1f", "due": "2f"}) != digest(QUESTION, PRINTS)


@pytest.mark.parametrize(
    "changed",
    [
        {"view": "flatten"},
        {"estimator": "biased"},
        {"bound_a": (NET,)},
        {"bound_a": QUESTION.bound_a[::-1]},
        {"bound_b": (replace(NET, tensor="conv2"),)},
        {"bound_a": QUESTION.bound_b, "bound_b": QUESTION.bound_a},
    ],
    ids=str,
)
def test_every_field_is_part_of_it(changed):
    assert digest(replace(QUESTION, **changed), PRINTS) != digest(QUESTION, PRINTS)


def test_conditions_are_part_of_it():
    found = {
        digest(QUESTION, PRINTS, **conditions)
        for conditions in ({}, {"batch": 8}, {"batch": 9}, {"seed": 8}, {"batch": 8, "seed": 8}, {"batch": None})
    }
    assert len(found) == 6
    assert digest(QUESTION, PRINTS, a=1, b=2) == digest(QUESTION, PRINTS, b=2, a=1)


def test_a_new_version_of_a_formula_is_another_question(monkeypatch):
    before = digest(QUESTION, PRINTS)
    monkeypatch.setattr(CKA, "version", CKA.version + 1)
    assert digest(QUESTION, PRINTS) != before


def test_another_measure_is_another_question():
    @dataclass(frozen=True)
    class One:
        version: ClassVar[int] = 1
        of: str = "net:fc"

    @dataclass(frozen=True)
    class Other:
        version: ClassVar[int] = 1
        of: str = "net:fc"

    assert digest(One(), PRINTS) != digest(Other(), PRINTS)
    assert digest(One(), {"net": "1f"}) == digest(One("uno:fc"), {"uno": "1f"})


def test_two_equal_models_are_not_one_model():
    """The answers have other rows: `a` within itself, and `a` against its twin `b`."""
    across = CKA(bound_a=(replace(NET, source="a"),), bound_b=(replace(NET, source="b"),))
    within = CKA(bound_a=(replace(NET, source="a"),), bound_b=(replace(NET, source="a"),))
    twins = {"a": "1f", "b": "1f"}
    assert digest(across, twins) != digest(within, twins)
    assert digest(renamed(across, a="b", b="a"), twins) == digest(across, twins)
    assert digest(renamed(within, a="b"), twins) == digest(within, twins)


def test_a_layer_called_as_a_model_is_is_a_layer():
    """A backbone is often called as its model: `vit:vit`. It is not taken for the model of that name."""
    layer = CKA(bound_a=(Selected("net", "vit", 0.0),), bound_b=(NET,))
    other = replace(layer, bound_a=(Selected("net", "resnet", 0.0),))
    assert digest(layer, PRINTS) != digest(other, {"net": "1f", "resnet": "2e"})
    assert models_of(layer, PRINTS) == ["net"]
    assert models_of(CKA(view="mean", bound_a=(NET,)), {"net": "", "mean": ""}) == ["net"]


def test_models_are_told_in_the_order_of_the_question():
    assert models_of(QUESTION, ["vit", "resnet", "net"]) == ["net", "vit"]
    assert models_of(renamed(QUESTION, net="vit", vit="net"), ["net", "vit"]) == ["vit", "net"]
