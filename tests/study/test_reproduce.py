"""`seealike reproduce`: a paper's study on the user's images, its verdicts on the screen, in a file, in the report."""

import json
import sys

import pytest

from seealike import cli, zoo
from seealike.claims import PAPERS, of_paper
from seealike.claims.mahaut2026.ways import WAYS
from seealike.errors import StudyError
from seealike.measures import MEASURES
from seealike.measures.trajectory import Trajectory
from seealike.results import Results
from seealike.study.reproduction import reproduction
from seealike.study.toml import load_study, study
from seealike.training.recipes import RECIPES

STUDIES = {paper: sorted(cli.STUDIES.glob(f"{paper}-*.toml")) for paper in PAPERS}
NETS = """
from timm.models.vision_transformer import VisionTransformer
from torch import nn

def vit():
    return VisionTransformer(img_size=16, patch_size=4, embed_dim=12, depth=2, num_heads=3, num_classes=4)

def cnn():
    return nn.Sequential(*(nn.Sequential(nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1), nn.ReLU()) for i in range(3)))
"""
STUDY = """
title = "Tiny"
claims = ["raghu2021"]
batch = 8
[models.vit]
source = "FOLDER/nets.py:vit"
size = 16
tags = { family = "transformer", read_out = "cls" }
[models.cnn]
source = "FOLDER/nets.py:cnn"
size = 16
tags = { family = "CNN" }
[images.test]
source = "scenes:64"
split = "test"
size = 16
[images.train]
source = "scenes:32"
split = "train"
size = 16
[ask.across]
measure = "cka"
a = "vit:@block"
b = "cnn:*"
[ask.attention]
measure = "attention_distance"
model = "vit"
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A folder with a study of a paper, in the place of those of the package."""
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "raghu2021-tiny.toml").write_text(STUDY.replace("FOLDER", str(tmp_path)))
    monkeypatch.setattr(cli, "STUDIES", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def seealike(monkeypatch, capfd):
    def command(*words) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["seealike", *words])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capfd.readouterr()
        return int(exit.value.code or 0), out, err

    return command


def test_claims_are_decided_printed_and_written(tiny, seealike):
    code, out, _ = seealike("reproduce", "raghu2021", "--scale", "tiny", "--images", "scenes:24", "--out", "out")
    assert code == 0
    lines = out.splitlines()
    assert lines[-1] == "out/report.html" and lines[-2] == "out/claims.json"
    assert "out: 2 answers" in lines[0]
    rows = json.loads((tiny / "out/claims.json").read_text("utf8"))
    assert {row["key"] for row in rows} == {claim.key for claim in of_paper("raghu2021")}
    asked = {row["key"]: row for row in rows if row["verdict"] != "not asked"}
    assert {"raghu2021.local_heads", "raghu2021.lowest_quarter"} <= set(asked)
    local = asked["raghu2021.local_heads"]
    assert local["verdict"] == "undecided" and local["reason"].startswith("attention has no standard errors")
    assert [f"not asked  {row['key']}: {row['reason']}" for row in rows if row["verdict"] == "not asked"] == [
        line for line in lines if line.startswith("not asked")
    ]
    assert "Claims of Raghu et al. 2021" in (tiny / "out/report.html").read_text("utf8")
    answer = Results("out")["attention"]
    assert answer.attrs["claims"] == ["raghu2021"] and answer.attrs["images"]["source"] == "scenes:24"


