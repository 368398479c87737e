"""What the README tells to type is run as it stands there, block by block; models are made small."""

import re
import shlex
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import timm
from PIL import Image

from seealike import __version__, cli
from seealike.models.listing import parted
from seealike.models.sources import of_timm
from seealike.results import Results
from seealike.study.toml import load_study
from seealike.surgery import parse
from seealike.training import load_recipe

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)

# What the README names, and what is made in its place: untrained, of the same family.
SMALLER = {
    "vit_small_patch16_224": {"model_name": "test_vit", "depth": 2, "img_size": 64},
    "resnet50": {"model_name": "test_resnet", "layers": (1, 1, 1, 1)},
    "vit_tiny_patch16_224": {"model_name": "test_vit"},
}
IMAGES = 12
PART = "part.toml"  # not a study in whole
FILES = ("study.toml", "own.toml", PART, "recipe.toml")
QUICKER = {"scenes:50000": "scenes:400", "scenes:5000": "scenes:40", "epochs = 20": "epochs = 1"}
# in the place of what `reproduce` asks
PAPER = """
claims = ["raghu2021"]
batch = 8
[models.vit]
source = "zoo:vit"
[images.test]
source = "scenes:16"
[ask.attention]
measure = "attention_distance"
model = "vit"
"""


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


def commands() -> list[list[str]]:
    return [shlex.split(line) for text in blocks("sh") for line in text.splitlines()]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "photographs").mkdir()
    rng = np.random.default_rng(0)
    for i in range(IMAGES):
        pixels = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photographs" / f"{i:03}.png")
    for name, text in zip(FILES, blocks("toml"), strict=True):
        assert f"`{name}`" in README or name == PART
        quicker = text
        for large, small in QUICKER.items():
            quicker = quicker.replace(large, small)
        (tmp_path / name).write_text(quicker)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "studies").mkdir()
    demo = (
        (cli.STUDIES / "demo.toml").read_text().replace("scenes:1024", "scenes:64").replace("batch = 64", "batch = 16")
    )
    (tmp_path / "studies" / "demo.toml").write_text(demo)
    (tmp_path / "studies" / "raghu2021-mini.toml").write_text(PAPER)
    monkeypatch.setattr(cli, "STUDIES", tmp_path / "studies")
    create = timm.create_model
    monkeypatch.setattr(of_timm, "_fetched", lambda *_: nullcontext())
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained, **options: create(**SMALLER[name], **options))
    return tmp_path


def typed(words: list[str], monkeypatch) -> None:
    if words[0] != "seealike":
        return
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert not exit.value.code, words


def test_everything_in_the_readme_works(folder, monkeypatch, capfd):
    for kind, text in BLOCKS:
        if kind == "sh":
            for line in text.splitlines():
                typed(shlex.split(line), monkeypatch)
        elif kind == "python" and text.startswith("# net.py\n"):
            (folder / "net.py").write_text(text)
        elif kind == "python":
            exec(compile(text, "README.md", "exec"), {"__name__": "README"})
    sys.modules.pop("net", None)
    assert list(Results("out")) == ["similarity", "within-resnet50", "within-vit_small_patch16_224"]
    assert sorted(p.name for p in Path("answers").glob("*.pdf")) == ["distance.pdf", "similarity.pdf", "within-vit.pdf"]
    assert sorted(p.name for p in Path("answers").glob("*.csv")) == ["distance.csv", "similarity.csv", "within-vit.csv"]
    assert Results("own")["within"].attrs["models"]["mine"]["weights"].startswith("net.pt")
    assert Path("trained/recipe.safetensors").is_file() and Path("trained/recipe.toml").is_file()
    assert Path("features.nc").is_file() and Path("demo/report.html").is_file() and len(Results("demo")) == 6
    printed = capfd.readouterr().out
    assert "pass 1 of 1: 12 images of photographs" in printed and "answers: 3 answers" in printed


def test_readme_studies_are_read(folder):
    assert list(load_study("study.toml").ask) == ["similarity", "within-vit", "distance"]
    assert list(load_study("own.toml").models) == ["mine"]
    edits = tomllib.loads(Path(PART).read_text())["models"]["vit-without"]["edit"]
    assert [str(parse(edit)) for edit in edits] == edits
    assert load_recipe("recipe.toml").train.fraction == 0.1


def test_the_set_up_commands_are_there():
    others = [words for words in commands() if words[0] != "seealike"]
    assert others == [["make", "demo"], ["make", "test"], ["pip", "install", "."], ["pip", "install", ".[train]"]]
    assert all(re.search(rf"^{verb}: ", (ROOT / "Makefile").read_text(), re.MULTILINE) for verb in ("demo", "test"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["seealike"] == "seealike.cli:main"
    assert project["version"] == __version__ and project["requires-python"] == ">=3.11"
    assert "Python 3.11 or newer" in README


def test_the_readme_shows_every_verb():
    shown = {words[1] for words in commands() if words[0] == "seealike"}
    assert shown == {command.callback.__name__ for command in cli.app.registered_commands if command.callback}


def test_the_readme_s_selection_names_a_layer():
    (words,) = (words for words in commands() if words[1] == "features")
    assert parted(words[2]) == ("timm:resnet50", "global_pool")


def test_files_the_readme_names_are_there():
    named = re.findall(r"\]\((?!http)([^)]+)\)", README) + re.findall(r"`(tests/[\w./]+)`", README)
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert "tests/test_wrong_answers.py" in named and "docs/report.png" in named


def test_the_module_is_the_command():
    said = subprocess.run([sys.executable, "-m", "seealike", "--help"], capture_output=True, text=True, check=True)
    assert "Usage:" in said.stdout and "compare" in said.stdout


def test_changes_begin_with_this_version():
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGES.md").read_text("utf8"), re.MULTILINE)
    assert headings[0].startswith(__version__)
