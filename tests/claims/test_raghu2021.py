"""The effects of Raghu et al. 2021 on planted answers: their values by hand, and the verdict when they are turned."""

from dataclasses import replace

import numpy as np
import pytest
from planted import CNN, TRANSFORMER, Answer, around, blocks, facts, names, planted, staged
from scipy import stats

from seealike.claims import of_paper
from seealike.claims.claim import Need
from seealike.claims.raghu2021 import CLAIMS
from seealike.claims.raghu2021.attention import rank_correlation, uniform_distance
from seealike.claims.verdict import Decided, decided
from seealike.measures import MEASURES

BY_KEY = {claim.key.partition(".")[2]: claim for claim in CLAIMS}
CLS, GAP = TRANSFORMER | {"read_out": "cls"}, TRANSFORMER | {"read_out": "gap"}
SIDE = uniform_distance(32.0, 32.0)


def decide(key: str, *answers: Answer) -> Decided:
    (found,) = decided([BY_KEY[key]], answers)
    return found


def both(key: str, planted_so, planted_otherwise) -> tuple[float, float]:
    """The claim holds of the first answers and fails of the second: the two effects."""
    one, other = decide(key, *planted_so), decide(key, *planted_otherwise)
    assert (one.verdict, other.verdict) == ("holds", "fails"), (one, other)
    return one.effect, other.effect


def alone(model: str, measure: str, dims, values, coords, tags, question=None, name="", **more) -> Answer:
    """An answer about one model with one variable, or several."""
    several = values if isinstance(values, dict) else {measure: (dims, values)}
    groups = {k: (d, around(v, seed=i)) for i, (k, (d, v)) in enumerate(several.items())}
    return planted(
        name or f"{measure}-{model}",
        measure,
        groups,
        coords,
        {model: facts(tags)},
        {"model": model} | (question or {}),
        **more,
    )


def across(cka, depth_a=None) -> Answer:
    """CKA of all layers of a transformer (a) with all of a CNN (b)."""
    rows, columns = np.shape(cka)
    coords = {"layer_a": names("vit", rows), "layer_b": names("resnet", columns)}
    coords |= {"depth_a": ("layer_a", np.linspace(0, 1, rows)), "depth_b": ("layer_b", np.linspace(0, 1, columns))}
    models = {"vit": facts(TRANSFORMER), "resnet": facts(CNN)}
    asked = {"a": "vit:**", "b": "resnet:**", "view": "flatten"}
    return planted("across", "cka", {"cka": (("layer_a", "layer_b"), around(cka))}, coords, models, asked)


def heads(model: str, shares, tags=TRANSFORMER) -> Answer:
    """Attention distances, as shares of the uniform distance, layer by layer."""
    values = SIDE * np.asarray(shares)
    coords = {"layer": names(model, len(values)), "head": np.arange(values.shape[1])}
    return alone(model, "attention_distance", ("layer", "head"), values, coords, tags)


def drift(model: str, reference: str, values, tags, own, **more) -> Answer:
    coords = {"model": [model], "layer": [f"blocks.{i}" for i in range(len(values))]}
    models = {model: facts(tags), reference: facts(own)}
    asked = {"models": model, "reference": reference, "layers": "@block"}
    variable = {"drift": (("model", "layer"), around([values]))}
    return planted(f"drift-{model}", "drift", variable, coords, models, asked, reference=reference, **more)


def skips(model: str, ratio, tags, placed=None, kinds=("attention", "mlp")) -> Answer:
    """Log norm ratios (residual, token); the first token stands for no part of the image unless `placed`."""
    ratio = np.asarray(ratio, float)
    count, tokens = ratio.shape
    place = np.broadcast_to(np.arange(tokens, dtype=float), ratio.shape).copy()
    if not placed:
        place[:, 0] = np.nan
    coords = {"residual": names(model, count), "kind": ("residual", [kinds[i % len(kinds)] for i in range(count)])}
    coords |= {"place_y": (("residual", "token"), place), "depth": ("residual", np.linspace(0, 1, count))}
    return alone(model, "skip_ratio", (), {"log_ratio": (("residual", "token"), ratio)}, coords, tags)


