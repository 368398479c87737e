"""The store: what is written is read back, and what cannot be read says what to do."""

import os

import numpy as np
import pytest
import xarray as xr

from seealike.errors import RunError, StudyError
from seealike.results import NoAnswer, Results, write

ATTRS = {
    "measure": "cka",
    "ask": "similarity",
    "models": {"vit": {"source": "timm:vit_tiny", "pretrained": True, "checkpoint": None}, "resnet": {}},
    "images": {"count": 2048, "digest": "ab12"},
    "notes": ["fewer than 4 groups", "é"],
    "batch": 256,
    "seed": 1 << 80,
    "share": 0.5,
    "flag": True,
    "nothing": None,
    "empty": "",
    "looks_like_json": "[1, 2]",
    "peak": np.float32(2.0),
    "sizes": np.array([1, 2]),
}


def answer(**attrs) -> xr.Dataset:
    rng = np.random.default_rng(0)
    values = rng.random((2, 3))
    values[0, 1] = np.nan
    return xr.Dataset(
        {
            "cka": (("layer_a", "layer_b"), values, {"units": "1", "range": [0, 1]}),
            "cka_se": (("layer_a", "layer_b"), rng.random((2, 3))),
            "seconds": ("layer_a", np.array([3, 4]), {"units": "seconds"}),
            "verdict": ("layer_b", np.array(["kept", "é", ""])),
            "sound": ("layer_b", np.array([True, False, True])),
        },
        coords={
            "layer_a": ["vit:blocks.0", "vit:b"],
            "layer_b": ["r:a", "r:b", "r:c"],
            "depth_a": ("layer_a", [0, 1.0]),
        },
        attrs=ATTRS | attrs,
    )


def test_what_is_written_is_read_back(tmp_path):
    given = answer()
    path = write(tmp_path, "similarity", "3f9a", given)
    assert path == tmp_path / "similarity-3f9a.nc"
    read = Results(tmp_path)["similarity"]
    xr.testing.assert_equal(read, given)
    assert {name: a.dtype for name, a in read.variables.items()} == {
        name: a.dtype for name, a in given.variables.items()
    }
    assert read.attrs.pop("created").endswith("+00:00")
    assert read.attrs == ATTRS | {"peak": 2.0, "sizes": [1, 2]}
    assert read.attrs["flag"] is True and type(read.attrs["batch"]) is int
    assert read.cka.attrs == {"units": "1", "range": [0, 1]}


def test_the_given_answer_is_left_as_it_is(tmp_path):
    given = answer()
    write(tmp_path, "similarity", "3f9a", given)
    assert given.attrs == ATTRS and given.cka.attrs == {"units": "1", "range": [0, 1]}


def test_only_the_answer_is_left_in_the_folder_and_it_can_be_replaced(tmp_path):
    for value in (0.25, 0.5):
        write(tmp_path / "new", "similarity", "3f9a", xr.Dataset({"cka": value}))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["similarity-3f9a.nc"]
    assert float(Results(tmp_path / "new")["similarity"].cka) == 0.5


def test_a_failed_write_keeps_the_answer_before_it(tmp_path):
    write(tmp_path, "similarity", "3f9a", xr.Dataset({"cka": 0.25}))
    with pytest.raises(TypeError, match="an attribute may hold text, numbers, lists and dicts, not object"):
        write(tmp_path, "similarity", "3f9a", xr.Dataset({"cka": 0.5}, attrs={"model": [object()]}))
    assert [path.name for path in tmp_path.iterdir()] == ["similarity-3f9a.nc"]
    assert float(Results(tmp_path)["similarity"].cka) == 0.25


def test_large_variables_are_compressed(tmp_path):
    path = write(tmp_path, "maps", "0", xr.Dataset({"map": (("y", "x"), np.zeros((500, 500)))}))
    assert path.stat().st_size < 100_000


def test_long_attributes_fit(tmp_path):
    write(tmp_path, "a", "0", xr.Dataset(attrs={"notes": ["x" * 200_000], "text": "y" * 200_000}))
    read = Results(tmp_path)["a"]
    assert len(read.attrs["notes"][0]) == len(read.attrs["text"]) == 200_000


def test_it_is_a_mapping_of_asks(tmp_path):
    results = Results(tmp_path)
    assert len(results) == 0 and repr(results) == f"{tmp_path}: 0 answers"
    write(tmp_path, "zeta", "0", answer())
    write(tmp_path, "with-hyphen", "0", answer())
    (tmp_path / "report.html").touch()
    assert list(results) == ["with-hyphen", "zeta"] and len(results) == 2
    assert "zeta" in results and "eta" not in results and results.get("eta") is None
    assert results.with_digest("0", "another") in tmp_path.glob("*-0.nc")
    assert results.with_digest("0", "zeta") == tmp_path / "zeta-0.nc" and results.with_digest("1") is None


