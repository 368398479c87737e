"""Studies, recipes, patterns and edits that nobody would write: each is read or refused in words."""

import os
import re
import tomllib
from pathlib import Path

import pytest
import torch
from hostile import CHANGED, TEXTS, VALUES, cases, changed, refused
from hypothesis import assume, example, given
from hypothesis import strategies as st

import seealike
from seealike.errors import StudyError
from seealike.images.sources import open_images
from seealike.models.globs import glob
from seealike.models.graph import Graph
from seealike.plan.passes import ImageSet
from seealike.selection import Models
from seealike.study.several import of_each
from seealike.study.toml import load_study, study
from seealike.surgery import edited, parse
from seealike.training import load_recipe
from seealike.training.toml import recipe, text

STUDIES = sorted((Path(seealike.__file__).parent / "studies").glob("*.toml"))
STUDY = """
title = "a study"
batch = 8
seed = 3
crop = "shared"
claims = ["raghu2021"]
[models.vit]
source = "zoo:vit"
options = { depth = 2 }
tags = { family = "transformer" }
edit = ["without_skip(blocks.3)"]
[models.net]
source = "net.py:net"
checkpoint = ["a.pt", "b.pt"]
size = [32, 32]
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
[images.some]
source = "scenes:64"
take = 32
order = "given"
within = { hue = [0.0, 0.5] }
[images.table]
source = "parquet:t.parquet"
factor_columns = ["a"]
[ask.similarity]
measure = "cka"
a = "vit:**"
b = "net@0:@block"
view = "4x4"
[ask.far]
measure = "attention_distance"
model = "v*"
images = "table"
batch = 4
"""
RECIPE = """
seed = 1
[model]
source = "zoo:vit"
[images.train]
source = "scenes:64"
fraction = 0.5
labels = "random"
[images.test]
source = "scenes:64"
split = "test"
[training]
epochs = 2
augment = ["shift", "mirror"]
"""
WRITTEN = [STUDY, RECIPE, *(path.read_text("utf8") for path in STUDIES)]


@cases(0.1, 15)
@given(st.sampled_from(WRITTEN), CHANGED)
def test_bytes_of_a_study_or_a_recipe(tmp_path_factory, written, changes):
    path = tmp_path_factory.getbasetemp() / "changed.toml"
    path.write_bytes(changed(written.encode(), changes))
    for load in (load_study, load_recipe):
        with refused():
            load(path)


def places(table, before=()):
    """Every key of a table of tables."""
    for key, value in table.items():
        yield (*before, key)
        if isinstance(value, dict):
            yield from places(value, (*before, key))


def put(table, place, value):
    """A copy of a table with another value in one place; None takes the place out."""
    copy = dict(table)
    key, *rest = place
    if rest:
        copy[key] = put(copy[key], rest, value)
    elif value is None:
        del copy[key]
    else:
        copy[key] = value
    return copy


TABLE, ONE = tomllib.loads(STUDY), tomllib.loads(RECIPE)


@cases(0.1, 25)
@given(st.sampled_from(list(places(TABLE))), st.none() | VALUES, st.none() | TEXTS)
def test_values_of_a_study(place, value, name):
    table = put(TABLE, place, value)
    if name is not None and value is not None:
        table = put(table, (*place[:-1], name), value)
    with refused():
        study(table)


@cases(0.05, 15)
@given(st.sampled_from(list(places(ONE))), st.none() | VALUES)
def test_values_of_a_recipe(place, value):
    with refused():
        read = recipe(put(ONE, place, value))
        assert recipe(tomllib.loads(text(read))) is not None, "what was read can be written and read again"


@pytest.mark.parametrize("deep", ["a = " + "[" * 5000, "a = " + "{a=" * 5000, "a = " + "9" * 5000, "\ud800"])
def test_what_breaks_the_reader_of_toml_is_no_toml(tmp_path, deep):
    (tmp_path / "deep.toml").write_bytes(deep.encode("utf8", "surrogatepass"))
    with pytest.raises(StudyError, match=r"deep\.toml is no TOML"):
        load_study(tmp_path / "deep.toml")


@pytest.mark.parametrize("path", ["a" * 300, "a\0b", "study.toml/inside", "."])
def test_paths_that_no_study_has(tmp_path, path):
    (tmp_path / "study.toml").write_text(STUDY)
    with pytest.raises(StudyError):
        load_study(tmp_path / path)