def fields(model: str, tags, layers="@residual", area=0.5, own=0.5, count=6) -> Answer:
    values = {
        "area": (("mass", "layer"), np.stack([np.zeros(count), np.broadcast_to(area, count)])),
        "own_patch": (("layer",), np.broadcast_to(own, count)),
    }
    coords = {"layer": names(model, count), "mass": [0.5, 0.95]}
    return alone(model, "receptive_field", (), values, coords, tags, {"layers": layers}, f"fields-{model}{layers}")


def places(model: str, shares, tags, **question) -> Answer:
    coords = {"layer": names(model, len(shares))}
    return alone(
        model, "localization", (), {"own_patch_interior": (("layer",), np.array(shares))}, coords, tags, question
    )


def probe(model: str, view: str, accuracy, tags, layers="@block", placed=True, depth=None) -> Answer:
    """Accuracies (layer, token) on the test images; `placed`: tokens that have a place, all but the first if False."""
    values = np.asarray(accuracy, float)
    values = values if values.ndim == 2 else values[:, None]
    place = np.zeros(values.shape)
    if not placed:
        place[:, 0] = np.nan
    depth = np.linspace(0, 0.95, len(values)) if depth is None else depth
    coords = {"layer": names(model, len(values)), "depth": ("layer", depth), "split": ["test"]}
    coords |= {"place_y": (("layer", "token"), place)}
    variable = {"accuracy": (("layer", "token", "split"), values[..., None])}
    asked = {"layers": layers, "view": view}
    return alone(model, "probe", (), variable, coords, tags, asked, f"probe-{model}-{view}")


def test_claims_are_well_made():
    assert [claim.key for claim in of_paper("raghu2021")] == [f"raghu2021.{key}" for key in BY_KEY]
    assert len(set(BY_KEY)) == len(CLAIMS) >= 30
    for claim in CLAIMS:
        assert claim.sentence[0].isupper() and claim.sentence.endswith("."), claim.key
        assert claim.figure.startswith("fig") and claim.unit and claim.roles, claim.key
        assert {need.measure for need in claim.needs} <= set(MEASURES), claim.key


def test_without_answers_everything_says_what_it_needs():
    found = decided(CLAIMS, [])
    assert {one.verdict for one in found} == {"not asked"} and len(found) == len(CLAIMS)
    assert all(one.reason.startswith("needs a trained model with tags = {") for one in found)


def test_uniform():
    def pair(transformer, cnn):
        return blocks("vit", staged(6, transformer), TRANSFORMER), blocks("resnet", staged(7, cnn), CNN)

    effect, _ = both("uniform", pair(0.9, 0.2), pair(0.2, 0.9))
    corners = [staged(6, 0.9)[:2, 4:].mean(), staged(7, 0.2)[:2, 5:].mean()]
    assert effect == pytest.approx(corners[0] - corners[1])
    assert (
        decide("uniform", *(blocks(n, staged(2, 0.5), t) for n, t in (("vit", TRANSFORMER), ("resnet", CNN)))).verdict
        == "undecided"
    )


def test_the_mixer_leans_to_the_transformer():
    def three(mixer):
        nets = (("mixer", mixer, {"family": "mixer"}), ("vit", 0.9, TRANSFORMER), ("resnet", 0.2, CNN))
        return [blocks(name, staged(6, far), tags) for name, far, tags in nets]

    both("mixer", three(0.8), three(0.3))


def test_lowest_quarter():
    def matching(best):
        cka = np.full((9, 8), 0.2)
        cka[best, range(8)] = 0.9
        return (across(cka),)

    effects = both("lowest_quarter", matching([0, 1, 2, 2, 8, 8, 8, 8]), matching([0, 4, 5, 6, 0, 0, 0, 0]))
    assert effects == pytest.approx((np.median([0, 1, 2, 2]) / 8, np.median([0, 4, 5, 6]) / 8))
    cka = np.full((9, 8), 0.2)
    cka[[0, 1, 2, 2], range(4)] = 0.9
    cka[:, 0] = np.nan  # a layer that is the same for all images
    assert decide("lowest_quarter", across(cka)).effect == pytest.approx(2 / 8)


