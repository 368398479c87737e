"""Inversion asked of whole networks: its distances by hand, its verdicts, what it keeps when it is stopped."""

import tomllib

import numpy as np
import pytest
import torch
import xarray as xr
from small import FAMILIES, batches, build, images
from torch import nn

import seealike
from seealike import laws
from seealike.errors import RunError, StudyError
from seealike.inversion import Settings, shifted
from seealike.maths.chance import seeded
from seealike.maths.image_statistics import slope
from seealike.measures.inversion import Inversion
from seealike.measures.manifolds import become
from seealike.measures.solutions import solutions
from seealike.models.graph import Graph
from seealike.models.sources import ModelSource
from seealike.models.sources import build as build_source
from seealike.plan import make_plan
from seealike.plan.digest import digest, models_of
from seealike.plan.forecast import forecast
from seealike.selection import Models
from seealike.statistics.inverted import Inverted
from seealike.study.toml import study

SIZE = (3, 12, 12)
QUICK = {"iterations": 15, "step": 0.05, "take": 24, "starts": 2}


def convolutions(channels=5):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, 4, 3, 2))


def dense(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(108, classes))


def pictures(n=24, size=SIZE):
    return torch.rand(n, *size, generator=torch.Generator().manual_seed(5))


def ask(net, x, layers=("**",), **settings):
    return seealike.answer(Inversion("net", tuple(layers), **{**QUICK, **settings}), {"net": net}, x)


def test_every_distance_is_what_it_says():
    net, x = convolutions(), pictures()
    answer = ask(net, x)
    assert list(answer.layer.values) == ["net:0", "net:1", "net:2"]
    assert answer.dimension.values.tolist() == [720, 720, 100] and answer.attrs["input_dimension"] == 432
    with torch.no_grad():
        for place, index in enumerate(answer.image.values.tolist()):
            image, noisy = x[index], shifted(x[index], 1 / 18, seeded(0, "shift", index))
            i_r = float((image - noisy).norm())
            np.testing.assert_allclose(answer.original[place], image, atol=1e-6)
            for number in range(3):
                layer = net[: number + 1]
                m_r = float((layer(image) - layer(noisy)).norm())
                for start in range(2):
                    one = answer.isel(image=place, layer=number, start=start)
                    best, last = (torch.from_numpy(one[n].values) for n in ("reconstruction", "reconstruction_last"))
                    expected = {
                        "m_g": float((layer(image) - layer(best)).norm()),
                        "m_i": float((image - best).norm()),
                        "m_g_last": float((layer(image) - layer(last)).norm()),
                        "m_i_last": float((image - last).norm()),
                        "m_r": m_r,
                        "i_r": i_r,
                        "norm": float(layer(image).norm()),
                        "psnr": float(-10 * (best.clamp(0, 1) - image).square().mean().log10()),
                    }
                    for name, value in expected.items():
                        assert float(one[name]) == pytest.approx(value, rel=2e-4, abs=1e-5), name
                    assert float(one.rho_out) == pytest.approx(expected["m_g"] / m_r, rel=2e-4)
                    assert float(one.rho_in) == pytest.approx(expected["m_i"] / i_r, rel=2e-4)
    means = answer.m_i.mean(("image", "start"))
    np.testing.assert_allclose(answer.mean_m_i, means, rtol=1e-6)
    by_image = answer.m_i.mean("start").values
    np.testing.assert_allclose(answer.trace_m_i[:, -1], answer.m_i_last.mean(("image", "start")), rtol=1e-5)
    assert (0.5 < answer.mean_m_i_se / (by_image.std(0, ddof=1) / 24**0.5)).all()
    assert (answer.mean_m_i_se / (by_image.std(0, ddof=1) / 24**0.5) < 2).all()
    assert "m_i_se" not in answer and "verdict_se" not in answer


def test_verdicts_follow_their_definition():
    answer = ask(convolutions(1), pictures(16), iterations=60, take=16)
    out, into = answer.rho_out.values, answer.rho_in.values
    verdict = answer.verdict.values
    assert {"non-unique", "not converged"} <= set(verdict.ravel())
    assert ((verdict == "non-unique") == ((out < 1) & (into > 2))).all()
    assert ((verdict == "not converged") == (out >= 1)).all()
    np.testing.assert_allclose(answer.non_unique, (verdict == "non-unique").mean((0, 2)))
    np.testing.assert_allclose(answer.not_converged, (verdict == "not converged").mean((0, 2)))
    by_hand = [np.log(into[:, i][out[:, i] < 1]).mean() if (out[:, i] < 1).any() else np.nan for i in range(3)]
    np.testing.assert_allclose(answer.log_rho_in, by_hand, rtol=1e-5)