def test_the_newest_answer_counts(tmp_path):
    for digest, created, cka in (("a", "2026-02-01", 2.0), ("b", "2026-03-01", 3.0), ("c", "2026-01-01", 1.0)):
        write(tmp_path, "similarity", digest, xr.Dataset({"cka": cka}, attrs={"created": f"{created}T00:00:00+00:00"}))
    assert list(Results(tmp_path)) == ["similarity"]
    assert float(Results(tmp_path)["similarity"].cka) == 3.0


def test_a_file_without_date_counts_by_its_own_time(tmp_path):
    write(tmp_path, "similarity", "a", xr.Dataset({"cka": 1.0}, attrs={"created": "2026-02-01T00:00:00+00:00"}))
    old = tmp_path / "similarity-b.nc"
    xr.Dataset({"cka": 2.0}).to_netcdf(old, engine="h5netcdf")
    os.utime(old, (0, 0))
    assert float(Results(tmp_path)["similarity"].cka) == 1.0


def test_the_listing_is_one_line_an_ask(tmp_path):
    write(tmp_path, "similarity", "3f9a", answer(created="2026-05-06T10:00:00+00:00"))
    write(tmp_path, "bare", "1", xr.Dataset({"x": 1.0}, attrs={"created": "2026-05-07T10:00:00+00:00"}))
    head, bare, similarity = repr(Results(tmp_path)).splitlines()
    assert head == f"{tmp_path}: 2 answers"
    assert bare.split() == ["bare", "?", "2026-05-07", "x"]
    assert similarity == (
        "  similarity  cka  vit, resnet  2048 images  2026-05-06"
        "  cka (layer_a 2, layer_b 3); seconds (layer_a 2); verdict, sound (layer_b 3)"
    )


def test_the_listing_of_many_networks_stays_narrow(tmp_path):
    """A standard error is told where what it belongs to is not; of 21 networks three are named."""
    models = {f"vit-s{seed}": {} for seed in range(21)}
    many = xr.Dataset({"accuracy": ("model", np.zeros(21)), "lone_se": 1.0}, attrs={"models": models})
    write(tmp_path, "accuracy", "0", many)
    _, line = repr(Results(tmp_path)).splitlines()
    assert line.startswith("  accuracy  ?  vit-s0, vit-s1, vit-s2 and 18 more  ")
    assert line.endswith("  accuracy (model 21); lone_se")


@pytest.mark.parametrize("kept", [0, 10, 4000, -100])
def test_a_broken_file_is_named_and_the_others_are_not_lost(tmp_path, kept):
    write(tmp_path, "good", "0", answer())
    broken = write(tmp_path, "bad", "1", answer())
    broken.write_bytes(broken.read_bytes()[:kept])
    results = Results(tmp_path)
    with pytest.raises(RunError, match=r"bad-1\.nc cannot be read \(.+\)\. Delete it and run the study again\.$"):
        results["bad"]
    assert list(results) == ["bad", "good"] and results["good"].cka.shape == (2, 3)
    assert "  bad   cannot be read: delete bad-1.nc and run the study again\n  good  cka" in repr(results)


def test_unknown_ask(tmp_path):
    write(tmp_path, "similarity", "0", answer())
    with pytest.raises(NoAnswer) as caught:
        Results(tmp_path)["similarty"]
    assert str(caught.value) == f"{tmp_path} holds no answer to 'similarty'. Closest: similarity."
    assert isinstance(caught.value, KeyError) and caught.value.exit_code == 2


def test_missing_folder(tmp_path):
    with pytest.raises(StudyError) as caught:
        Results(tmp_path / "none")
    where = "Answers are where `seealike run STUDY.toml --out DIR` put them."
    assert str(caught.value) == f"{tmp_path / 'none'} is not a folder. {where}"


def test_an_ask_that_cannot_name_a_file(tmp_path):
    with pytest.raises(StudyError, match=r"ask 'a/b' cannot name a file\. Call it something without slashes\.$"):
        write(tmp_path, "a/b", "0", answer())


def test_readings_without_groups_are_kept_in_the_same_file(tmp_path):
    left_out = xr.Dataset(
        {"cka": (("group", "layer_a", "layer_b"), np.ones((5, 2, 3)))}, {"images": ("group", range(5))}
    )
    write(tmp_path, "similarity", "ab12", answer(), left_out)
    write(tmp_path, "other", "ab13", answer())
    results = Results(tmp_path)
    xr.testing.assert_identical(results.left_out("similarity"), left_out)
    assert results.left_out("other") is None
    assert "group" not in results["similarity"].dims and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(NoAnswer, match="no answer to 'nothing'"):
        results.left_out("nothing")
