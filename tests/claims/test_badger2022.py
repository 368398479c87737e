"""The effects of Badger 2022 on planted answers: values by hand, and the verdict when they are turned."""

import numpy as np
import pytest
import xarray as xr
from planted import Answer, around, facts, names, planted

from seealike.claims import of_paper
from seealike.claims.badger2022 import CLAIMS, clarity
from seealike.claims.claim import Need, role
from seealike.claims.verdict import Decided, decided
from seealike.measures import MEASURES

BY_KEY = {claim.key.partition(".")[2]: claim for claim in CLAIMS}
TAGS = {"cnn": {"family": "CNN"}, "transformer": {"family": "transformer"}}
UNTRAINED, NOISE = {"control": "untrained"}, {"trained_on": "noise"}
SCENES = {"name": "test", "source": "scenes:2048", "count": 20, "fingerprint": "ab12", "order": "seeded"}
OF_NOISE = SCENES | {"source": "noise:1000", "fingerprint": "cd34"}


def decide(key: str, *answers: Answer) -> list[Decided]:
    return decided([BY_KEY[key]], answers)


def inverted(model: str, tags, distance, images=SCENES, **more) -> Answer:
    """Reconstructions whose distance from the image is told layer by layer; `more` as `mean_slope=[...]`."""
    count = len(distance)
    coords = {"layer": names(model, count), "depth": ("layer", np.linspace(0, 1, count))}
    told = {"mean_m_i": distance} | more
    variables = {key: (("layer",), around(value, 1e-4, i)) for i, (key, value) in enumerate(told.items())}
    for key, first in (("trace_m_i", 20.0), ("trace_error", 1.0)):
        ends = np.stack([np.full(count, first), np.asarray(told.get(f"{key}_end", [first / 2] * count))], 1)
        variables[key] = (("layer", "point"), around(ends, 1e-4))
    variables = {key: value for key, value in variables.items() if not key.endswith("_end")}
    weights = {"weights": "untrained, seed 0"} if "control" in tags else {}
    models = {model: facts(tags, **weights)}
    asked = {"model": model, "layers": ["@block"]}
    return planted(
        f"inverted-{model}-{images['source'][:5]}", "inversion", variables, coords, models, asked, images=images
    )


def derived(model: str, tags, null, condition) -> Answer:
    coords = {"layer": names(model, len(null)), "depth": ("layer", np.linspace(0, 1, len(null)))}
    told = {"mean_null_dimension": null, "log_condition": condition}
    variables = {key: (("layer",), around(value, 1e-4, i)) for i, (key, value) in enumerate(told.items())}
    models = {model: facts(tags, weights="untrained, seed 0")}
    asked = {"model": model, "layers": ["@block"]}
    return planted(f"derived-{model}", "jacobian", variables, coords, models, asked, input_dimension=768)


def test_claims_are_well_made():
    assert [claim.key for claim in of_paper("badger2022")] == [f"badger2022.{key}" for key in BY_KEY]
    assert len(BY_KEY) == len(CLAIMS) == 24
    for claim in CLAIMS:
        assert claim.sentence[0].isupper() and claim.sentence.endswith("."), claim.key
        assert claim.figure and claim.roles and {need.measure for need in claim.needs} <= set(MEASURES), claim.key


@pytest.mark.parametrize("family", TAGS)
def test_deeper_layers_are_poorer(family):
    tags = TAGS[family] | UNTRAINED
    (found,) = decide(f"deeper_is_poorer.{family}", inverted("net", tags, [1, 2, 4, 3, 9]))
    assert found.effect == pytest.approx(0.9) and found.verdict == "holds"
    (turned,) = decide(f"deeper_is_poorer.{family}", inverted("net", tags, [9, 7, 5, 3, 1]))
    assert turned.effect == pytest.approx(-1) and turned.verdict == "fails"
    (trained,) = decide(f"deeper_is_poorer.{family}", inverted("net", TAGS[family], [1, 2, 3, 4, 5]))
    assert trained.verdict == "not asked"


def test_searches_that_converge_find_another_picture():
    tags = TAGS["cnn"] | UNTRAINED
    far = {"log_rho_in": np.log([0.1, 0.1, 5])}
    (found,) = decide("non_unique.untrained.cnn", inverted("net", tags, [1, 2, 3], **far))
    assert found.effect == pytest.approx(np.log(5), abs=1e-3) and found.verdict == "holds"
    near = {"log_rho_in": np.log([9, 9, 1.5])}
    (found,) = decide("non_unique.trained.cnn", inverted("net", TAGS["cnn"], [1, 2, 3], **near))
    assert found.effect == pytest.approx(np.log(1.5), abs=1e-3) and found.verdict == "fails"


def test_where_no_search_converges_nothing_is_known():
    answer = xr.Dataset({"log_rho_in": ("layer", [1.0, 1.0, np.nan])})
    assert np.isnan(clarity.others(answer))
    flat = xr.Dataset({"mean_m_i": ("layer", [1.0] * 3)}, {"depth": ("layer", [0, 0.5, 1])})
    assert np.isnan(clarity.with_depth(flat))