def test_a_layer_that_keeps_all_is_inverted_and_one_that_keeps_nothing_is_not():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(108, 300), nn.Linear(300, 4))
    answer = ask(net, pictures(16, (3, 6, 6)), layers=("1", "2"), iterations=300, take=16)
    assert (answer.verdict.sel(layer="net:1") == "not shown").all() and float(answer.mean_psnr[0]) > 50
    assert (answer.verdict.sel(layer="net:2") == "non-unique").all() and float(answer.mean_psnr[1]) < 25
    assert float(answer.spread[0]) < 0.1 < 0.3 < float(answer.spread[1])


def test_an_image_comes_to_the_same_whatever_comes_with_it():
    graph = Graph.of(convolutions(), SIZE, "net")
    x, settings = pictures(7), Settings(iterations=5, starts=("bright", "near"))
    trial = Inverted("net", "2", settings)
    whole, apart = ([trial.run(b.given("net")) for b in batches({"net": graph}, x, n)] for n in (7, 2))
    laws.check(trial, apart)
    for key, one in trial.total(apart[::-1]).items():
        np.testing.assert_allclose(one, whole[0][key], rtol=1e-3, atol=1e-4, err_msg=key)


@pytest.mark.parametrize("family", ["vit", pytest.param("swin", marks=pytest.mark.long), "mixer"])
def test_models_of_many_kinds_are_inverted(family):
    x = images(4, FAMILIES[family].size)
    answer = ask(build(family), x, layers=("@block",), take=4, iterations=8)
    assert (answer.trace_error[:, -1] < answer.trace_error[:, 0]).all()


def test_colours_are_normalised_as_the_network_was_trained_but_not_as_published(tmp_path):
    made = _study(tmp_path, 'mode = "strict"'), _study(tmp_path, 'mode = "paper"')
    found = [seealike.run(one, tmp_path / str(i))["i"] for i, one in enumerate(made)]
    for answer in found:
        assert 0 <= float(answer.original.min()) and float(answer.original.max()) <= 1
    net = build_source("vit", ModelSource("zoo:vit")).module
    patches = net.patch_embed
    mean, std = (torch.tensor(one)[:, None, None] for one in ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)))
    with torch.no_grad():
        for answer, by in ((found[0], lambda p: (p - mean) / std), (found[1], lambda p: p)):
            one = answer.isel(image=0, layer=0, start=0)
            a, g = (torch.from_numpy(one[n].values)[None] for n in ("original", "reconstruction"))
            assert float(one.m_g) == pytest.approx(float((patches(by(a)) - patches(by(g))).norm()), rel=1e-3)
    assert any("without its mean and std" in note for note in found[1].attrs["notes"])


def test_a_layer_that_was_answered_is_kept(tmp_path, monkeypatch):
    """What is asked again of fewer layers, or after a stop, runs only what is new."""
    ran = []
    run = Inverted.run
    monkeypatch.setattr(Inverted, "run", lambda self, given: (ran.append(self.tensor), run(self, given))[1])
    stopped = Inverted.run

    def stop(self, given):
        if self.tensor == "blocks.1":
            raise RunError("stopped")
        return stopped(self, given)

    monkeypatch.setattr(Inverted, "run", stop)
    with pytest.raises(RunError, match="stopped"):
        seealike.run(_study(tmp_path, layers='["patch_embed", "blocks.0", "blocks.1"]'), tmp_path / "out")
    assert ran == ["patch_embed", "blocks.0"]
    monkeypatch.setattr(Inverted, "run", stopped)
    results = seealike.run(_study(tmp_path, layers='["patch_embed", "blocks.0", "blocks.1"]'), tmp_path / "out")
    assert ran == ["patch_embed", "blocks.0", "blocks.1"] and results["i"].sizes["layer"] == 3
    seealike.run(_study(tmp_path, layers='["blocks.1", "blocks.0"]'), tmp_path / "out")
    assert len(ran) == 3


def test_what_it_will_take_is_foretold_from_a_few_iterations(tmp_path):
    said = "\n".join(forecast(make_plan(_study(tmp_path, "", steps=10_000_000))))
    assert "patch_embed" not in said and "time: about" in said and " h, from" in said


