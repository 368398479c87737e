"""The effects of Mahaut & Baroni 2026 on planted answers: values by hand, and the verdict when they are turned."""

from itertools import permutations

import numpy as np
import pytest
from planted import Answer, around, facts, names, planted

from seealike.claims import of_paper
from seealike.claims.claim import Need
from seealike.claims.mahaut2026 import CLAIMS
from seealike.claims.mahaut2026.ways import MAIN, WAYS, Way
from seealike.claims.verdict import Decided, decided
from seealike.errors import StudyError
from seealike.maths.distances import DISTANCES
from seealike.measures import MEASURES
from seealike.measures.trajectory import Trajectory

BY_KEY = {claim.key.partition(".")[2]: claim for claim in CLAIMS}
VIT, CNN = ({"family": family, "objective": "classifier"} for family in ("transformer", "CNN"))
LAGS = (0.1, 0.17, 0.25)


def decide(key: str, *answers: Answer) -> list[Decided]:
    return decided([BY_KEY[key]], answers)


def verdicts(key: str, *answers: Answer) -> list[str]:
    return [one.verdict for one in decide(key, *answers)]


def paths(models: dict[str, dict[str, str]], apart, count: int = 7, way: Way = MAIN, **told) -> Answer:
    """Trajectories: `apart(model, depth, other model, depth)`; `told`: what is told of each model."""
    layers = [(m, u) for m in models for u in np.linspace(0, 1, count)]
    every = [name for m in models for name in names(m, count)]
    values = np.array([[apart(*a, *b) for b in layers] for a in layers])
    depth = [u for _, u in layers]
    coords = dict.fromkeys(("layer_a", "layer_b"), every) | {"model": list(models), "lag": list(LAGS)}
    coords |= {"depth_a": ("layer_a", depth), "depth_b": ("layer_b", depth)}
    variables = {"distance": (("layer_a", "layer_b"), around(values, 1e-4))}
    for i, (key, by_model) in enumerate(told.items()):
        dims = ("model", "lag") if key.startswith("structure") else ("model",)
        variables[key] = dims, around([by_model[m] for m in models], seed=i + 1)
    models = {m: facts(tags) for m, tags in models.items()}
    asked = {"models": "*", "layers": "@block", "distance": way.distance, "view": way.view}
    return planted(f"paths-{way}", "trajectory", variables, coords, models, asked, distance=way.distance)


def statistics(model: str, tags, told) -> Answer:
    """R^2 (layer, statistic), and 1 less as imbalance."""
    told = np.asarray(told, float)
    coords = {"layer": names(model, len(told)), "statistic": [f"s{i}" for i in range(told.shape[1])]}
    dims = ("layer", "statistic")
    variables = {key: (dims, around(told)) for key in ("r2_ridge", "r2_knn")} | {"imbalance": (dims, around(1 - told))}
    asked = {"model": model, "layers": "@block", "view": "mean"}
    return planted(f"statistics-{model}", "image_statistics", variables, coords, {model: facts(tags)}, asked)


def aligned(a, u, b, v):
    return abs(u - v) + 0.05 * (a != b)


def test_claims_are_well_made():
    assert [claim.key for claim in of_paper("mahaut2026")] == [f"mahaut2026.{key}" for key in BY_KEY]
    assert len(BY_KEY) == len(CLAIMS)
    for claim in CLAIMS:
        assert claim.sentence[0].isupper() and claim.sentence.endswith("."), claim.key
        assert claim.figure and claim.roles and {need.measure for need in claim.needs} <= set(MEASURES), claim.key
    assert {way.distance for way in WAYS} == set(DISTANCES)
    for way in WAYS:
        assert Trajectory(distance=way.distance, view=way.view).distance == way.distance


def test_layers_at_similar_depths_match():
    nets = {"vit": VIT, "resnet": CNN}
    (found,) = decide("same_depth.imbalance.mean", paths(nets, aligned))
    assert found.verdict == "holds" and found.effect == 0
    (turned,) = decide("same_depth.imbalance.mean", paths(nets, lambda a, u, b, v: abs(1 - u - v)))
    assert turned.verdict == "fails"
    assert turned.effect == pytest.approx(np.mean(abs(1 - 2 * np.linspace(0, 1, 7))))


def test_a_distance_is_asked_for_by_name():
    nets = {"vit": VIT, "resnet": CNN}
    other = paths(nets, aligned, way=Way("rsa", "mean"))
    assert verdicts("same_depth.imbalance.mean", other) == ["not asked"]
    assert verdicts("same_depth.rsa.mean", other) == ["holds"]
    (missing,) = decide("same_depth.cka.mean", other)
    assert missing.reason == (
        'needs an answer: measure = "trajectory", models = ["vit", "resnet"], distance = "cka", view = "mean"'
    )


def test_shuffles_by_counting_all_of_them():
    (found,) = decide("same_depth_by_shuffling", paths({"vit": VIT, "resnet": CNN}, aligned, count=6))
    u = np.linspace(0, 1, 6)
    every = abs(u - np.array(list(permutations(u)))).mean(1)
    assert found.verdict == "holds" and found.effect == pytest.approx(-np.quantile(every, 0.05), abs=0.03)
    (turned,) = decide("same_depth_by_shuffling", paths({"vit": VIT, "resnet": CNN}, lambda a, u, b, v: abs(1 - u - v)))
    assert turned.verdict == "fails"


