"""Answers that are damaged, or say of themselves what no study says: each is shown, or named as what cannot be read."""

import json
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hostile import CASES, TEXTS, VALUES, cases, count, refused
from hypothesis import example, given
from hypothesis import strategies as st
from reading_answers import spoiled

from seealike import report
from seealike.attributes import ENCODED
from seealike.cli import main
from seealike.errors import RunError, SeealikeError
from seealike.figures import draw
from seealike.results import Results, write

READER = Path(__file__).with_name("reading_answers.py")
HELD = {
    "measure": "cka",
    "ask": "similarity",
    "title": "a study",
    "models": {"vit": {"source": "zoo:vit", "parameters": 5, "tags": {"family": "t"}, "input": [3, 8, 8]}},
    "images": {"name": "test", "count": 64, "source": "scenes:64", "unreadable_images": ["a: b"]},
    "question": {"a": "vit:**", "b": "", "view": "flatten"},
    "notes": ["a note"],
    "claims": ["raghu2021"],
    "batch": 8,
    "citation": "Raghu et al. 2021",
    "command": "seealike run",
    "created": "2026-05-06T10:00:00+00:00",
}


def answer(**attrs) -> xr.Dataset:
    pair, values = ("layer_a", "layer_b"), np.linspace(0, 1, 6).reshape(2, 3)
    coords = {"layer_a": ["vit:a", "vit:b"], "layer_b": ["net:a", "net:b", "net:c"]}
    return xr.Dataset({"cka": (pair, values), "cka_se": (pair, values / 9)}, coords, HELD | attrs)


def looked_at(folder: Path) -> None:
    """Everything that a user can do with a folder of answers."""
    results = Results(folder)
    repr(results)
    report.write(folder)
    for name in results:
        try:
            found = results[name]
            results.left_out(name)
            draw(found)
        except SeealikeError as error:
            assert str(error)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Pages without Plotly's four megabytes, which are the same on all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["seealike.report.page"], "_plotly", str)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    write(folder, "ask", "0", answer())
    looked_at(folder)  # what is loaded for the first time asks the machine about itself
    return folder


@cases(0.02, 3)
@given(st.dictionaries(st.sampled_from([*HELD, "reference", "attention", "units", "images_seen"]), VALUES, max_size=4))
def test_attributes_of_other_kinds(place, attrs):
    with refused(place):
        try:
            write(place, "ask", "0", answer(**attrs))
        except (ValueError, TypeError):
            return  # what HDF5 cannot hold: a zero in a text
        looked_at(place)


@cases(0.02, 3)
@given(st.sampled_from(["models", "images", "question", "notes", "versions"]), st.recursive(VALUES, st.lists), TEXTS)
def test_attributes_within_attributes(place, key, value, name):
    held = HELD.get(key, {})
    inner = [*held, value] if isinstance(held, list) else held | {name: value, next(iter(held), "x"): value}
    test_attributes_of_other_kinds.hypothesis.inner_test(place, {key: inner})


@cases(0.015, 3)
@given(
    st.sampled_from(["[", "5", "{}", '["nothing"]', "[5]", "\ud800", "[" * 5000, "", "null"]),
    st.sampled_from(list(HELD)),
    TEXTS,
)
def test_json_that_is_none(place, listed, key, text):
    """Files written by others: attributes that say they are JSON, and are not."""
    with refused(place):
        try:
            path = place / "ask-0.nc"
            answer().assign_attrs({k: json.dumps(v) for k, v in HELD.items()} | {ENCODED: listed, key: text}).to_netcdf(
                path, engine="h5netcdf"
            )
        except (ValueError, UnicodeError):
            return
        looked_at(place)


NAMES = st.sampled_from(["cka", "cka_se", "x", "layer", "image", "inversion", "m_i", "depth", "i_r"]) | TEXTS
ARRAYS = st.tuples(
    st.sampled_from([np.float32, np.int64, bool, np.uint8, str, complex]),
    st.lists(
        st.sampled_from(["layer", "layer_a", "layer_b", "head", "y", "x", "image", "token", "<b>"]),
        unique=True,
        max_size=4,
    ),
)


@cases(0.02, 3)
@given(
    st.dictionaries(NAMES, ARRAYS, max_size=4),
    st.integers(0, 3),
    st.sampled_from(["cka", "drift", "inversion", "probe", "x"]),
)
def test_variables_that_no_measure_gives(place, arrays, size, measure):
    found = xr.Dataset(attrs=HELD | {"measure": measure})
    with refused(place):
        try:
            for name, (kind, dims) in arrays.items():
                found[name] = (dims, np.resize(np.array([0, 1, 2]).astype(kind), [size + len(d) % 2 for d in dims]))
            write(place, "ask", "0", found)
        except (ValueError, TypeError, OSError, KeyError, AttributeError, RunError):
            return  # what cannot be written
        looked_at(place)


