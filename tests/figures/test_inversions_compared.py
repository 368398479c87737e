"""Several inversions in one figure: which lines, in which colours and dashes, and which answers belong together."""

import csv

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba
from small_comparison import inverted, study
from typer.testing import CliRunner

from seealike import figures
from seealike.cli import app
from seealike.errors import StudyError
from seealike.figures.comparing import alike, comparable, families, table
from seealike.figures.style import shade
from seealike.results import write


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_line_an_answer_and_a_panel_a_family():
    answers = study()
    figure = figures.compared(answers)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["transformer", "CNN"]
    assert figure.get_suptitle() == "3 images of scenes; strict, prior none, 40 iterations"
    for ax, model in zip(figure.axes, ("vit", "resnet"), strict=True):
        *lines, noisy = ax.lines
        named = [f"{model}{ending}{seed}" for ending in ("", "-untrained", "-noise") for seed in ("", "-s1")]
        for line, name in zip(lines, named, strict=True):
            one = answers[f"pictures@{name}"]
            np.testing.assert_allclose(np.asarray(line.get_xydata()), np.stack([one.depth, one.mean_m_i], 1))
        assert len(ax.collections) == 6, "a band each"
        assert [line.get_linestyle() for line in lines] == ["-", "-", ":", ":", "--", "--"]
        assert [line.get_color() for line in lines] == [shade(i / 2) for i in (0, 0, 1, 1, 2, 2)]
        assert legend(ax) == [f"{model} (2)", f"{model}-untrained (2)", f"{model}-noise (2)", "image with noise, $i_r$"]
        np.testing.assert_allclose(np.asarray(noisy.get_xydata()), [[0, 3], [1, 3]])
        assert noisy.get_linestyle() == "--" and noisy.get_linewidth() < lines[0].get_linewidth()
        assert to_rgba(noisy.get_color()) == (0.5, 0.5, 0.5, 1)
        assert ax.get_ylim() == figure.axes[0].get_ylim() and ax.get_ylim()[0] == 0


def test_without_tags_every_network_has_a_colour_and_some_have_a_name():
    (ax,) = figures.compared({f"a{i}": inverted(f"net{i}") for i in range(3)}).axes
    assert legend(ax) == ["net0", "net1", "net2", "image with noise, $i_r$"] and ax.get_title(loc="left") == ""
    (ax,) = figures.compared({f"a{i}": inverted(f"net{i}") for i in range(20)}).axes
    assert len(ax.lines) == 21 and len(legend(ax)) == 9
    assert len({line.get_color() for line in ax.lines[:-1]}) == 20
    bare = inverted("net", facts={"weights": "untrained, seed 0"})
    (ax,) = figures.compared({"first": inverted("net"), "second": bare}).axes
    assert legend(ax)[:2] == ["first", "second"], "one name of two networks says nothing"
    assert [line.get_linestyle() for line in ax.lines[:2]] == ["-", ":"], "weights say it too"
    (one, _) = families({"a": inverted("net"), "b": inverted("vit", tags={"family": "transformer"})})
    assert one.name == "others"


def test_a_network_that_judges_has_no_line():
    answer = inverted("vit")
    answer.attrs["models"] = {"judge": {"tags": {"family": "CNN"}}, **answer.attrs["models"]}
    assert families({"a": answer})[0].kinds[0].label == "vit"


@pytest.mark.parametrize("key", ["mode", "prior", "weight", "optimizer", "iterations", "starts", "shift"])
def test_searched_otherwise_is_not_compared(key):
    first, other = inverted("vit"), inverted("resnet")
    assert len(alike({"a": first, "b": other})) == 1
    other = other.assign_attrs(question=other.attrs["question"] | {key: "another"})
    assert len(alike({"a": first, "b": other})) == 2 and comparable({"a": first, "b": other}) == {}


