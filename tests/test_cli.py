"""The command line: exit codes, one message where something is wrong, and the files that each verb leaves."""

import csv
import re
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from PIL import Image

from seealike import cli
from seealike.models.sources import of_timm
from seealike.models.sources.fetching import Unfetchable
from seealike.results import Results

NETS = """
from torch import nn

def net(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                         nn.Linear(4 * width, 5))

def wide():
    return net(6)

class Stretch(nn.Module):
    def forward(self, x):
        low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        return (x - low) / (high - low)

def stretch():
    return nn.Sequential(Stretch(), nn.Conv2d(3, 4, 3))
"""

STUDY = """
batch = 8
[models.one]
source = "nets.py:net"
size = 12
[models.two]
source = "nets.py:wide"
size = 12
[images.photographs]
source = "folder:photographs"
[ask.similarity]
measure = "cka"
a = "one:**"
b = "two:**"
"""

WITHIN = '[ask.within]\nmeasure = "cka"\nlayers = "one:*"\n'
BAR = re.compile(r"(it|images)/s\]|/it\]|\d+%\|")
IMAGES = ("--images", "folder:photographs", "--size", 12)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "study.toml").write_text(STUDY)
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    rng = np.random.default_rng(0)
    for i in range(20):
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(photographs / f"{i:03}.png")
    return tmp_path


@pytest.fixture
def seealike(monkeypatch, capfd):
    """Runs a command line: exit code, standard output, and the lines of standard error that are no bars."""

    def command(*words) -> tuple[int, str, list[str]]:
        monkeypatch.setattr(sys, "argv", ["seealike", *map(str, words)])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capfd.readouterr()
        lines = (line.strip() for line in err.replace("\r", "\n").splitlines())
        return int(exit.value.code or 0), out, [line for line in lines if line and not BAR.search(line)]

    return command


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_run_answers_a_study(folder, seealike):
    (folder / "study.toml").write_text(STUDY + WITHIN)
    code, out, err = seealike("run", "study.toml", "--out", "answers")
    assert (code, err) == (0, [])
    assert out == f"{Results('answers')!r}\nanswers/report.html\n"
    assert out.startswith("answers: 2 answers\n  similarity  cka  one, two  20 images  ")
    assert [name.rpartition("-")[0] or name for name in files(folder / "answers")] == [
        "report.html",
        "similarity",
        "within",
    ]
    assert Results("answers")["similarity"].attrs["dtype"] == "float32"
    assert Results("answers")["similarity"].attrs["command"] == "seealike run study.toml --out answers"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('measure = "cka"', 'measure = "cka"\nviw = "mean"', "study.toml: ask.similarity.viw: there is no such key."),
        ('"one:**"', '"one:@blok"', "one:@blok is no kind of layer. Closest: block."),
        ('"folder:photographs"', '"folder:photograph"', "folder:photograph: "),
        ("batch = 8", "batch = ", "study.toml is no TOML: "),
        ('"nets.py:net"', '"nets.py:nit"', "nets.py:nit: "),
    ],
)
def test_a_wrong_study_is_told_in_one_message_and_leaves_nothing(folder, seealike, old, new, says):
    (folder / "study.toml").write_text(STUDY.replace(old, new))
    before = files(folder)
    code, out, err = seealike("run", "study.toml", "--out", "answers")
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].startswith("seealike: ") and says in err[0]
    assert [name for name in files(folder) if name != "__pycache__"] == before


def test_a_study_that_is_not_there(seealike):
    code, _, err = seealike("run", "studdy.toml")
    assert (code, err) == (2, ["seealike: studdy.toml: no such file. Closest: study.toml."])


def test_an_error_on_the_way_keeps_earlier_answers(folder, seealike):
    Image.new("RGB", (16, 12), (9, 9, 9)).save(folder / "photographs" / "007.png")  # nothing to stretch: 0 / 0
    nan = '[models.nan]\nsource = "nets.py:stretch"\nsize = 12\n[ask.z]\nmeasure = "cka"\na = "nan:**"\nbatch = 10\n'
    (folder / "study.toml").write_text(STUDY + nan)
    code, out, err = seealike("run", "study.toml", "--out", "answers")
    assert (code, out, len(err)) == (1, "", 1)
    assert err[0].startswith("seealike: nan:0 holds NaN or infinity")
    assert list(Results("answers")) == ["similarity"]