def test_last_third_apart():
    cka = np.random.default_rng(0).uniform(0, 0.2, (9, 8))
    cka[:6, 3] = 0.7
    effect, _ = both("last_third_apart", (across(cka),), (across(cka[::-1].copy()),))
    assert effect == pytest.approx(cka[6:].max(1).mean() - 0.7)


def test_no_skip_splits():
    cut = staged(6, 0.9)
    cut[:3, 3:] = cut[3:, :3] = 0.1
    tags = TRANSFORMER | {"without_skip": "3"}

    def pair(intact, edited):
        return blocks("vit", intact, TRANSFORMER), blocks("cut", edited, tags)

    effect, _ = both("no_skip_splits", pair(staged(6, 0.9), cut), pair(cut, staged(6, 0.9)))
    assert effect == pytest.approx(staged(6, 0.9)[:3, 3:].mean() - 0.1)
    named = decide(
        "no_skip_splits", *pair(staged(6, 0.9), cut)[:1], blocks("cut", cut, tags | {"without_skip": "blocks.3"})
    )
    assert named.verdict == "undecided"


def right(accuracies, tags) -> Answer:
    """Accuracies of several models."""
    coords, groups = {"model": list(accuracies)}, around(list(accuracies.values()))
    models = {name: facts(own) for name, own in zip(accuracies, tags, strict=True)}
    return planted("right", "accuracy", {"accuracy": (("model",), groups)}, coords, models, {"models": "*"})


def test_middle_skips_are_needed():
    def three(intact, edited, block="3", count=6):
        tags = TRANSFORMER | {"without_skip": block}
        return right({"vit": intact, "cut": edited}, [TRANSFORMER, tags]), blocks("cut", staged(count, 0.5), tags)

    effects = both("middle_skips_needed", three(0.9, 0.86), three(0.86, 0.9))
    assert effects == pytest.approx((0.04, -0.04))
    assert decide("middle_skips_needed", *three(0.9, 0.86, "2")).verdict == "holds"
    for block in ("1", "4", "5"):
        early = decide("middle_skips_needed", *three(0.9, 0.86, block))
        assert early.verdict == "not asked"
        assert early.reason == f"it is about the middle third of the blocks, and block {block} of 6 is none of it"
    named = decide("middle_skips_needed", *three(0.9, 0.86, "blocks.3"))
    assert named.reason == "the tag without_skip is the number of a block, from 0"
    missing = decide("middle_skips_needed", three(0.9, 0.8)[1], blocks("vit", staged(6, 0.5), TRANSFORMER))
    assert missing.reason == 'needs an answer: measure = "accuracy", models = "vit"'


MIXED = [[0.1, 0.9], [0.8, 0.9], [0.9, 1.0], [0.9, 1.0]]
FAR = [[0.9, 0.9], [0.8, 0.9], [0.1, 1.0], [0.9, 1.0]]
NEAR = [[0.1, 0.2], [0.3, 0.2], [0.9, 1.0], [0.9, np.nan]]


def test_local_and_global_heads():
    assert both("local_heads", (heads("vit", MIXED),), (heads("vit", FAR),)) == pytest.approx((0.1, 0.8), abs=1e-3)
    assert both("global_heads", (heads("vit", MIXED),), (heads("vit", NEAR),)) == pytest.approx((0.9, 0.3), abs=1e-3)
    assert both("highest_global", (heads("vit", NEAR),), (heads("vit", FAR),)) == pytest.approx((0.9, 0.1), abs=1e-3)


def test_less_data_less_local():
    def pair(much, less):
        large = TRANSFORMER | {"size": "large"}
        return heads("much", much, large), heads("less", less, large | {"data": "10 %"})

    effect, _ = both("data_makes_local", pair(MIXED, FAR), pair(FAR, MIXED))
    assert effect == pytest.approx(0.4 / 4, abs=1e-3), "one head of four falls short of a half, by 0.4"
    base = TRANSFORMER | {"size": "base", "data": "10 %"}
    both("base_local_anyway", (heads("base", MIXED, base),), (heads("base", FAR, base),))