def test_other_images_are_not_compared():
    first, other = inverted("vit"), inverted("resnet")
    named = {"name": "scenes", "source": "scenes:64", "fingerprint": "f1"}
    for one in (other.assign_attrs(images=named), other.isel(image=[0, 1]), other.isel(x=slice(4))):
        assert len(alike({"a": first, "b": one})) == 2
    with pytest.raises(StudyError) as refused:
        figures.compared({"a": first, "b": other.assign_attrs(images=named | {"name": "noise"})})
    assert str(refused.value) == (
        "these inversions are about different images or searches: a (3 images of scenes; strict, prior none, "
        "40 iterations); b (3 images of noise; strict, prior none, 40 iterations). Give those of one."
    )


def test_other_measures_are_passed_over():
    figure = figures.compared({"a": inverted("vit"), "cka": xr.Dataset(attrs={"measure": "cka"})})
    assert len(figure.axes[0].lines) == 2
    with pytest.raises(StudyError, match="none of these datasets answers `inversion`"):
        figures.compared({"cka": xr.Dataset(attrs={"measure": "cka"})})


def test_files_are_named_by_the_images():
    def two(name: str, **question):
        images = {"name": name, "fingerprint": name}
        pair = (inverted(model, images=images) for model in ("vit", "resnet"))
        of = "-".join([name, *question.values()])
        return {f"{of}{i}": a.assign_attrs(question=a.attrs["question"] | question) for i, a in enumerate(pair)}

    assert list(comparable(two("scenes"))) == ["inversions"]
    assert comparable({"alone": inverted("vit")}) == comparable({}) == {}
    several = two("scenes") | two("../a b")
    assert list(comparable(several)) == ["inversions-scenes", "inversions-a-b"]
    priors = two("scenes") | two("scenes", prior="blur") | two("noise")
    scenes = [f"inversions-scenes-strict-prior-{prior}-40-iterations" for prior in ("none", "blur")]
    assert list(comparable(priors)) == [*scenes, "inversions-noise"]
    shifts = two("scenes") | two("scenes", shift="0.1")
    assert list(comparable(shifts)) == [f"{scenes[0]}-1", f"{scenes[0]}-2"]


def test_a_comparison_fits_and_is_saved(tmp_path):
    answers = study(1)
    answers["pictures@vit"] = answers["pictures@vit"].drop_vars("mean_m_i_se")
    answers["pictures@resnet"]["mean_m_i"][2] = np.inf
    figure = figures.compared(answers)
    figure.draw_without_rendering()
    left, bottom, right, top = figure.get_tightbbox().extents
    width, height = figure.get_size_inches()
    assert left > -0.01 and bottom > -0.01 and right < width + 0.01 and top < height + 0.01
    assert figures.save(figure, tmp_path / "f.svg").stat().st_size > 0
    with figures.to_csv(table(answers), tmp_path / "f.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 4 + 3 * 6
    (one,) = (r for r in rows if (r["model"], r["layer"]) == ("resnet-noise", "resnet-noise:layer5"))
    assert one["answer"] == "pictures@resnet-noise" and float(one["i_r"]) == 3
    assert float(one["mean_m_i"]) == float(answers["pictures@resnet-noise"].mean_m_i[5])
    assert rows[0]["mean_m_i_se"] == ""


def test_the_command_draws_them_beside_the_answers(tmp_path):
    for name in ("vit", "resnet"):
        write(tmp_path, f"pictures@{name}", "0", inverted(name))
    for kind in ("png", "csv"):
        ran = CliRunner().invoke(app, ["draw", str(tmp_path), "--format", kind])
        files = [f"pictures@resnet.{kind}", f"pictures@vit.{kind}", f"inversions.{kind}"]
        assert ran.output.split() == [str(tmp_path / file) for file in files]
        assert all((tmp_path / file).stat().st_size > 0 for file in files)
    write(tmp_path, "inversions", "0", inverted("other"))
    ran = CliRunner().invoke(app, ["draw", str(tmp_path), "--format", "csv"])
    assert ran.output.split()[-1] == str(tmp_path / "inversions-compared.csv"), "an answer's own file is left alone"