def test_an_answer_that_cannot_be_shown_is_named_and_the_others_are_shown(tmp_path):
    write(tmp_path, "good", "0", answer())
    odd = xr.Dataset({"original": (("image", "x"), np.ones((2, 2)))}, attrs=HELD | {"measure": "inversion"})
    for name in ("reconstruction", "m_g", "m_i", "verdict"):
        odd[name] = ("image", np.ones(2))
    path = write(tmp_path, "odd", "1", odd)
    page = report.write(tmp_path).read_text("utf8")
    assert f"{path} cannot be shown (" in page and "how alike all 2 layers of vit" in page


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    left_out = xr.Dataset(
        {"cka": (("group", "layer_a", "layer_b"), np.ones((4, 2, 3)))}, {"images": ("group", [8] * 4)}
    )
    write(folder, "similarity", "0", answer(), left_out)
    layers = [f"vit:{i}" for i in range(100)]
    large = xr.Dataset({"cka": (("layer_a", "layer_b"), np.random.default_rng(0).random((100, 100)))}, attrs=HELD)
    write(folder, "large", "1", large.assign_coords(layer_a=layers, layer_b=layers))
    return folder


@pytest.mark.long
def test_bytes_that_were_changed_are_read_in_a_process_that_may_end(whole):
    """HDF5 has loops that some changed bytes never let end; the seal shows the change before it sees them."""
    many = round(0.04 * CASES) or 40
    for first in range(0, many, 1000):
        done = subprocess.run(
            [sys.executable, READER, whole, str(first), str(min(1000, many - first))],
            capture_output=True,
            text=True,
            check=False,
        )
        count(min(1000, many - first))
        said = done.stdout.splitlines()
        came = signal.strsignal(-done.returncode) if done.returncode < 0 else done.stderr[-500:]
        assert done.returncode == 0, f"case {said[-1] if said else '?'}: {came}"
        assert [line for line in said if line.startswith("case ")] == []


def test_every_changed_byte_is_noticed(whole, tmp_path):
    content = (whole / "similarity-0.nc").read_bytes()
    for number in range(40):
        other = spoiled(content, random.Random(number))
        if other == content or len(other) < len(content):
            continue
        (tmp_path / "similarity-0.nc").write_bytes(other)
        with pytest.raises(RunError, match="it is damaged: its bytes are not those that were written"):
            Results(tmp_path)["similarity"]


def test_an_answer_without_a_seal_is_read(tmp_path):
    answer().drop_attrs().to_netcdf(tmp_path / "old-0.nc", engine="h5netcdf")
    assert Results(tmp_path)["old"].cka.shape == (2, 3)


def test_other_readers_of_netcdf_do_not_mind_the_seal(tmp_path):
    path = write(tmp_path, "ask", "0", answer())
    with xr.open_dataset(path, engine="h5netcdf") as found:
        assert found.cka.values.tolist() == answer().cka.values.tolist()


def test_a_file_that_says_it_is_larger_than_all_memory(tmp_path):
    import h5py

    with h5py.File(tmp_path / "huge-0.nc", "w") as file:
        file.create_dataset("x", (1 << 20, 1 << 24), "f8", chunks=(1, 1024), fillvalue=1.0)
    assert (tmp_path / "huge-0.nc").stat().st_size < 10_000
    with pytest.raises(RunError, match=r"it says that it holds 140737 GB, and \d+ GB are free"):
        Results(tmp_path)["huge"]
    assert "cannot be read: delete huge-0.nc" in repr(Results(tmp_path))


@cases(0.005, 2)
@given(TEXTS)
@example("<script>alert(1)</script>")
@example("a\u2028b</script><!--<script>")
@example("'\"><img src=x onerror=alert(1)>")
def test_names_are_text_wherever_they_stand(place, name):
    shown = answer(
        title=name,
        notes=[name],
        command=name,
        citation=name,
        models={name or "m": {"source": name, "weights": name, "tags": {name: name}, "edits": [name]}},
        images={"name": name, "source": name, "count": 5, "unreadable_images": [name]},
        question={"a": name, name or "b": name},
    )
    layers = [f"vit:{name}{i}" for i in range(3)]
    try:
        write(place, "ask", "0", shown.assign_coords(layer_b=layers).rename(cka=name or "cka"))
    except (ValueError, TypeError, OSError, KeyError, RunError):
        return
    page = report.write(place).read_text("utf8")
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == page.count("<script") == page.count("</script>") and "<img src=x" not in page
    assert not any("\u2028" in script for script in scripts)


@pytest.mark.parametrize("name", ["a b", "<b>", "é", "a'b", "..a-b", "x\u2028y"])
def test_names_of_files_on_the_page(tmp_path, name):
    (tmp_path / f"{name}-0.nc").write_bytes(b"nothing")
    with refused(tmp_path):
        assert "<b>-0" not in report.write(tmp_path).read_text("utf8")


def test_a_folder_of_broken_answers_by_the_command_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "a-0.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 200)
    for verb, code in (("report", 0), ("draw", 1)):
        monkeypatch.setattr(sys, "argv", ["seealike", verb, str(tmp_path)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert int(ended.value.code or 0) == code
    assert "a-0.nc cannot be read" in capsys.readouterr().err
