"""CKA of each layer with the same layer of a reference: the diagonal of `cka`, and exact limits."""

import functools

import numpy as np
import pytest
import torch
from small import Batch, batches, images, stirred, tensors
from torch import nn

import seealike
from seealike.answering.provenance import renamed
from seealike.errors import StudyError
from seealike.kernel import fold, read
from seealike.measures.cka import CKA
from seealike.measures.drift import Drift
from seealike.models.graph import Graph
from seealike.plan.digest import digest
from seealike.selection import Models
from seealike.study.toml import study

SIZE = (3, 8, 8)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x):
        return x + torch.relu(self.conv(x))


class Net(nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        self.stem, self.blocks = nn.Conv2d(3, 6, 2, 2), nn.Sequential(*(Block() for _ in range(depth)))
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def net(seed=0, depth=3):
    torch.manual_seed(seed)
    return stirred(Net(depth), seed)


@functools.cache
def graph_of(name, seed=0, depth=3):
    return Graph.of(net(seed, depth), SIZE, name)


def checkpoints():
    return {f"vit@{k}": graph_of(f"vit@{k}", k) for k in range(3)}


def ask(of, x, size, measure):
    bound = measure.bind(Models(of))
    return read(bound, bound.needs(), fold(bound.needs(), batches(of, x, size)))


@pytest.mark.parametrize("question", [{}, {"estimator": "biased"}, {"view": "mean"}, {"layers": ("blocks.*", "head")}])
def test_it_is_the_diagonal_of_cka(question):
    of, x = checkpoints(), images(41, SIZE)
    answer = ask(of, x, 8, Drift("vit@*", "vit@1", **question))
    assert answer.drift.dims == ("model", "layer")
    assert answer.model.values.tolist() == ["vit@0", "vit@1", "vit@2"] and answer.attrs["reference"] == "vit@1"
    expected = [f"blocks.{i}" for i in range(3)] + (["head"] if "layers" in question else [])
    assert answer.layer.values.tolist() == expected
    layers = question.pop("layers", ("@block",))
    for model in ("vit@0", "vit@2"):
        sides = {"a": tuple(f"{model}:{p}" for p in layers), "b": tuple(f"vit@1:{p}" for p in layers)}
        pairs = ask(of, x, 8, CKA(**sides, **question))
        row = answer.sel(model=model)
        np.testing.assert_allclose(row.drift, np.diag(pairs.cka), rtol=1e-12)
        np.testing.assert_allclose(row.drift_se, np.diag(pairs.cka_se), rtol=1e-6, atol=1e-12)
        np.testing.assert_array_equal(row.depth, pairs.depth_b)
        assert (row.drift < 0.999).all()


def test_it_is_the_cka_of_the_features_by_hand():
    of, x = checkpoints(), images(24, SIZE)
    answer = ask(of, x, 24, Drift(("vit@2", "vit@0"), "vit@1", estimator="biased"))
    assert answer.model.values.tolist() == ["vit@0", "vit@2"]  # in the order of the study
    features = {name: tensors(graph, x, ["blocks.0", "blocks.1", "blocks.2"]) for name, graph in of.items()}
    for model in ("vit@0", "vit@2"):
        for layer in answer.layer.values:
            a, b = (features[m][layer].flatten(1).double() for m in (model, "vit@1"))
            a, b = (v - v.mean(0) for v in (a, b))
            expected = (a.T @ b).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm())
            assert float(answer.drift.sel(model=model, layer=layer)) == pytest.approx(float(expected), rel=1e-5)


def test_the_reference_is_exactly_itself():
    twin = Graph.of(net(1), SIZE, "twin")
    of, x = {**checkpoints(), "twin": twin}, images(40, SIZE)
    answer = ask(of, x, 8, Drift(("vit@1", "twin", "vit@0"), "vit@1"))
    assert (answer.drift.sel(model="vit@1") == 1).all() and (answer.drift_se.sel(model="vit@1") == 0).all()
    # the same network under another name comes from other sums
    np.testing.assert_allclose(answer.drift.sel(model="twin"), 1, rtol=0, atol=1e-12)
    assert (answer.drift <= 1).all() and (answer.drift.sel(model="vit@0") < 0.999).all()


def test_one_network_turned_and_scaled_has_not_drifted():
    """CKA is blind to it: a stem whose channels are in another order, three times as large, and the rest to match."""
    module, other = net(0, 1), net(0, 1)
    order = torch.tensor([2, 0, 1, 5, 3, 4])
    with torch.no_grad():
        other.stem.weight.copy_(3 * module.stem.weight[order])
        other.stem.bias.copy_(3 * module.stem.bias[order])
        conv, turned = module.blocks[0].conv, other.blocks[0].conv
        turned.weight.copy_(conv.weight[order][:, order])
        turned.bias.copy_(3 * conv.bias[order])
    of = {name: Graph.of(m, SIZE, name) for name, m in (("one", module), ("other", other))}
    answer = ask(of, images(32, SIZE), 8, Drift("other", "one", ("stem", "@block")))
    np.testing.assert_allclose(answer.drift, 1, atol=1e-5)


