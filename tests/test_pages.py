"""The pages on measures are run as they stand: their Python, and their studies."""

import re
from pathlib import Path

import pytest

import seealike
from seealike.measures import MEASURES
from seealike.study.toml import load_study

DOCS = Path(__file__).parents[1] / "docs"
OTHERS = ("images", "families", "reliability")  # images has a test of its own, the others have nothing to run here
PAGES = [path for path in sorted(DOCS.glob("*.md")) if path.stem not in OTHERS]
SHORT = ("add_a_measure", "claims")  # run by `make test`: what others show, the tests of the measures hold


def each(pages):
    return [pytest.param(p, id=p.stem, marks=() if p.stem in SHORT else pytest.mark.long) for p in pages]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seealike.measures.MEASURES", dict(MEASURES))


@pytest.mark.parametrize("page", each(PAGES))
def test_the_python_of_a_page_runs(page):
    code = blocks(page, "python")
    assert code
    exec(compile("\n".join(code), str(page), "exec", dont_inherit=True), {"__name__": page.stem})


@pytest.mark.parametrize("page", each(page for page in PAGES if blocks(page, "toml")))
def test_the_study_of_a_page_is_answered(page):
    (text,) = blocks(page, "toml")
    Path("study.toml").write_text(text)
    study = load_study("study.toml")
    assert list(seealike.run(study, "out")) == sorted(study.ask)


def test_every_measure_has_a_page():
    assert set(MEASURES) <= {page.stem for page in PAGES}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_files_that_pages_name_are_there(page):
    named = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text("utf8"))
    assert [name for name in named if not (DOCS / name).exists()] == []