def test_trained_networks_match_better_than_untrained_ones():
    control = {"control": "untrained"}
    nets = {"vit": VIT, "resnet": CNN, "vit0": VIT | control, "resnet0": CNN | control}

    def far(a, u, b, v):
        return abs(u - v) if "0" not in a + b else abs(1 - u - v)

    assert verdicts("same_depth_learnt", paths(nets, far)) == ["holds"]
    assert verdicts("same_depth_learnt", paths(nets, aligned)) == ["undecided"]


def test_differences_remain_beyond_another_crop_and_another_seed():
    """A control goes with the network of its seed, and stands for nothing else."""
    nets = {f"{n}{s}": t | {"seed": s} for n, t in (("vit", VIT), ("resnet", CNN)) for s in "01"}
    nets |= {f"crop{s}": VIT | {"seed": s, "control": "crop"} for s in "01"}
    nets |= {f"twin{s}": VIT | {"seed": s, "control": "seed"} for s in "01"}  # a third network, and the first
    shift = {
        "vit0": 0.001,
        "vit1": 0.002,
        "resnet0": 0.2,
        "resnet1": 0.21,
        "crop0": 0.05,
        "crop1": 0.051,
        "twin0": 0.1,
        "twin1": 0.001,
    }

    def far(a, u, b, v):
        return abs(u - v) + abs(shift[a] - shift[b])

    answer = paths(nets, far)
    (found,) = decide("differences_remain.imbalance.mean", answer)
    assert found.verdict == "holds" and found.over == "networks"
    by_hand = [(shift[f"resnet{s}"] - shift[f"vit{s}"]) - (shift[f"crop{s}"] - shift[f"vit{s}"]) for s in "01"]
    assert found.effect == pytest.approx(np.mean(by_hand), abs=1e-3)
    (beyond,) = decide("differences_remain_beyond_seeds", answer)
    assert beyond.over == "networks" and beyond.models[-2:] == ("twin0", "twin1")
    assert beyond.effect == pytest.approx(np.mean([0.199 - 0.099, 0.208 - 0.001]), abs=1e-3)
    shift |= {"twin0": 0.6, "twin1": 0.62}
    assert verdicts("differences_remain_beyond_seeds", paths(nets, far)) == ["fails"]


def test_smoother():
    nets, told = {"vit": VIT, "resnet": CNN}, {"vit": (9.0, 0.1, 0.5), "resnet": (0.0, 0.3, 0.4)}
    even = {"vit": 1.2, "resnet": 3.0}
    answer = paths(nets, aligned, structure=told, structure_work=told, unevenness=even)
    for key in ("smoother.imbalance.mean", "smoother_by_work"):
        (found,) = decide(key, answer)
        assert found.verdict == "holds" and found.effect == pytest.approx(-0.2)  # at 0.17: 0.1 is below an eighth
    other = paths(nets, aligned, way=Way("cka", "mean"), unevenness=even)
    (found,) = decide("more_even.cka.mean", other)
    assert found.verdict == "holds" and found.effect == pytest.approx(-1.8)


def test_classifiers_lose_statistics():
    keeping, losing = np.tile([[0.5], [0.9], [0.8]], (2, 2)), np.tile([[0.9], [0.9], [0.2]], (2, 2))
    losing[2:4] = 0.9
    other = VIT | {"objective": "self-supervised"}
    for variable in ("r2_ridge", "r2_knn", "imbalance"):
        key = f"classifiers_lose.{variable}"
        (found,) = decide(key, statistics("vit", VIT, losing), statistics("ssl", other, keeping))
        assert found.verdict == "holds" and found.effect == pytest.approx((0.2 - 0.9) - (0.8 - 0.8))
        assert verdicts(key, statistics("vit", VIT, keeping), statistics("ssl", other, losing)) == ["fails"]


def test_a_network_made_a_classifier_goes_with_the_one_it_came_from():
    rng, answers = np.random.default_rng(0), []
    for seed in "01":
        told = 0.9 + 0.01 * rng.random((6, 3))
        answers.append(statistics(f"ssl{seed}", VIT | {"objective": "self-supervised", "seed": seed}, told))
        told = told - np.array([0, 0, 0, 0, 0.1, 0.5])[:, None] - 0.001 * rng.random((6, 3))
        answers.append(statistics(f"tuned{seed}", VIT | {"finetuned": "classifier", "seed": seed}, told))
        answers.append(statistics(f"vit{seed}", VIT | {"seed": seed}, told + 0.001 * rng.random((6, 3))))
    (found,) = decide("made_classifier_loses.r2_ridge", *answers)
    assert found.models == ("tuned0", "tuned1", "ssl0", "ssl1") and found.over == "networks"
    assert found.verdict == "holds" and found.effect == pytest.approx(-0.5, abs=0.01)
    (scratch,) = decide("classifiers_lose.r2_ridge", *answers)
    assert scratch.models == ("vit0", "vit1", "ssl0", "ssl1") and scratch.verdict == "holds"


def test_undefined_layers_are_left_out():
    def far(a, u, b, v):
        return np.nan if ("vit", 0.0) in ((a, u), (b, v)) else aligned(a, u, b, v)

    answer = paths({"vit": VIT, "resnet": CNN}, far)
    (found,) = decide("same_depth.imbalance.mean", answer)
    assert found.verdict == "holds"


def test_a_need_in_words():
    need = Need("trajectory", BY_KEY["smoother.rsa.mean"].roles[:1], "*", "mean", "rsa")
    assert need.words(("vit",)) == 'measure = "trajectory", models = "vit", distance = "rsa", view = "mean"'
    with pytest.raises(StudyError, match='distance = "cosine" is no distance'):
        Trajectory(distance="cosine")