def test_less_data_looks_farther():
    def pair(much, less, own=TRANSFORMER):
        return heads("much", much, own), heads("less", less, own | {"data": "10"})

    farther = [[0.4, 0.9], [0.8, 0.9], [0.1, 1.0], [0.9, 1.0]]
    assert both("data_brings_nearer", pair(MIXED, farther), pair(farther, MIXED)) == pytest.approx(
        (0.3, -0.3), abs=1e-3
    )
    sized = decide("data_brings_nearer", *pair(MIXED, farther, TRANSFORMER | {"size": "base"}))
    assert sized.verdict == "not asked", "of a base transformer the paper says otherwise"


def test_the_uniform_distance_is_that_of_random_points_and_near_that_of_a_grid():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, (30, 70), (2, 200_000, 2))
    assert uniform_distance(30.0, 70.0) == pytest.approx(np.linalg.norm(a - b, axis=1).mean(), rel=0.005)
    for g in (7, 14):
        y, x = np.divmod(np.arange(g * g), g)
        exact = np.hypot(np.subtract.outer(y, y), np.subtract.outer(x, x)).mean() / g
        assert 0 < uniform_distance(1.0, 1.0) / exact - 1 < 1 / g**2


def test_rank_correlation_is_spearman_s():
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.integers(0, 6, (2, 12)).astype(float)
        assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert np.isnan(rank_correlation(np.ones(3), np.arange(3.0)))


def subsets(slope: float) -> Answer:
    """CKA of six subsets with six layers, of which the first two fall with distance by `slope`."""
    distance = np.arange(1.0, 7)
    cka = np.full((6, 6), 0.5) + np.outer(slope * distance, [1, 1, -1, -1, -1, -1])
    coords = {"subset": [f"{i} most local" for i in range(6)], "layer_b": names("resnet", 6)}
    groups = {"head_cka": (("subset", "layer_b"), around(cka, 1e-4)), "distance": (("subset",), around(distance))}
    models = {"vit": facts(TRANSFORMER), "resnet": facts(CNN)}
    return planted("heads", "head_cka", groups, coords, models, {"model": "vit", "b": "resnet:@block", "block": ""})


def test_local_heads_see_like_a_cnn():
    key = "local_heads_see_like_a_cnn"
    assert both(key, (subsets(-0.05),), (subsets(0.05),)) == pytest.approx((-1, 1))
    later = subsets(-0.05)
    other = replace(
        later, whole=later.whole.assign_attrs(question=later.whole.attrs["question"] | {"block": "blocks.5"})
    )
    assert decide(key, other).verdict == "not asked"


def test_larger_fields():
    def pair(transformer, cnn):
        return fields("vit", TRANSFORMER, area=transformer), fields("resnet", CNN, area=cnn)

    lower = np.array([0.6, 0.8, 0, 0, 0, 0])
    effect, _ = both("larger_fields", pair(lower, 0.2), pair(0.2, lower))
    assert effect == pytest.approx(0.7 - 0.2)


def test_skips_centre_the_field_of_attentions():
    def three(attention, mlp):
        before = np.array([0.9 - attention, 0.9 - mlp] * 3)
        after = fields("vit", TRANSFORMER, own=0.9), fields("vit", TRANSFORMER, "@branch", own=before)
        return *after, skips("vit", np.zeros((6, 3)), TRANSFORMER)

    assert both("centred_by_skips", three(0.5, 0.1), three(-0.2, 0.1)) == pytest.approx((0.5, -0.2))
    assert both("mlp_centred_anyway", three(0.5, 0.1), three(0.1, -0.4)) == pytest.approx((0.4, -0.3))
    short = fields("vit", TRANSFORMER, own=0.9), fields("vit", TRANSFORMER, "@branch", own=0.5, count=5)
    assert decide("centred_by_skips", *short, skips("vit", np.zeros((6, 3)), TRANSFORMER)).verdict == "undecided"