def test_the_layer_comes_nearer_than_the_picture():
    tags = TAGS["transformer"] | UNTRAINED
    near = {"trace_m_i_end": [0, 0, 18.0], "trace_error_end": [0, 0, 0.1]}
    (found,) = decide("near_there_far_here.transformer", inverted("net", tags, [1, 2, 3], **near))
    assert found.effect == pytest.approx(0.8, abs=1e-3) and found.verdict == "holds"
    far = {"trace_m_i_end": [0, 0, 2.0], "trace_error_end": [0, 0, 0.5]}
    (found,) = decide("near_there_far_here.transformer", inverted("net", tags, [1, 2, 3], **far))
    assert found.effect == pytest.approx(-0.4, abs=1e-3) and found.verdict == "fails"


def test_transformers_stay_clear_but_enter_poorly():
    vit = inverted("vit", TAGS["transformer"] | UNTRAINED, [5, 6, 7])
    cnn = inverted("cnn", TAGS["cnn"] | UNTRAINED, [1, 3, 9])
    (clear,) = decide("transformers_stay_clear", vit, cnn)
    (entry,) = decide("transformers_enter_poorly", vit, cnn)
    assert clear.effect == pytest.approx(8 - 2, abs=1e-3) and clear.verdict == "holds"
    assert entry.effect == pytest.approx(5 - 1, abs=1e-3) and entry.verdict == "holds"
    other = inverted("vit", TAGS["transformer"] | UNTRAINED, [0, 6, 20])
    assert [decide(key, other, cnn)[0].verdict for key in ("transformers_stay_clear", "transformers_enter_poorly")] == [
        "fails",
        "fails",
    ]


def test_directions_are_lost_and_squeezed():
    tags = TAGS["cnn"] | UNTRAINED
    answer = derived("net", tags, [0, 266, 640], [1, 2, 4])
    (lost,), (squeezed,) = (decide(f"directions_{key}.cnn", answer) for key in ("lost", "squeezed"))
    assert lost.effect == pytest.approx(640 / 768, abs=1e-3) and lost.verdict == "holds"
    assert squeezed.effect == pytest.approx(3, abs=1e-3) and squeezed.verdict == "holds"
    answer = derived("net", tags, [640, 266, 0], [4, 2, 1])
    assert [decide(f"directions_{key}.cnn", answer)[0].verdict for key in ("lost", "squeezed")] == ["fails"] * 2


@pytest.mark.parametrize(
    ("images", "key"), [(SCENES, "training_sharpens_early"), (OF_NOISE, "training_sharpens_early_unlike")]
)
def test_training_sharpens_early_layers(images, key):
    tags = TAGS["cnn"]
    both = inverted("net", tags, [1, 5, 9], images), inverted("raw", tags | UNTRAINED, [4, 5, 9], images)
    (found,) = decide(f"{key}.cnn", *both)
    assert found.effect == pytest.approx(-3, abs=1e-3) and found.verdict == "holds"
    turned = inverted("net", tags, [4, 5, 9], images), inverted("raw", tags | UNTRAINED, [1, 5, 9], images)
    assert decide(f"{key}.cnn", *turned)[0].verdict == "fails"
    if images is SCENES:
        (late,) = decide("training_leaves_late.cnn", *both)
        assert late.effect == pytest.approx(3, abs=1e-3) and late.verdict == "holds"
        assert decide("training_leaves_late.cnn", *turned)[0].verdict == "fails"


def test_answers_about_noise_are_not_taken_for_those_about_images():
    tags = TAGS["cnn"]
    noise = inverted("net", tags, [1, 5, 9], OF_NOISE), inverted("raw", tags | UNTRAINED, [4, 5, 9], OF_NOISE)
    assert decide("training_sharpens_early.cnn", *noise)[0].verdict == "not asked"
    scenes = inverted("net", tags, [1, 5, 9]), inverted("raw", tags | UNTRAINED, [4, 5, 9])
    assert decide("training_sharpens_early_unlike.cnn", *scenes)[0].verdict == "not asked"
    need = Need("inversion", (role(family="CNN"),), "*", images="noise")
    assert need.words(("net",)) == 'measure = "inversion", model = "net", images: of noise:'


def test_networks_give_back_what_they_learnt():
    tags = TAGS["transformer"]
    of_noise = inverted("noisy", tags | NOISE, [1, 2, 3], mean_slope=[-1, -1, -0.1])
    natural = inverted("net", tags, [1, 2, 3], mean_slope=[-1, -1, -0.9])
    (found,) = decide("noise_is_what_it_learnt.transformer", of_noise, natural)
    assert found.effect == pytest.approx(0.8, abs=1e-3) and found.verdict == "holds"
    one = inverted("net", tags, [1, 2, 3], OF_NOISE, mean_nearest=[1, 1, 0.1])
    other = inverted("raw", tags | UNTRAINED, [1, 2, 3], OF_NOISE, mean_nearest=[1, 1, 0.3])
    (found,) = decide("drawn_to_the_learnt.transformer", one, other)
    assert found.effect == pytest.approx(-0.2, abs=1e-3) and found.verdict == "holds"
    alone = [inverted(n, t, [1, 2, 3], OF_NOISE) for n, t in (("net", tags), ("raw", tags | UNTRAINED))]
    (found,) = decide("drawn_to_the_learnt.transformer", *alone)
    assert found.verdict == "undecided"