def test_answers_cannot_be_put_into_a_file(seealike):
    code, _, err = seealike("run", "study.toml", "--out", "study.toml")
    assert code == 2
    assert "is a file" in " ".join(err)


def test_plan_tells_what_would_be_done_and_does_none_of_it(folder, seealike):
    code, out, err = seealike("plan", "study.toml", "--out", "answers")
    assert (code, err) == (0, [])
    lines = out.splitlines()
    assert lines[0] == "pass 1 of 1: 20 images of photographs in batches of 8"
    assert lines[1].startswith("  ask.similarity: cka, ") and lines[1].endswith(", to answer")
    assert lines[2].startswith("  2 models: one (as nets.py:net makes them, seed 0), two (")
    assert lines[3] == "  8 tensors, 1 statistics"
    assert lines[4].startswith("  memory: about 0.0 GB of ") and lines[4].endswith(" GB free")
    assert lines[5].startswith("  time: about ") and lines[5].endswith(" s, from 8 images")
    assert not (folder / "answers").exists()
    seealike("run", "study.toml", "--out", "answers")
    (folder / "study.toml").write_text(STUDY + WITHIN)
    _, out, _ = seealike("plan", "study.toml", "--out", "answers")
    assert [line.split(", ", 2)[2] for line in out.splitlines()[1:3]] == ["answered, on disk", "to answer"]
    assert "  4 tensors, 1 statistics" in out and "1 models: one" in out


def test_memory_is_written_with_its_unit(folder, seealike):
    code, _, error = seealike("plan", "study.toml", "--memory", "plenty")
    assert (code, error) == (
        2,
        ['seealike: memory = "plenty": write a number and a unit, such as 4GB or 500MB.'],
    )
    assert seealike("plan", "study.toml", "--memory", "1GB")[0] == 0


def test_plan_of_what_is_answered_costs_nothing(seealike):
    seealike("run", "study.toml", "--out", "answers")
    _, out, _ = seealike("plan", "study.toml", "--out", "answers")
    assert len(out.splitlines()) == 2


def test_compare_two_models(folder, seealike):
    code, out, err = seealike("compare", "nets.py:net", "nets.py:wide", *IMAGES, "--batch", 5)
    assert (code, err) == (0, [])
    assert out.startswith("out: 3 answers\n")
    assert out.endswith("out/report.html\n") and (folder / "out" / "report.html").is_file()
    results = Results("out")
    assert list(results) == ["similarity", "within-net", "within-wide"]
    assert [name for name in files(folder / "out") if name.endswith(".png")] == [f"{name}.png" for name in results]
    for name in results:
        with Image.open(folder / "out" / f"{name}.png") as picture:
            assert min(picture.size) > 300
    assert results["similarity"].layer_b.values.tolist() == [f"wide:{i}" for i in (0, 1, 2, 4)]
    np.testing.assert_allclose(np.diag(results["within-wide"].cka), 1)
    assert float(results["similarity"].cka.min()) < 0.99
    assert results["similarity"].attrs["batch"] == 5


def test_compare_a_model_with_itself_twice(seealike, folder):
    """The same answers at the second call, though all models are equal: none is taken for another."""
    command = ("compare", "nets.py:net", "nets.py:net", *IMAGES)
    code, out, _ = seealike(*command)
    assert code == 0
    answer = Results("out")["similarity"]
    assert answer.layer_a.values[0] == "net@0:0" and answer.layer_b.values[0] == "net@1:0"
    np.testing.assert_allclose(np.diag(answer.cka), 1)
    before = files(folder / "out")
    assert seealike(*command) == (0, out, [])
    assert files(folder / "out") == before
    assert list(Results("out")["within-net@1"].attrs["models"]) == ["net@1"]