def test_what_reconstructions_have_become(tmp_path):
    answer = seealike.run(
        _study(tmp_path, 'train = "learnt"\namong = 40\njudge = "resnet"', layers='["patch_embed", "blocks.0"]'),
        tmp_path / "out",
    )["i"]
    assert answer["nearest"].dims == ("image", "layer", "start") and (answer.nearest > 0).all()
    assert (answer["class"] >= 0).all() and (answer["class"] < 10).all()
    agree = (answer["class"] == answer.class_original).mean(("image", "start"))
    np.testing.assert_allclose(answer.agreement, agree)
    expected = slope(torch.from_numpy(answer.reconstruction.values).flatten(0, 2))
    np.testing.assert_allclose(answer.slope.values.ravel(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answer.mean_slope, answer.slope.mean(("image", "start")), rtol=1e-5)
    assert np.isfinite(answer.mean_slope_se).all() and np.isfinite(answer.mean_nearest_se).all()


def test_the_nearest_training_image_is_the_nearest():
    x, among = pictures(4), pictures(9)[4:]
    training = xr.Dataset({"picture": (("image", "channel", "y", "x"), 2 * among.numpy())}, attrs={"scale": 2.0})
    found, original = (become(one, training)["nearest"] for one in (x.numpy()[:, None, None], x.numpy()))
    by_hand = [min(float((one - other).square().mean().sqrt()) for other in among) for one in x]
    np.testing.assert_allclose(found[:, 0, 0], by_hand, rtol=1e-4)
    np.testing.assert_allclose(original, by_hand, rtol=1e-4)


def test_another_judge_is_another_question():
    """Its name is none of it, its weights are."""
    graphs = {name: Graph.of(flat, (3, 6, 6), name) for name, flat in (("net", dense(4)), ("judge", dense(5)))}
    bound = Inversion("net", ("1",), judge="judge").bind(Models(graphs))
    marks = {"net": "1f", "judge": "2e"}
    assert digest(bound, marks) != digest(bound, marks | {"judge": "3d"})
    renamed = Inversion("net", ("1",), judge="other").bind(Models({"net": graphs["net"], "other": graphs["judge"]}))
    assert digest(renamed, {"net": "1f", "other": "2e"}) == digest(bound, marks)
    assert models_of(bound, marks) == ["net", "judge"]


def test_a_linear_layer_is_blind_to_all_of_the_error_that_is_left():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(108, 40), nn.Linear(40, 300))
    answer = ask(net, pictures(16, (3, 6, 6)), layers=("1", "2"), iterations=300, take=16, null_space=True)
    assert (answer.null_share > 0.999).all() and (answer.mean_null_share > 0.999).all()
    sharp = ask(nn.Sequential(nn.Flatten(), nn.Linear(108, 300)), pictures(16, (3, 6, 6)), null_space=True, take=16)
    np.testing.assert_allclose(sharp.null_share, 0, atol=1e-12)


def test_starts_that_did_not_converge_are_no_solutions():
    rng = np.random.default_rng(0)
    x = rng.random((2, 1, 3, 3, 2, 2))
    converged = np.array([[[True, False, True]], [[False, False, True]]])
    found = solutions(x, converged)
    assert found["pairwise"][0, 0] == pytest.approx(np.linalg.norm(x[0, 0, 0] - x[0, 0, 2]))
    np.testing.assert_allclose(found["solution_mean"][0, 0], x[0, 0, [0, 2]].mean(0))
    np.testing.assert_allclose(found["solution_sd"][0, 0], x[0, 0, [0, 2]].std(0, ddof=1))
    assert np.isnan(found["pairwise"][1, 0]) and np.isnan(found["solution_sd"][1]).all()
    np.testing.assert_allclose(found["solution_mean"][1, 0], x[1, 0, 2])


def test_what_cannot_be_asked_is_refused():
    graphs = {"net": Graph.of(convolutions(), SIZE, "net"), "small": Graph.of(convolutions(), (3, 8, 8), "small")}
    sources = Models(graphs)
    for written, said in (
        ({"take": 0}, "take = 0: take at least 1 image."),
        ({"layers": ()}, 'layers = []: name at least one, or leave layers out for "@block".'),
        ({"judge": "small"}, 'judge = "small" takes images of another size than those that are reconstructed.'),
        ({"judge": "net"}, 'judge = "net": its last tensor, 2, is no list of classes.'),
        ({"among": 0}, "among = 0: look for the nearest among at least 1 training image."),
        ({"null_space": True, "mode": "paper"}, 'null_space = true: that is known of mode = "strict" alone.'),
        ({"layers": ("3",)}, "net:3 matches no layer of net."),
    ):
        with pytest.raises(StudyError) as error:
            Inversion("net", **{"layers": ("**",), **written}).bind(sources)
        assert str(error.value).startswith(said)
    large = Models({"net": Graph.of(convolutions(), (3, 48, 48), "net")})
    with pytest.raises(StudyError, match="null_space = true: net takes images of 6912 numbers"):
        Inversion("net", ("**",), null_space=True).bind(large)


def test_what_is_not_finite_is_told():
    x = pictures()
    x[3, 0, 0, 0] = torch.nan
    with pytest.raises(RunError, match="net:0 holds NaN or infinity"):
        ask(convolutions(), x)


def _study(folder, keys="", layers='["patch_embed"]', steps=4):
    judge = '[models.resnet]\nsource = "zoo:resnet"' if "resnet" in keys else ""
    table = tomllib.loads(
        f"""
        [models.vit]
        source = "zoo:vit"
        {judge}
        [images.scenes]
        source = "scenes:64"
        split = "test"
        [images.learnt]
        source = "scenes:64"
        [ask.i]
        measure = "inversion"
        model = "vit"
        layers = {layers}
        iterations = {steps}
        step = 0.05
        starts = 1
        take = 16
        {keys}
        """
    )
    return study(table, str(folder))