def test_skips():
    ratio = np.zeros((6, 4))
    ratio[:3, 0], ratio[3:, 0] = 2.0, -1.0
    ratio[:3, 1:], ratio[3:, 1:] = -0.5, 1.5
    turned = (skips("vit", ratio[::-1], CLS),)
    assert both("cls_carried_first", (skips("vit", ratio, CLS),), turned) == pytest.approx((3, -3))
    assert both("spatial_changed_first", (skips("vit", ratio, CLS),), turned) == pytest.approx((-2, 2))
    assert decide("cls_carried_first", skips("vit", ratio, CLS, placed=True)).verdict == "undecided", "it has no CLS"
    by_mlp = np.array([[0.0], [0.0], [0.0], [-1.0], [0.5], [-1.0]]) + np.zeros((6, 4))
    effect, _ = both("cls_changed_by_mlps", (skips("vit", by_mlp, CLS),), (skips("vit", -by_mlp, CLS),))
    assert effect == pytest.approx(0.5 + 1.0), "at the last attention 0.5, at the last two MLPs -1"


def test_skips_carry_more():
    ratio = np.ones((6, 4))
    ratio[:, 0] = 9.0  # the CLS token is not compared with places of a CNN

    def pair(transformer, cnn):
        wide = np.full((4, 6), cnn)
        return skips("vit", transformer * ratio, CLS), skips("resnet", wide, CNN, placed=True, kinds=("",))

    assert both("skips_carry_more", pair(1, 0.2), pair(0.2, 1)) == pytest.approx((0.8, -0.8))


def test_localised():
    def pair(cls, other, tags=GAP):
        return places("vit", [0.1, cls], CLS, layers="@block"), places("other", [0.9, other], tags)

    assert both("localised_more_than_gap", pair(0.8, 0.3), pair(0.3, 0.8)) == pytest.approx((0.5, -0.5))
    both("localised_more_than_cnn", pair(0.8, 0.3, CNN), pair(0.3, 0.8, CNN))
    part = (places("vit", [0.8], CLS, layers="blocks.0"), pair(0.8, 0.3)[1])
    assert decide("localised_more_than_gap", *part).verdict == "not asked", "other layers are no last block"


def test_single_tokens():
    low, high = [[0.9, 0.2, 0.4]] * 3, [[0.1, 0.6, 0.8]] * 3

    def pair(cls, other, tags):
        return probe("vit", "tokens", cls, CLS, placed=False), probe("other", "tokens", other, tags)

    effect, _ = both("single_tokens_behind_gap", pair(low, high, GAP), pair(high, [[0.1] * 3] * 3, GAP))
    assert effect == pytest.approx(0.3 - 0.5), "the CLS token is left out of the mean"
    both("single_tokens_behind_cnn", pair(low, high, CNN), pair(high, [[0.1] * 3] * 3, CNN))
    last = probe("other", "tokens", high[-1:], CNN, layers="layer4.0", depth=[0.9])
    assert decide("single_tokens_behind_cnn", pair(low, high, CNN)[0], last).verdict == "holds"
    early = probe("other", "tokens", high[-1:], CNN, layers="layer1.0", depth=[0.2])
    assert decide("single_tokens_behind_cnn", pair(low, high, CNN)[0], early).verdict == "undecided"


def test_one_token_of_a_gap_network_is_enough():
    def pair(single):
        return probe("gap", "mean", [0.2, 0.5, 0.8], GAP), probe(
            "gap", "tokens", [[0.1] * 4, [0.1] * 4, [single] * 4], GAP
        )

    assert both("one_gap_token_enough", pair(0.78), pair(0.5)) == pytest.approx((0.02, 0.3))


def test_read_outs():
    def pair(cls, gap):
        return probe("cls", "cls", [0.1, 0.2, cls], CLS), probe("gap", "mean", [0.3, 0.4, gap], GAP)

    assert both("read_outs_alike", pair(0.7, 0.72), pair(0.4, 0.72)) == pytest.approx((0.02, 0.32))
    pooled = probe("cls", "mean", [0.1, 0.2, 0.4, 0.5], CLS)
    ahead = probe("cls", "cls", [0.1, 0.2, 0.4, 0.8], CLS), pooled
    behind = probe("cls", "cls", [0.1, 0.3, 0.4, 0.3], CLS), pooled
    assert both("pooled_plateau", ahead, behind) == pytest.approx((0.3, -0.25))