def test_compare_as_asked(seealike):
    options = ("--layers", "1", "--view", "mean", "--take", 16, "--seed", 3)
    assert seealike("compare", "nets.py:net", "nets.py:wide", *IMAGES, *options)[0] == 0
    answer = Results("out")["similarity"]
    assert answer.layer_a.values.tolist() == ["net:1"]
    assert answer.attrs["question"]["view"] == "mean"
    assert (answer.attrs["images"]["count"], answer.attrs["batch"], answer.attrs["seed"]) == (16, 4, 3)
    assert answer.attrs["models"]["net"]["input"] == [3, 12, 12]


@contextmanager
def nothing_is_fetched(wanted, cfg, elsewhere):
    if wanted.pretrained:
        raise Unfetchable(f"the pretrained weights of {wanted.said}", "no network here")
    yield


def test_compare_says_when_it_falls_back_to_untrained_weights(seealike, monkeypatch):
    monkeypatch.setattr(of_timm, "_fetched", nothing_is_fetched)
    asked = ("--images", "folder:photographs", "--size", 32, "--layers", "@block", "--view", "mean")
    code, _, err = seealike("compare", "timm:test_vit", "timm:test_resnet", *asked)
    assert code == 0
    said = "untrained, seed 0: pretrained weights could not be fetched (no network here)"
    assert err == [f"note: test_vit: {said}", f"note: test_resnet: {said}"]
    assert Results("out")["similarity"].attrs["notes"] == [f"test_vit: {said}", f"test_resnet: {said}"]
    code, _, err = seealike("features", "timm:test_vit:head", "--images", "folder:photographs", "--out", "f.nc")
    assert code == 2
    assert err[0].startswith("seealike: the pretrained weights of timm:test_vit could not be fetched: no network here.")


def test_layers_lists_names_shapes_and_places(seealike):
    code, out, err = seealike("layers", "nets.py:net", "--size", 12)
    assert (code, err) == (0, [])
    rows = [line.split() for line in out.splitlines()]
    assert rows[0][:4] == ["0", "4x10x10", "100", "places"]
    assert rows[3][:4] == ["4", "5", "one", "place"]
    assert out.splitlines()[4].startswith("4 of 4 tensors; ")
    assert out.splitlines()[5] == "0 residuals, no attention"


def test_layers_of_a_kind(seealike, monkeypatch):
    monkeypatch.setattr(of_timm, "_fetched", nothing_is_fetched)
    code, out, _ = seealike("layers", "timm:test_vit", "@block", "--size", 32)
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:6]] == [f"blocks.{i}" for i in range(6)]
    assert lines[0].split()[1:7] == ["5x64", "4", "places", "+", "1", "tokens"]
    assert lines[6].startswith("6 of ") and "@block 6, @residual 12, @branch 12, @attention 6" in lines[6]
    assert lines[7] == "12 residuals, 6 token attentions"
    code, _, err = seealike("layers", "timm:test_vit", "@blok", "--size", 32)
    assert (code, len(err)) == (2, 1)
    assert "@blok is no kind of layer. Closest: block." in err[0]


def test_layers_of_a_model_without_an_input_size(seealike):
    code, _, err = seealike("layers", "nets.py:net")
    assert (code, err) == (2, ["seealike: nets.py:net brings no input size: give one, for example --size 224."])