def test_a_layer_that_is_the_same_for_all_images_has_no_drift():
    silent = net(2)
    with torch.no_grad():
        silent.head.weight.zero_()
    of = {"net": graph_of("net"), "silent": Graph.of(silent, SIZE, "silent")}
    answer = ask(of, images(16, SIZE), 16, Drift("*", "net", ("@block", "head")))
    assert answer.drift.isnull().values.tolist() == [[False] * 4, [False] * 3 + [True]]
    assert answer.notes[0] == "silent:head is the same for all images: its CKA is undefined"
    answer = ask(of, images(16, SIZE), 16, Drift("*", "silent", "head"))
    assert answer.drift.isnull().all()


def test_each_model_runs_once_a_batch():
    of = checkpoints()
    bound = Drift("vit@*", "vit@0").bind(Models(of))
    batch = Batch(0, of, images(8, SIZE))
    fold(bound.needs(), [batch])
    assert sorted(batch.forwards) == ["vit@0", "vit@1", "vit@2"] and len(bound.needs()) == 3


def others():
    return {**checkpoints(), "short": graph_of("short", 5, 2)}


REFUSED = {
    'reference = "vit@7": there is no such model. Closest: vit@': ("vit@*", "vit@7", {}),
    'reference = "vit@*" is 3 models: vit@0, vit@1, vit@2. Name one.': ("vit@*", "vit@*", {}),
    'models = "resnet*": there is no such model. There are: vit@0': (("vit@*", "resnet*"), "vit@0", {}),
    'models = "vit@1" is the reference alone, and like itself. Name the models to compare with it.': (
        ("vit@1",),
        "vit@1",
        {},
    ),
    'drift needs models: names or globs such as "vit@*".': ((), "vit@1", {}),
    "drift compares vit@1:blocks.2 with the layer of that name in short: short:blocks.2 matches no layer of short. "
    "Closest: blocks.": ("*", "vit@1", {}),
    "vit@1:stm matches no layer of vit@1. Closest: stem.": ("vit@0", "vit@1", {"layers": "stm"}),
    'layers = "vit@1:stem": drift is of one layer in all models. Write "stem".': (
        "vit@0",
        "vit@1",
        {"layers": "vit@1:stem"},
    ),
    "vit@1:stem cannot be seen so: it has no token beside those of the image (no CLS).": (
        "vit@0",
        "vit@1",
        {"layers": "stem", "view": "cls"},
    ),
    'view = "clss" is no view. Closest: cls': ("vit@0", "vit@1", {"view": "clss"}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_compared_is_refused_in_the_users_words(message):
    models, reference, more = REFUSED[message]
    with pytest.raises(StudyError) as error:
        Drift(models, reference, **more).bind(Models(others()))
    assert str(error.value).startswith(message)


def test_fewer_layers_are_enough_if_they_are_those_asked_for():
    answer = ask(others(), images(16, SIZE), 16, Drift("*", "short"))
    assert answer.drift.shape == (4, 2) and answer.drift.notnull().all()


def test_models_of_other_names_ask_the_same_question():
    def asked(*names):
        of = {name: graph_of(f"vit@{k}", k) for k, name in enumerate(names)}
        return digest(Drift(names, names[1]).bind(Models(of)), {name: str(k) for k, name in enumerate(names)})

    assert asked("a", "b", "c") == asked("x", "blocks", "z")
    of = {name: graph_of(f"vit@{k}", k) for k, name in enumerate("ab")}
    fingerprints = {"a": "1", "b": "2"}
    one, other = (digest(Drift(("a", "b"), r).bind(Models(of)), fingerprints) for r in "ab")
    assert one != other


def test_an_answer_found_under_other_names_has_the_names_of_today():
    nets = {"a": net(0), "head": net(1)}  # a model may be called as a layer is
    answer = seealike.answer(Drift("*", "head", ("stem", "head")), nets, images(16, SIZE), batch=8)
    today = renamed(answer, tuple({"a": "x", "head": "y"}[name] for name in answer.attrs["models"]))
    assert today.model.values.tolist() == ["x", "y"] and today.attrs["reference"] == "y"
    assert today.layer.values.tolist() == ["stem", "head"]
    np.testing.assert_array_equal(today.drift, answer.drift)


def test_a_study_asks_it():
    table = {
        "models": {name: {"source": "zoo:vit"} for name in ("one", "two")},
        "images": {"scenes": {"source": "scenes:64"}},
        "ask": {"drift": {"measure": "drift", "models": ["one", "two"], "reference": "one"}},
    }
    assert study(table).ask["drift"].measure == Drift(("one", "two"), "one")
    with pytest.raises(StudyError, match=r"^ask\.drift\.reference is missing\.$"):
        study({**table, "ask": {"drift": {"measure": "drift", "models": "*"}}})
    answer = seealike.answer(Drift("*", "a"), {"a": net(0), "b": net(1)}, images(32, SIZE), batch=8)
    assert list(answer.attrs["models"]) == ["a", "b"] and answer.attrs["reference"] == "a"
    assert (answer.drift_se.sel(model="b") > 0).all() and (answer.drift.sel(model="a") == 1).all()