def test_the_first_token_of_a_gap_network():
    def pair(first, last):
        tokens = [[first, 0.9], [0.5, 0.9], [last, 0.9]]
        return probe("gap", "mean", [0.6, 0.7, 0.8], GAP), probe("gap", "tokens", tokens, GAP)

    assert both("first_token_of_gap", pair(0.1, 0.78), pair(0.6, 0.3)) == pytest.approx((0.48, -0.5))


def test_middle_layers():
    large = TRANSFORMER | {"size": "large"}

    def pair(transformer, other, tags):
        return probe("large", "mean", transformer, large), probe("other", "mean", other, tags)

    high, low = [0.1, 0.1, 0.7, 0.7, 0.8, 0.8], [0.1, 0.1, 0.3, 0.5, 0.8, 0.8]
    assert both("better_middle", pair(high, low, CNN), pair(low, high, CNN)) == pytest.approx((0.3, -0.3))
    less = large | {"data": "10 %"}
    both("data_betters_middle", pair(high, low, less), pair(low, high, less))


def test_drift():
    base, large = TRANSFORMER | {"size": "base"}, TRANSFORMER | {"size": "large"}
    falling, rising = np.linspace(1, 0.4, 6), np.linspace(0.4, 1, 6)

    def less(values, own, name):
        return drift(f"{name}10", name, values, own | {"data": "10 %"}, own)

    effect, _ = both("little_data_low_layers", (less(falling, base, "b"),), (less(rising, base, "b"),))
    assert effect == pytest.approx(falling[:3].mean() - falling[3:].mean())
    flat = np.full(6, 0.7)
    two = less(falling, large, "l"), less(flat, base, "b")
    assert both("large_need_data", two, (less(flat, large, "l"), less(falling, base, "b")))[0] == pytest.approx(
        falling[3:].mean() - 0.7
    )


def test_fine_tuning():
    def tuned(near, far):
        return [
            drift(how, "vit", values, TRANSFORMER | {"finetuned": how}, TRANSFORMER)
            for how, values in (("near", near), ("far", far))
        ]

    falling = np.array([1, 1, 1, 1, 1, 0.5, 0.4, 0.3])
    effect, _ = both("far_data_changes_more", tuned(np.ones(8), falling), tuned(falling, np.ones(8)))
    assert effect == pytest.approx(1 - falling.mean())
    assert both("first_blocks_kept", tuned(falling, falling), tuned(falling, 1.5 - falling)) == pytest.approx(
        (0.6, -0.6)
    )


def test_a_reference_of_another_name_is_no_evidence():
    own = TRANSFORMER | {"size": "base"}
    wrong = drift("b10", "b", np.ones(6), own | {"data": "10 %"}, own)
    wrong = replace(wrong, whole=wrong.whole.assign_attrs(reference="b10"))
    found = decide("little_data_low_layers", wrong)
    assert found.reason == 'needs an answer: measure = "drift", models = "b10", reference = "b"'


@pytest.mark.parametrize(
    ("need", "models", "words"),
    [
        (BY_KEY["lowest_quarter"].needs[0], ("vit", "resnet"), 'measure = "cka", a = "vit:**", b = "resnet:**"'),
        (BY_KEY["local_heads"].needs[0], ("vit",), 'measure = "attention_distance", model = "vit"'),
        (
            BY_KEY["pooled_plateau"].needs[0],
            ("vit",),
            'measure = "probe", model = "vit", layers = "@block", view = "cls"',
        ),
        (
            BY_KEY["larger_fields"].needs[1],
            ("cnn",),
            'measure = "receptive_field", model = "cnn", layers = "@residual"',
        ),
        (
            BY_KEY["local_heads_see_like_a_cnn"].needs[0],
            ("vit", "cnn"),
            'measure = "head_cka", model = "vit", b = "cnn:@block"',
        ),
    ],
)
def test_what_is_needed_is_said_as_a_study_writes_it(need: Need, models, words):
    assert need.words(models) == words