def test_features_has_a_row_for_every_image(folder, seealike):
    out = folder / "new" / "f.nc"
    asked = ("--images", "folder:photographs", "--size", 12, "--view", "mean", "--batch", 8, "--out", out)
    code, said, err = seealike("features", "nets.py:net:**", *asked)
    assert (code, said, err) == (0, f"{out}: 20 images, 4 layers\n", [])
    with xr.open_dataset(out, engine="h5netcdf") as table:
        assert (
            list(table.data_vars) == ["0", "1", "2", "4"]
            and table["0"].shape == (20, 4)
            and table["4"].shape == (20, 5)
        )
        assert table.image.values.tolist() == [f"{i:03}.png" for i in range(20)]
        found = table["0"].sel(image="013.png").values
    scope: dict = {}
    exec(NETS, scope)
    torch.manual_seed(0)
    with Image.open(folder / "photographs" / "013.png") as image:
        pixels = torch.from_numpy(np.asarray(image)[:, 2:14].copy()).permute(2, 0, 1) / 255
    with torch.no_grad():
        expected = scope["net"]()[0](pixels[None]).mean((2, 3))[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_features_of_no_layer(seealike):
    code, _, err = seealike("features", "nets.py:net", "--images", "folder:photographs", "--out", "f.nc")
    assert code == 2
    assert err == ['seealike: "nets.py:net" names no layer: write MODEL:GLOB, for example "nets.py:net:**".']


def test_features_beside_what_is_recorded(folder, seealike):
    asked = ("--images", "scenes:20", "--size", 12, "--out", "f.nc")
    code, said, err = seealike("features", "nets.py:net:4", "images:label", "images:hue", *asked)
    assert (code, said, err) == (0, "f.nc: 20 images, 1 layers\n", [])
    with xr.open_dataset(folder / "f.nc", engine="h5netcdf") as table:
        assert list(table.data_vars) == ["4", "images:label", "images:hue"]
        assert table["images:label"].dtype == np.int64 and 0 <= float(table["images:hue"].min())
    code, _, err = seealike("features", "nets.py:net:4", "hue", *asked)
    assert (code, err) == (
        2,
        ['seealike: "hue": after the layers write what is recorded of the images, such as images:label.'],
    )


def test_draw_in_every_format(folder, seealike):
    seealike("run", "study.toml")
    for kind, begins in {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}.items():
        code, out, err = seealike("draw", "out", "--format", kind)
        assert (code, out, err) == (0, f"out/similarity.{kind}\n", [])
        assert (folder / "out" / f"similarity.{kind}").read_bytes().startswith(begins)
    plain = (folder / "out" / "similarity.png").read_bytes()
    seealike("draw", "out", "--error")
    assert (folder / "out" / "similarity.png").read_bytes() != plain
    assert seealike("draw", "out", "--format", "csv")[0] == 0
    with (folder / "out" / "similarity.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    answer = Results("out")["similarity"].cka.sel(layer_a="one:1", layer_b="two:4")
    value = next(row["cka"] for row in rows if (row["layer_a"], row["layer_b"]) == ("one:1", "two:4"))
    assert float(value) == pytest.approx(float(answer))


def test_draw_refuses_what_it_cannot_draw(folder, seealike):
    (folder / "empty").mkdir()
    code, _, err = seealike("draw", "empty")
    said = "seealike: empty holds no answers. `seealike run STUDY.toml --out empty` puts them there."
    assert (code, err) == (2, [said])
    code, _, err = seealike("draw", "nowhere")
    assert code == 2 and err[0].startswith("seealike: nowhere is not a folder.")
    seealike("run", "study.toml")
    before = files(folder / "out")
    code, _, err = seealike("draw", "out", "--format", "bmp")
    assert code == 2 and err[0].endswith("figures are not saved as bmp. There are: pdf, svg, png, csv.")
    assert files(folder / "out") == before


def test_an_unknown_verb(seealike):
    code, out, err = seealike("compute")
    assert (code, out) == (2, "") and "No such command 'compute'" in " ".join(err)


VERBS = {command.callback.__name__: command.callback for command in cli.app.registered_commands if command.callback}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb, seealike):
    assert f"Example: seealike {verb} " in (VERBS[verb].__doc__ or "")
    code, out, _ = seealike(verb, "--help")
    assert code == 0 and "Example:" in out


def test_the_help_names_every_verb(seealike):
    _, out, _ = seealike("--help")
    assert [verb for verb in VERBS if verb not in out] == [] and len(VERBS) == 10


SLASHED = """
from collections import OrderedDict

from torch import nn

def net():
    return nn.Sequential(OrderedDict({"a/b": nn.Conv2d(3, 4, 3)}))
"""


def test_features_of_a_layer_with_a_slash_in_its_name(folder, seealike):
    (folder / "slashed.py").write_text(SLASHED)
    code, _, err = seealike("features", "slashed.py:net:**", "--images", "scenes:8", "--size", 12, "--out", "f.nc")
    assert (code, err) == (0, [])
    with xr.open_dataset(folder / "f.nc", engine="h5netcdf") as table:
        assert table["a|b"].shape == (8, 4, 10, 10)
