"""Intervals over networks: exact cases, coverage by simulation, and which networks stand together."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from planted import CNN, TRANSFORMER, Answer, around, blocks, facts, planted, staged
from scipy import stats
from test_verdicts import UNIFORM

from seealike.claims.claim import Claim, Need, role
from seealike.claims.crossing import Design, design
from seealike.claims.interval import over_networks
from seealike.claims.verdict import Decided, decided

RNG = np.random.default_rng(0)


def names(role: str, count: int) -> list[str]:
    return [f"{role}{i}" for i in range(count)]


def grid(*counts: int) -> Design:
    found = design(list(itertools.product(*(names(r, n) for r, n in zip("abc", counts, strict=False)))))
    assert found is not None
    return found


def half(found) -> float:
    return (found.high - found.low) / 2


def test_one_role_has_student_s_interval():
    values = RNG.normal(size=4)
    found = over_networks(grid(4), list(values))
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 3, values.mean(), stats.sem(values)))


def test_a_difference_of_two_roles_has_welch_s_interval():
    a, b = RNG.normal(size=2), RNG.normal(size=3)
    found = over_networks(grid(2, 3), [x - y for x in a for y in b])
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found.effect == pytest.approx(a.mean() - b.mean())
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high))


def test_networks_in_pairs_have_the_paired_interval():
    casts, values = list(zip(names("a", 3), names("b", 3), names("c", 3), strict=True)), RNG.normal(size=3)
    found = design(casts)
    assert found == Design(tuple(casts), ((0, 1, 2),))
    interval = over_networks(found, list(values))
    assert (interval.low, interval.high) == pytest.approx(stats.t.interval(0.95, 2, values.mean(), stats.sem(values)))


def test_pairs_that_are_crossed_with_a_third_role_are_one_factor():
    pairs = list(zip(names("a", 2), names("b", 2), strict=True))
    found = design([(a, b, c) for a, b in pairs for c in names("c", 3)])
    assert found is not None and found.factors == ((0, 1), (2,))
    of_pair, of_c = RNG.normal(size=2), RNG.normal(size=3)
    interval = over_networks(found, [x + y for x in of_pair for y in of_c])
    welch = stats.ttest_ind(of_pair, -of_c, equal_var=False).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((welch.low, welch.high))


def test_where_not_each_was_asked_with_each_casts_without_a_common_network_are_left():
    found = design([("a0", "b0"), ("a0", "b1"), ("a1", "b1"), ("a2", "b1")])
    assert found == Design((("a0", "b0"), ("a1", "b1")), ((0, 1),))
    assert design([("a0", "b0"), ("a0", "b1"), ("a1", "b0")]) is None
    assert design([("a0", "b0"), ("a1", "b0"), ("a2", "b0")]) is None, "one network of the second role"
    assert design([("a0", "b0")]) is None


def coverage(counts, spreads, acting=0.0, times=2000) -> float:
    """How often the interval holds 0, the mean of Gaussian effects of networks that may act on each other."""
    rng, crossed, held = np.random.default_rng(1), grid(*counts), 0
    for _ in range(times):
        a, b = (rng.normal(0, spread, count) for spread, count in zip(spreads, counts, strict=True))
        effects = a[:, None] - b + acting * rng.normal(size=counts)
        found = over_networks(crossed, list(effects.ravel()))
        held += found.low <= 0 <= found.high
    return held / times


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    chance = 3 * math.sqrt(0.95 * 0.05 / 2000)  # three binomial standard errors
    even = coverage((2, 3), (1, 1))
    assert 0.95 - chance <= even <= 0.985, "of equal spreads Satterthwaite's degrees of freedom are a little too few"
    assert coverage((2, 3), (0, 1)) == pytest.approx(0.95, abs=chance), "one role alone: exact"
    worst = coverage((2, 3), (1, 0.1))
    assert worst == pytest.approx(0.92, abs=0.02), "all spread is that of two networks, and the other's gives freedom"
    assert 0.95 - chance <= coverage((2, 3), (1, 1), acting=1.0) <= 0.99, "too wide rather than too narrow"
    assert coverage((3, 3), (1, 1)) >= 0.95 - chance


def net(name: str, far: float, tags, seed: str = "", **more) -> Answer:
    return blocks(name, staged(6, far), tags | ({"seed": seed} if seed else {}), left=False, **more)


def one(claim: Claim, answers) -> Decided:
    (found,) = decided([claim], answers)
    return found


ENDS = {"transformer": [0.8, 0.7, 0.9], "CNN": [0.3, 0.35]}


def crossed_answers():
    for tags in (TRANSFORMER, CNN):
        for i, far in enumerate(ENDS[tags["family"]]):
            yield net(f"{tags['family']}-s{i}", far, tags, str(i))


def test_two_repeats_of_each_make_networks_the_unit_and_one_verdict_of_all():
    found = one(UNIFORM, list(crossed_answers()))
    welch = stats.ttest_ind(*ENDS.values(), equal_var=False).confidence_interval(0.95)
    assert (found.verdict, found.words, found.over) == ("holds", "holds", "networks")
    assert (found.effect, found.low, found.high) == pytest.approx((0.8 - 0.325, welch.low, welch.high))
    assert found.models == ("transformer-s0", "transformer-s1", "transformer-s2", "CNN-s0", "CNN-s1")
    assert len(found.answers) == 5


def test_of_a_single_network_of_one_role_all_verdicts_are_over_images():
    single = [a for a in crossed_answers() if a.name != "blocks-of-CNN-s1"]
    found = decided([UNIFORM], single)
    assert [len(f.models) for f in found] == [2, 2, 2] and {f.over for f in found} == {"images"}


def test_kinds_are_judged_apart():
    cut = role(family="transformer", without_skip=...)
    claim = replace(UNIFORM, needs=(UNIFORM.needs[0], Need("cka", (cut,), "@block", "flatten")))
    answers = [net(f"vit{s}", 0.8 + 0.01 * int(s), TRANSFORMER, s) for s in "012"]
    for block, far in (("1", 0.2), ("3", 0.9)):
        answers += [net(f"cut{block}-{s}", far + 0.01 * int(s), TRANSFORMER | {"without_skip": block}, s) for s in "01"]
    found = decided([claim], answers)
    assert [(f.verdict, f.models[3:]) for f in found] == [
        ("holds", ("cut1-0", "cut1-1")),
        ("fails", ("cut3-0", "cut3-1")),
    ]


def test_the_same_weights_under_another_name_are_no_repeat():
    answers = list(crossed_answers())
    for answer in answers:
        (own,) = answer.whole.attrs["models"].values()
        own["fingerprint"] = "the same" if answer.name.startswith("blocks-of-CNN") else answer.name
    found = decided([UNIFORM], answers)
    assert {f.over for f in found} == {"images"} and len(found) == 6


def test_networks_that_do_not_differ_at_all_leave_it_undecided():
    answers = [net(f"{t['family']}{s}", far, t, s) for t, far in ((TRANSFORMER, 0.8), (CNN, 0.3)) for s in "01"]
    found = one(UNIFORM, answers)
    assert (found.verdict, found.over) == ("undecided", "networks") and found.effect == pytest.approx(0.5)
    assert found.reason == "its networks do not differ in it at all, so how far others would is not known"


def test_last_digits_are_no_difference():
    found = over_networks(grid(3), [0.3, 0.1 + 0.2, 0.3])
    assert math.isnan(found.low) and found.reason.startswith("its networks do not differ")


def test_what_cannot_be_read_of_one_network_leaves_all_undecided():
    answers = list(crossed_answers())
    answers[0].whole["cka"][0, -1] = np.nan
    assert one(UNIFORM, answers).reason == "a value that it rests on is undefined"
    other = replace(UNIFORM, effect=lambda transformer, cnn: float(transformer["other"]))
    assert one(other, list(crossed_answers())).reason == "its answers hold no other"


def drift(model: str, reference: str, alike: float, tags, own) -> Answer:
    coords = {"model": [model], "layer": ["blocks.0", "blocks.1"]}
    models = {model: facts(tags), reference: facts(own)}
    asked = {"models": model, "reference": reference, "layers": "@block"}
    values = {"drift": (("model", "layer"), around([[alike, alike]]))}
    return planted(f"{model}-from-{reference}", "drift", values, coords, models, asked, reference=reference)


NEAR, FAR = (
    Need("drift", (role(family="transformer", finetuned=how), role(family="transformer"))) for how in ("near", "far")
)
TUNED = Claim(
    "paper.tuned",
    "fig G",
    "Far changes more.",
    tuple(replace(need, layers="@block") for need in (NEAR, FAR)),
    lambda near, far: float(near["drift"][0] - far["drift"][0]),
)
PRE = TRANSFORMER | {"pretrained": "some factors"}


def tuned(seeds="01", tag=True):
    """Two networks with what came of each, and the drift of every fine-tuned one from each of both."""
    for s, t in itertools.product(seeds, seeds):
        for how, alike in (("near", 0.9 + 0.02 * int(s)), ("far", 0.6 - 0.01 * int(s))):
            tags = PRE | {"finetuned": how} | ({"seed": s} if tag else {})
            # from a network that it did not come from, everything has changed
            yield drift(f"{how}{s}", f"pre{t}", alike if s == t else 0.0, tags, PRE | ({"seed": t} if tag else {}))


def test_fine_tuned_networks_are_compared_with_the_one_of_their_seed():
    found = one(TUNED, list(tuned()))
    differences = [0.3, 0.33]
    low, high = stats.t.interval(0.95, 1, np.mean(differences), stats.sem(differences))
    assert (found.over, found.verdict) == ("networks", "holds")
    assert (found.effect, found.low, found.high) == pytest.approx((np.mean(differences), low, high))
    assert found.models == ("near0", "near1", "pre0", "pre1", "far0", "far1")


def test_what_a_network_came_from_has_its_tag_pretrained():
    others = [
        drift(f"{how}0", "vit", 0.1, PRE | {"finetuned": how, "seed": "0"}, TRANSFORMER | {"seed": "0"})
        for how in ("near", "far")
    ]
    (found,) = decided([TUNED], [*tuned("0"), *others])
    assert found.models == ("near0", "pre0", "far0") and found.over == "images"
    (none,) = decided([TUNED], others)
    assert none.verdict == "not asked" and none.reason.startswith("needs models that are alike but for these tags: ")
    assert none.reason.endswith(", and of one seed")