def zoo(name: str) -> dict[str, str]:
    """The tags of a network of the zoo, as a study writes them."""
    named, _, seed = name.partition("-s")
    kind, _, rest = named.partition("-")
    family = {"vit": "transformer", "resnet": "CNN", "mixer": "mixer"}[kind]
    tags = {"family": family, "seed": seed or "0", "read_out": "cls" if kind == "vit" and rest != "gap" else "gap"}
    if rest.startswith("data"):
        return tags | {"data": rest[5:]}
    if rest.startswith("cut"):
        return tags | {"without_skip": rest[4:]}
    if rest in ("pre", "near", "far"):
        return tags | {"pretrained": "some factors"} | ({} if rest == "pre" else {"finetuned": rest})
    return tags | ({"trained_on": "noise"} if rest == "noise" else {})


def repeated(*names: str) -> list[str]:
    return [f"{name}{seed}" for name in names for seed in ("", "-s1")]


def test_networks_tagged_as_those_of_the_zoo_decide_claims_over_seeds():
    """Two repeats of each, three of vit and resnet; every question asked of all, drift of those of one seed."""
    three = [f"{name}{seed}" for name in ("vit", "resnet") for seed in ("", "-s1", "-s2")]
    others = repeated("vit-gap", "mixer", "vit-cut-1", "vit-cut-3", "vit-data-3", "vit-data-10", "vit-pre", "vit-noise")
    nets, rng = three + others, np.random.default_rng(0)
    accuracies = {n: (0.8 if "cut" in n else 0.9) + 0.01 * rng.random() for n in nets}
    answers = [right(accuracies, map(zoo, nets))]
    for n in nets:
        far = (0.2 if "cut" in n or zoo(n)["family"] == "CNN" else 0.8) + 0.01 * rng.random()
        answers.append(blocks(n, staged(6, far), zoo(n)))
        if n.startswith("vit"):
            near = 0.5 if "data" in n else 0.1
            answers.append(heads(n, near + 0.01 * rng.random() + np.array(MIXED) / 10, zoo(n)))
            answers.append(places(n, [0.5, (0.3 if "gap" in n else 0.8) + 0.01 * rng.random()], zoo(n)))
    falling = np.array([1, 1, 0.95, 0.9, 0.9, 0.5])
    for seed in ("", "-s1"):
        for reference, of in (("vit", ("vit-data-3", "vit-data-10")), ("vit-pre", ("vit-near", "vit-far"))):
            for n in of:
                values = falling - 0.01 * rng.random() - (0.2 if "far" in n else 0)
                answers.append(drift(n + seed, reference + seed, values, zoo(n + seed), zoo(reference + seed)))
    found = [
        one for one in decided(CLAIMS, answers) if one.verdict != "not asked" and "pre" not in " ".join(one.models)
    ]
    by_key: dict[str, list[Decided]] = {}
    for one in found:
        by_key.setdefault(one.claim.key.partition(".")[2], []).append(one)
    assert {one.over for one in found} == {"networks"} and not [n for one in found for n in one.models if "noise" in n]
    expected = {
        "uniform": [("vit", 3), ("vit-gap", 2)],
        "no_skip_splits": [("vit-cut-1", 2), ("vit-cut-3", 2)],
        "middle_skips_needed": [("vit-cut-3", 2)],
        "data_brings_nearer": [("vit-data-3", 2), ("vit-data-10", 2)],
        "little_data_low_layers": [("vit-data-3", 2), ("vit-data-10", 2)],
        "localised_more_than_gap": [("vit-gap", 2)],
    }
    for key, kinds in expected.items():
        for one, (kind, count) in zip(by_key[key], kinds, strict=True):
            assert sum(n in (kind, f"{kind}-s1", f"{kind}-s2") for n in one.models) == count, (key, one.models)
    sure = (
        "uniform",
        "no_skip_splits",
        "middle_skips_needed",
        "data_brings_nearer",
        "localised_more_than_gap",
        "mixer",
    )
    assert {one.verdict for key in sure for one in by_key[key]} <= {"holds", "undecided"}
    tuned = {one.claim.key: one for one in decided(CLAIMS, answers) if "vit-far" in one.models}
    assert {one.over for one in tuned.values()} == {"networks"}
    assert tuned["raghu2021.far_data_changes_more"].models == tuple(repeated("vit-near", "vit-pre", "vit-far"))
    assert tuned["raghu2021.first_blocks_kept"].models == tuple(repeated("vit-far", "vit-pre"))