def test_a_study_without_claims_is_answered_as_before(tiny, seealike):
    path = tiny / "raghu2021-tiny.toml"
    path.write_text(path.read_text().replace('claims = ["raghu2021"]', ""))
    code, out, _ = seealike("run", str(path), "--out", "plain")
    assert code == 0 and "not asked" not in out and not (tiny / "plain/claims.json").exists()
    assert Results("plain")["across"].attrs["claims"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("raghu",), '"raghu": there is no study of this paper. Closest: raghu2021.'),
        (("raghu2021", "--scale", "huge"), "--scale huge: raghu2021 has no study of this scale. There are: tiny."),
        (
            ("raghu2021", "--scale", "tiny", "--images", "tset=scenes:32"),
            '--images tset=scenes:32: the study has no images "tset". Closest: test.',
        ),
        (
            ("raghu2021", "--scale", "tiny", "--images", "folder:photographs"),
            "--images folder:photographs: test and train would be the same images. "
            "Name them apart: --images test=SOURCE --images train=SOURCE.",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(tiny, seealike, words, says):
    code, _, err = seealike("reproduce", *words)
    assert (code, err.strip()) == (2, f"seealike: {says}")
    assert not (tiny / "out").exists()


def test_images_take_the_place_of_the_study_s(tiny):
    found = reproduction(tiny, "raghu2021", "tiny", ("scenes:100",))[0].images
    assert [(i.source, i.split, i.size) for i in found.values()] == [("scenes:100", s, 16) for s in ("test", "train")]
    found = reproduction(tiny, "raghu2021", "tiny", ("test=parquet:a=b.parquet",))[0].images
    assert (found["test"].source, found["test"].options) == ("parquet:a=b.parquet", {})
    assert found["train"].source == "scenes:32"
    found = reproduction(cli.STUDIES, "raghu2021", "tiny", ("test=hub:me/mine", "train=folder:mine"))[0].images
    assert (found["test"].options, found["train"].options) == ({"split": "test"}, {})


def test_networks_that_were_not_trained_here_are_left_out_and_named(tiny, seealike):
    path = tiny / "raghu2021-tiny.toml"
    more = """
[models.gap]
source = "zoo:vit-of-nobody"
[models.late]
source = "zoo:vit-of-few"
[ask.within-gap]
measure = "cka"
layers = "gap:@block"
[ask.both]
measure = "cka"
layers = ["vit:@block", "gap:@block"]
"""
    path.write_text(path.read_text() + more)
    found, lacking = reproduction(tiny, "raghu2021", "tiny")
    assert lacking == ["vit-of-nobody", "vit-of-few"] and list(found.models) == ["vit", "cnn"]
    assert list(found.ask) == ["across", "attention", "both"] and found.ask["both"].measure.layers == ("vit:@block",)
    code, out, err = seealike("reproduce", "raghu2021", "--scale", "tiny", "--images", "scenes:24", "--out", "out")
    assert code == 0 and "out: 3 answers" in out
    assert (
        "note: not asked of what was not trained here: vit-of-nobody, vit-of-few. "
        'To train: make zoo NAME="vit-of-nobody vit-of-few"\n' in err
    )


def test_columns_of_the_study_s_images_are_not_looked_for_in_others(tiny):
    path = tiny / "raghu2021-tiny.toml"
    path.write_text(
        path.read_text().replace('split = "test"\nsize = 16', 'split = "test"\nimage_column = "img"\ntake = 8')
    )
    (tiny / "other.parquet").touch()
    found = reproduction(tiny, "raghu2021", "tiny", ("test=other.parquet",))[0].images["test"]
    assert (found.take, found.options) == (8, {})


def test_the_name_of_an_unknown_paper_in_a_study_is_refused():
    table = {
        "claims": ["raghu2012"],
        "models": {"vit": {"source": "zoo:vit"}},
        "images": {"test": {"source": "scenes:64"}},
        "ask": {"similarity": {"measure": "cka", "a": "vit:**"}},
    }
    with pytest.raises(StudyError) as error:
        study(table)
    assert (
        str(error.value)
        == 'claims: "raghu2012": there are no claims of this paper. Closest: raghu2021, mahaut2026, badger2022.'
    )


@pytest.mark.parametrize("path", STUDIES["raghu2021"], ids=lambda path: path.stem)
def test_a_study_of_the_paper_is_read_and_asks_of_everything(path):
    read = load_study(path)
    assert read.title and read.claims == ("raghu2021",) and list(read.images) == ["test", "train"]
    asked = {ask.measure.name for ask in read.ask.values()}
    assert asked >= {"cka", "attention_distance", "head_cka", "receptive_field", "skip_ratio", "localization", "probe"}
    assert asked <= set(MEASURES)
    families = {model.tags["family"] for model in read.models.values()}
    assert {"transformer", "CNN"} <= families and all("read_out" in model.tags for model in read.models.values())


@pytest.mark.parametrize("path", STUDIES["mahaut2026"], ids=lambda path: path.stem)
def test_a_study_of_steps_asks_with_every_distance_and_view_of_the_claims(path):
    read = load_study(path)
    assert read.title and read.claims == ("mahaut2026",) and read.crop == "shared"
    paths = [ask.measure for ask in read.ask.values() if isinstance(ask.measure, Trajectory)]
    assert [(one.distance, one.view) for one in paths] == [(way.distance, way.view) for way in WAYS]
    told = {ask.measure.name for ask in read.ask.values()} - {"trajectory"}
    assert told == {"image_statistics"}
    controls = {model.tags.get("control") for model in read.models.values()}
    assert controls - {"seed"} == {None, "crop", "untrained"} and all(
        "objective" in m.tags for m in read.models.values()
    )


def test_the_studies_name_models_that_there_are():
    import timm

    known = {f"timm:{name}" for name in timm.list_models(pretrained=True)}
    known |= {f"zoo:{name}" for name in (*zoo.names(), *RECIPES)}
    every = [path for paths in STUDIES.values() for path in paths]
    sources = {model.source for path in every for model in load_study(path).models.values()}
    scales = ("cifar10", "imagenet", "mini")
    assert [path.stem for path in every] == [f"{paper}-{scale}" for paper in PAPERS for scale in scales]
    assert sources <= known


@pytest.mark.parametrize("paper", PAPERS)
def test_the_small_study_needs_no_download(paper):
    read = load_study(cli.STUDIES / f"{paper}-mini.toml")
    shipped = {card.stem for card in zoo.FOLDER.glob("*.toml")}
    assert all(images.source.startswith(("scenes:", "noise:")) for images in read.images.values())
    assert all(model.source.removeprefix("zoo:") in shipped for model in read.models.values())
