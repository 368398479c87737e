"""From answers to verdicts: the interval, what it is over, and what is missing."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from planted import CNN, IMAGES, TRANSFORMER, around, blocks, facts, names, planted, staged
from scipy import stats

from seealike import claims
from seealike.claims.claim import Claim, Need, role
from seealike.claims.evidence import best
from seealike.claims.interval import over_images
from seealike.claims.networks import cast, trained
from seealike.claims.verdict import _verdict, decided
from seealike.errors import StudyError
from seealike.results import Results, write

BLOCKS = {kind: Need("cka", (role(family=kind),), "@block", "flatten") for kind in ("transformer", "CNN")}


def corner(cka: xr.Dataset) -> float:
    return float(cka["cka"][0, -1])


UNIFORM = Claim(
    "paper.uniform",
    "fig 1",
    "A transformer is more uniform.",
    (BLOCKS["transformer"], BLOCKS["CNN"]),
    lambda transformer, cnn: corner(transformer) - corner(cnn),
    unit="CKA",
)


def pair(transformer=0.8, cnn=0.3, **more):
    return [
        blocks("vit", staged(6, transformer), TRANSFORMER, **more),
        blocks("resnet", staged(7, cnn), CNN, **more),
    ]


@pytest.mark.parametrize(
    ("claimed", "low", "high", "verdict"),
    [
        (">", 0.1, 0.2, "holds"),
        (">", -0.2, -0.1, "fails"),
        (">", -0.1, 0.1, "undecided"),
        (">", 0.0, 0.0, "undecided"),
        (">=", 0.0, 0.0, "holds"),
        (">=", -0.2, -0.1, "fails"),
        ("<", -0.2, -0.1, "holds"),
        ("<", 0.1, 0.2, "fails"),
        ("<", -0.1, 0.1, "undecided"),
        ("<=", -1.0, 0.0, "holds"),
        ("<=", 0.0, 0.1, "undecided"),
        (">", math.nan, math.nan, "undecided"),
    ],
)
def test_the_interval_decides(claimed, low, high, verdict):
    assert _verdict(replace(UNIFORM, claimed=claimed), low, high) == verdict
    shifted = replace(UNIFORM, claimed=claimed, null=5.0)
    assert _verdict(shifted, low + 5, high + 5) == verdict


@pytest.mark.parametrize(("ends", "verdict"), [((0.8, 0.3), "holds"), ((0.3, 0.8), "fails"), ((0.5, 0.5), "undecided")])
def test_a_planted_effect_is_found(ends, verdict):
    (found,) = decided([UNIFORM], pair(*ends))
    assert found.verdict == verdict
    assert found.effect == pytest.approx(ends[0] - ends[1], abs=1e-12)
    assert found.words == (verdict if verdict == "undecided" else f"{verdict} for this pair")
    assert (found.models, found.answers, found.over) == (
        ("vit", "resnet"),
        ("blocks-of-vit", "blocks-of-resnet"),
        "images",
    )


def test_what_two_answers_of_one_pass_share_cancels():
    """The jackknife of a difference of means is the standard error of the mean difference, image group by group."""
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(16, 1, 1))
    noise = [staged(n, far) + 0.1 * shared + 0.01 * rng.normal(size=(16, n, n)) for n, far in ((6, 0.8), (7, 0.3))]
    together = [blocks("vit", 0, TRANSFORMER, noise=noise[0]), blocks("resnet", 0, CNN, noise=noise[1])]
    differences = noise[0][:, 0, -1] - noise[1][:, 0, -1]
    found = over_images(UNIFORM, together)
    assert found.effect == pytest.approx(differences.mean())
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * stats.sem(differences))
    for changed in ({"batch": 64}, {"seed": 1}, {"images": IMAGES | {"fingerprint": "cd"}}):
        apart = [together[0], blocks("resnet", 0, CNN, noise=noise[1], **changed)]
        both = math.hypot(stats.sem(noise[0][:, 0, -1]), stats.sem(noise[1][:, 0, -1]))
        found = over_images(UNIFORM, apart)
        assert (found.high - found.low) / 2 == pytest.approx(1.96 * both), "the variances of two passes add"
        assert both > 5 * stats.sem(differences)


def test_groups_of_different_sizes_are_of_different_passes():
    one, other = pair()
    assert one.run == other.run and other.left_out is not None
    other.left_out["images"][0] = 100
    assert blocks("resnet", staged(7, 0.3), CNN).run == one.run != replace(other).run


def test_without_leave_outs_a_claim_is_undecided_and_says_why():
    (found,) = decided([UNIFORM], pair(left=False))
    assert (found.verdict, found.effect) == ("undecided", pytest.approx(0.5))
    assert found.reason == "blocks-of-vit has no standard errors: too few batches"
    large = pair()
    assert large[0].left_out is not None
    large[0] = replace(large[0], left_out=large[0].left_out.drop_vars("cka"))
    (found,) = decided([UNIFORM], large)
    assert found.verdict == "undecided" and found.reason.startswith("cka has too many values to be kept without")


def test_what_is_undefined_is_undecided():
    holes = staged(6, 0.8)
    holes[0, -1] = np.nan
    (found,) = decided([UNIFORM], [blocks("vit", holes, TRANSFORMER), pair()[1]])
    assert (found.verdict, found.reason) == ("undecided", "a value that it rests on is undefined")
    sometimes = around(staged(6, 0.8))
    answer = blocks("vit", 0, TRANSFORMER, noise=sometimes)
    assert answer.left_out is not None
    answer.left_out["cka"][3, 0, -1] = np.nan
    (found,) = decided([UNIFORM], [answer, pair()[1]])
    assert found.verdict == "undecided" and found.reason.endswith("undefined where some images are left out")
    renamed = replace(UNIFORM, effect=lambda transformer, cnn: float(transformer["other"]))
    (found,) = decided([renamed], pair())
    assert (found.verdict, found.reason) == ("undecided", "its answers hold no other")


def test_repeats_are_told_by_their_seed_or_by_their_source():
    ends = [(0.8, 0.3), (0.7, 0.35), (0.9, 0.2)]
    answers = []
    for i, (transformer, cnn) in enumerate(ends):
        answers.append(blocks(f"vit@{i}", staged(6, transformer), TRANSFORMER | {"seed": str(i)}, left=False))
        answers.append(blocks(f"resnet@{i}", staged(7, cnn), CNN, left=False))  # alike by their source
    (found,) = decided([UNIFORM], answers)
    welch = stats.ttest_ind(*zip(*ends, strict=True), equal_var=False).confidence_interval(0.95)
    assert (found.verdict, found.words, found.over) == ("holds", "holds", "networks")
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high))
    assert len(found.models) == len(found.answers) == 6


def median(cka: xr.Dataset) -> float:
    return float(np.median(cka["cka"][0].values.round()))


JUMPY = replace(UNIFORM, needs=(BLOCKS["transformer"],), effect=median, null=0.5, jumps=True)


def test_an_effect_that_jumps_is_read_from_draws_around_the_answer():
    """Two values of three decide a median: one is far above a half, one far below, the third is near it."""
    values = around(np.tile([0.9, 0.1, 0.52], (3, 1)), spread=0.1)  # standard errors of 0.025
    answer = blocks("vit", 0, TRANSFORMER, noise=values)
    (still,) = decided([replace(JUMPY, jumps=False)], [answer])
    assert (still.verdict, still.low, still.high) == ("holds", 1, 1), "the jackknife sees no spread"
    (found,) = decided([JUMPY], [answer])
    assert (found.verdict, found.effect, found.low, found.high) == ("undecided", 1, 0, 1)
    (sure,) = decided([JUMPY], [blocks("vit", 0, TRANSFORMER, noise=values + np.array([0, 0, 0.3]))])
    assert (sure.verdict, sure.low, sure.high) == ("holds", 1, 1)
    holes = blocks("vit", 0, TRANSFORMER, noise=values)
    assert holes.left_out is not None
    holes.left_out["cka"][3, 0, 0] = np.nan
    assert decided([JUMPY], [holes])[0].reason.endswith("undefined where some images are left out")


def test_draws_of_a_mean_have_the_jackknife_s_interval():
    """Of one pass, so that what both share cancels; of two, so that it does not."""
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(16, 1, 1))
    noise = [staged(n, far) + 0.1 * shared + 0.05 * rng.normal(size=(16, n, n)) for n, far in ((6, 0.8), (7, 0.3))]
    for more in ({}, {"seed": 1}):
        answers = [blocks("vit", 0, TRANSFORMER, noise=noise[0]), blocks("resnet", 0, CNN, noise=noise[1], **more)]
        plain, drawn = (over_images(replace(UNIFORM, jumps=jumps), answers) for jumps in (False, True))
        assert drawn.effect == plain.effect and drawn.low < drawn.effect < drawn.high
        assert drawn.high - drawn.low == pytest.approx(plain.high - plain.low, rel=0.15)
        assert (drawn.high + drawn.low) / 2 == pytest.approx(plain.effect, abs=0.15 * (plain.high - plain.low))


def test_an_answer_about_all_pairs_serves_both_sides_and_either_way_round():
    layers = names("resnet", 7) + names("vit", 6)
    whole = np.random.default_rng(0).random((13, 13))
    whole = (whole + whole.T) / 2
    coords = {"layer_a": layers, "layer_b": layers}
    coords |= {"depth_a": ("layer_a", np.arange(13.0)), "depth_b": ("layer_b", np.arange(13.0))}
    models = {"resnet": facts(CNN), "vit": facts(TRANSFORMER)}
    asked = {"layers": ["resnet:@block", "vit:@block"], "view": "flatten"}
    answer = planted("all", "cka", {"cka": (("layer_a", "layer_b"), around(whole))}, coords, models, asked)
    (found,) = decided([UNIFORM], [answer])
    assert found.effect == pytest.approx(whole[7, 12] - whole[0, 6])
    assert found.answers == ("all",)
    across = {"a": "resnet:@block", "b": "vit:@block", "view": "flatten"}
    part = answer.whole.isel(layer_a=slice(7), layer_b=slice(7, 13)).assign_attrs(question=across)
    assert answer.left_out is not None
    turned = replace(answer, whole=part, left_out=answer.left_out.isel(layer_a=slice(7), layer_b=slice(7, 13)))
    need = Need("cka", (role(family="transformer"), role(family="CNN")), "*", "flatten")
    seen = best([turned], need, ("vit", "resnet"))
    assert seen is not None and seen.left_out is not None
    np.testing.assert_allclose(seen.whole["cka"].transpose("layer_a", "layer_b"), whole[7:, :7])
    np.testing.assert_allclose(seen.whole["depth_a"], np.arange(7.0, 13))
    np.testing.assert_allclose(
        seen.without(3)["cka"].transpose("layer_a", "layer_b"), turned.left_out["cka"][3].transpose()
    )
    assert seen.without(3).attrs == seen.whole.attrs and set(seen.whole.attrs["models"]) == {"vit", "resnet"}


def test_the_answer_from_most_images_is_taken():
    few = blocks("vit", staged(6, 0.1), TRANSFORMER, name="few", images=IMAGES | {"count": 64})
    assert [one.effect for one in decided([UNIFORM], [few, *pair()])] == [pytest.approx(0.5)]
    bare = blocks("vit", staged(6, 0.1), TRANSFORMER, name="bare", left=False)
    seen = best([bare, *pair()], BLOCKS["transformer"], ("vit",))
    assert seen is not None and seen.name == "blocks-of-vit", "one with an interval"


@pytest.mark.parametrize(
    "change",
    [
        {"question": {"layers": "vit:**", "view": "flatten"}},
        {"question": {"layers": "vit:@block", "view": "mean"}},
        {"measure": "rsa"},
    ],
)
def test_another_question_is_no_evidence(change):
    one, other = pair()
    (found,) = decided([UNIFORM], [replace(one, whole=one.whole.assign_attrs(change)), other])
    assert found.verdict == "not asked" and found.models == ("vit", "resnet")
    assert found.reason == 'needs an answer: measure = "cka", layers = "vit:@block"'


def test_a_missing_network_is_named_by_its_tags():
    (found,) = decided([UNIFORM], pair()[:1])
    assert (found.verdict, found.models) == ("not asked", ())
    assert found.reason == 'needs a trained model with tags = { family = "CNN" }'
    untrained = pair()
    untrained[1].whole.attrs["models"]["resnet"]["weights"] = "untrained, seed 0"
    (found,) = decided([UNIFORM], untrained)
    assert found.reason == 'needs a trained model with tags = { family = "CNN" }'
    with_gap = (role(family="transformer", read_out="cls"), role(family="transformer", read_out="gap"))
    claim = replace(UNIFORM, needs=tuple(Need("cka", (one,), "@block", "flatten") for one in with_gap))
    base, large = ({"family": "transformer", "size": size} for size in ("base", "large"))
    answers = [
        blocks("a", staged(6, 0.5), base | {"read_out": "cls"}),
        blocks("b", staged(6, 0.5), large | {"read_out": "gap"}),
    ]
    (found,) = decided([claim], answers)
    assert found.reason.startswith("needs models that are alike but for these tags: { family = ")


def test_networks_that_were_altered_stand_only_for_roles_that_name_it():
    answers = [*pair(), blocks("cut", staged(6, 0.1), TRANSFORMER | {"without_skip": "3"})]
    networks = trained(answers)
    assert [[n.name for (n,) in chosen] for chosen in cast((role(family="transformer"),), networks)] == [["vit"]]
    cut = role(family="transformer", without_skip=...)
    chosen = list(cast((role(family="transformer"), cut), networks))
    assert [[n.name for (n,) in one] for one in chosen] == [["vit", "cut"]]
    assert cut.words == 'family = "transformer", without_skip = "..."'
    noise = trained([blocks("noise", staged(6, 0.1), TRANSFORMER | {"trained_on": "noise"})])
    assert list(cast((role(family="transformer"),), noise)) == []


def test_a_role_may_want_that_a_tag_is_not_there():
    without = role(family="transformer", size=None)
    assert without.fits(TRANSFORMER) and not without.fits(TRANSFORMER | {"size": "base"})
    assert without.words == 'family = "transformer"'


def test_less_data_means_as_little_for_every_role():
    def net(size, data):
        return blocks(f"{size}{data}", staged(6, 0.5), {"family": "transformer", "size": size, "data": data})

    answers = [net(size, data) for size in ("base", "large") for data in ("10 %", "3 %")]
    roles = tuple(role(family="transformer", size=size, data=...) for size in ("large", "base"))
    found = {tuple(n.name for (n,) in chosen) for chosen in cast(roles, trained(answers))}
    assert found == {("large10 %", "base10 %"), ("large3 %", "base3 %")}


def stored(folder, answers):
    for answer in answers:
        write(folder, answer.name, "0", answer.whole, answer.left_out)
    return Results(folder)


def test_a_folder_is_decided_and_written(tmp_path):
    results = stored(tmp_path, pair())
    several = claims.decide(results)
    assert [one.claim for one in several if one.verdict != "not asked"] == [claims.of_paper("raghu2021")[0]]
    path = claims.write(tmp_path, several)
    rows = json.loads(path.read_text("utf8"))
    assert path.name == "claims.json" and len(rows) == len(several) >= len(claims.of_paper("raghu2021"))
    assert rows[0]["key"] == "raghu2021.uniform" and rows[0]["words"] == "holds for this pair"
    assert rows[0]["low"] < rows[0]["effect"] < rows[0]["high"] and rows[0]["answers"] == [
        "blocks-of-vit",
        "blocks-of-resnet",
    ]
    (mixer,) = (row for row in rows if row["key"] == "raghu2021.mixer")
    assert (mixer["verdict"], mixer["effect"]) == ("not asked", None)
    assert mixer["reason"] == 'needs a trained model with tags = { family = "mixer" }'
    lines = claims.told(several)
    assert lines[0].startswith("holds for this pair: The lower and the upper third") and "fig" in lines[0]
    assert "vit, resnet: 0." in lines[1] and lines[1].endswith("claimed: above 0")
    assert f"not asked  raghu2021.mixer: {mixer['reason']}" in lines


def test_an_unreadable_answer_is_left_aside(tmp_path):
    stored(tmp_path, pair())
    (tmp_path / "broken-0.nc").write_bytes(b"no netCDF")
    assert claims.decide(Results(tmp_path))[0].verdict == "holds"


def test_an_unknown_paper_is_refused():
    with pytest.raises(StudyError, match=r'"raghu": there are no claims of this paper. Closest: raghu2021.'):
        claims.of_paper("raghu")
    assert claims.named([{"claims": ["nobody2020", "raghu2021"]}, {}]) == ("raghu2021",)