@pytest.mark.parametrize("measure", [["cka"], 5, {"a": 1}, True])
def test_a_measure_is_a_text(measure):
    with pytest.raises(StudyError, match=r"ask\.similarity\.measure = .*: input should be a valid string"):
        study(put(TABLE, ("ask", "similarity", "measure"), measure))


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "/etc/passwd", "a\0b", "x" * 300, "é" * 100])
def test_an_ask_that_cannot_name_a_file_is_refused_before_anything_runs(name):
    table = put(TABLE, ("ask", name), TABLE["ask"]["similarity"])
    with pytest.raises(StudyError, match=re.escape(f"ask {name!r} cannot name a file")):
        study(table)


# ---- sources of images, as a study writes them

KEYS = ("source", "take", "split", "config", "size", "classes", "within", "stream", "image_column", "label_column")
SCHEMES = ("", "folder:", "parquet:", "webdataset:", "hub:./", "scenes:", "noise:", "x.py:")


@cases(0.04, 12)
@given(
    st.sampled_from(SCHEMES), TEXTS | st.integers(-1, 10**12).map(str), st.dictionaries(st.sampled_from(KEYS), VALUES)
)
@example("noise:", "9" * 5000, {})
@example("noise:", "999999999999", {})
@example("webdataset:", "{0..5}{a,b}.tar", {})
def test_sources_of_images(tmp_path_factory, scheme, rest, options):
    nowhere = tmp_path_factory.getbasetemp() / "nowhere"
    assume(not str(nowhere).startswith(os.path.normpath(f"{nowhere}/{rest}")))  # all of a machine is no hostile case
    with refused():
        table = put(TABLE, ("images", "some"), {"source": scheme + rest} | options)
        read = study(table).images["some"]
        source = read.source if scheme in ("scenes:", "noise:") else f"{scheme}{nowhere}/{rest}"
        made = open_images(source, **read.options)
        ImageSet.of("some", made, min(read.take or 4, 1000), 0, read.order)
        made.read(0)


# ---- patterns and edits


@pytest.fixture(scope="module")
def graph():
    block = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True, dropout=0.0)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Conv2d(3, 8, 4, 4)
            self.blocks = torch.nn.Sequential(block)
            self.head = torch.nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.blocks(self.embed(x).flatten(2).mT).mean(1))

    return Graph.of(Net().eval(), (3, 8, 8), "net")


NAMES = ("blocks", "blocks.0", "embed", "head", "net", "images", "block", "residual", "norm1", "self_attn", "0", "qkv")
PIECES = st.sampled_from(
    (*NAMES, "*", "**", ".", ":", "@", "[", "]", "?", "!", "(", ")", ",", "'", "\\", "^", "$", "a")
)
PATTERNS = st.lists(PIECES, max_size=12).map("".join) | TEXTS


@cases(0.08, 12)
@given(PATTERNS)
@example("*" * 5000)
@example("**a" * 500)
def test_patterns(graph, pattern):
    models = Models({"net": graph, "other.net": graph})
    for ask in (
        lambda: models.select(pattern),
        lambda: models.select(f"net:{pattern}"),
        lambda: models.residuals("net", (pattern,)),
        lambda: models.attentions("net", (pattern,)),
        lambda: models.models(pattern),
        lambda: of_each("ask", {"model": pattern}, ["net", "other"]),
    ):
        with refused():
            ask()


@cases(0.05, 8)
@given(st.sampled_from(("without_skip", "without_heads", "without_norm", "", "with")), PATTERNS, PATTERNS)
def test_edits(graph, verb, pattern, rest):
    for written in (f"{verb}({pattern})", f"{verb}({pattern}, {rest})", f"{verb}({rest}, 0)", pattern):
        with refused():
            edited(graph, [parse(written)])


def as_a_regular_expression(pattern: str) -> re.Pattern:
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.compile("".join({"**": "(?s:.*)", "*": r"[^.]*"}.get(p, re.escape(p)) for p in parts))


@cases(0.04, 60)
@given(st.text("ab.*", max_size=8), st.text("ab.", max_size=8))
def test_a_glob_means_what_a_regular_expression_would(pattern, name):
    assert glob(pattern)(name) == bool(as_a_regular_expression(pattern).fullmatch(name))


def test_no_glob_takes_forever():
    name = "a" * 200
    assert not glob("**a" * 40 + "b")(name) and not glob("*" * 401 + "b")(name)
    assert glob("**a" * 40)(name)
