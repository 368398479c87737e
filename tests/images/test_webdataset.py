"""Tars: the images they hold, in which order and under which ids, looked up or streamed; what is refused."""

import gc
import json
import pickle
import random
import tarfile
import tracemalloc
from contextlib import closing

import pytest
import torch
from small_images import NAMES, add, folder, key, picture, png, tar, tars

from seealike.errors import RunError, StudyError
from seealike.images.loading import load
from seealike.images.order import batches
from seealike.images.preprocessing import plain
from seealike.images.shards import shards, spelled
from seealike.images.sources import CorruptImage, Folder, Pictures, WebDataset, open_images
from seealike.images.webdataset import WebDatasetStream

COUNT = 200


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    folder(root / "folder", COUNT)
    tars(root / "tars", COUNT)
    return root


@pytest.fixture
def indexed(at):
    return lambda **options: open_images(f"webdataset:{at}/tars/part-{{000..002}}.tar", **options)


@pytest.fixture
def stream(at):
    return lambda **options: open_images(f"webdataset:{at}/tars", stream=True, **options)


# ---- which tars


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("a", ["a"]),
        ("{a,b}-{0..2}", ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2"]),
        ("{9..11}", ["9", "10", "11"]),
        ("{008..010}", ["008", "009", "010"]),
        ("{2..0}", ["2", "1", "0"]),
        ("{a}", ["{a}"]),
        ("{a,{b,c}}", ["a", "b", "a", "c"]),
    ],
)
def test_braces_are_spelled_out(pattern, meant):
    assert list(spelled(pattern)) == meant


def test_patterns_folders_and_braces_mean_the_same_tars(at):
    wanted = [at / f"tars/part-00{k}.tar" for k in range(3)]
    for pattern in ("part-{000..002}.tar", "part-*.tar", "", "{part-000,part-001,part-002,part-001}.tar"):
        assert list(shards(f"{at}/tars/{pattern}")) == wanted


def test_tars_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for part in ("a", "b"):
        tars(tmp_path / part / "data", 2, 1)
    images = WebDataset(tmp_path)
    assert [images.id(i) for i in (0, 2)] == [f"{part}/data/part-000.tar/{key(0, 2)}" for part in "ab"]


# ---- looked up


def test_the_images_of_a_folder_in_tars_are_those_of_the_folder(indexed, at):
    images, same = indexed(), Folder(at / "folder")
    assert len(images) == COUNT
    for index in (0, 66, 67, 133, 134, 199):
        assert images.id(index).split("/", 1)[1] + ".png" == same.id(index)
        assert images.label(index) == same.label(index)
        assert images.read(index).tobytes() == same.read(index).tobytes() == picture(index).tobytes()
    assert images.id(67).startswith("part-001.tar/") or images.id(67).startswith("part-000.tar/")
    assert images.classes == ("0", "1", "2") and images.labelled
    assert images.text.startswith("webdataset:")


def test_labels_and_factors_from_json(indexed):
    images = indexed(label_column="kind", factor_columns=("hue", "coarse"))
    assert images.classes == NAMES and [images.label(i) for i in (0, 100, 199)] == [0, 1, 2]
    assert images.factors == ("hue", "coarse") and images.factor(7, "hue") == 0.7 and images.factor(7, "coarse") == 1
    assert indexed(label_column="coarse").label(3) == 1
    assert not indexed(label_column=None).labelled


def test_texts_in_cls_are_numbered_in_order(tmp_path):
    images = WebDataset(
        tar(tmp_path / "a.tar", a__png=png(0), a__cls=b"dog\n", b__cls=b"cat", b__png=png(1), c__png=png(2))
    )
    assert (images.classes, [images.label(i) for i in range(3)]) == (("cat", "dog"), [1, 0, None])


def test_a_sample_s_files_may_lie_apart_when_looked_up(tmp_path):
    images = WebDataset(tar(tmp_path / "a.tar", a__png=png(0), b__png=png(1), a__cls=b"4", b__cls=b"-1", readme=b"x"))
    assert [images.label(i) for i in range(2)] == [4, None]


def test_hidden_files_and_folders_in_names_are_as_tar_writes_them(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as opened:
        for name in ("./cat.d/7.png", "./cat.d/._7.png", ".hidden.png"):
            add(opened, name, png(0))
    images = WebDataset(tmp_path / "a.tar")
    assert [images.id(i) for i in range(len(images))] == ["a.tar/cat.d/7"]


def test_which_file_is_the_image(tmp_path):
    path = tar(tmp_path / "a.tar", a__png=png(0), a__seg_png=png(1), b__PNG=png(2)).rename(tmp_path / "b.tar")
    assert len(WebDataset(path)) == 2
    both = tar(tmp_path / "c.tar", a__png=png(0), a__jpg=png(1))
    assert WebDataset(both, image_column="jpg").read(0).tobytes() == picture(1).tobytes()


def test_tars_are_read_in_any_process(indexed):
    images = pickle.loads(pickle.dumps(indexed()))
    plan = batches(random.Random(0).sample(range(COUNT), 20), 8)
    alone, beside = (list(load(images, plan, {"a": plain(8)}, workers)) for workers in (0, 2))
    for one, other in zip(alone, beside, strict=True):
        assert one.ids == other.ids and one.indices == other.indices == tuple(plan[one.index])
        assert torch.equal(one.inputs["a"], other.inputs["a"])


def test_a_fingerprint_is_of_the_tars_and_what_is_read_of_them(tmp_path):
    tars(tmp_path / "tars", 6)
    first = WebDataset(tmp_path / "tars").fingerprint
    assert WebDataset(tmp_path / "tars").fingerprint == first
    others = {
        WebDataset(tmp_path / "tars", label_column="kind").fingerprint,
        WebDatasetStream(tmp_path / "tars").fingerprint,
    }
    tars(tmp_path / "tars", 7)
    assert len({first, WebDataset(tmp_path / "tars").fingerprint, *others}) == 4


def test_a_corrupt_image_is_only_that_image(tmp_path):
    images = WebDataset(tars(tmp_path / "tars", 6, broken=frozenset({2})))
    with pytest.raises(CorruptImage, match=r"'part-001.tar/.*00002' cannot be read: not in an image format"):
        images.read(2)
    notes = WebDataset(
        tar(tmp_path / "a.tar", a__png=png(0), a__json=b'{"k": 1}', b__png=png(0), b__json=b"{"), label_column="k"
    )
    with pytest.raises(CorruptImage, match=r"'a.tar/b' cannot be read: its .json: "):
        notes.item(1)
    images = WebDataset(tmp_path / "tars")
    (tmp_path / "tars/part-002.tar").unlink()
    with pytest.raises(CorruptImage, match="No such file"):
        images.read(5)


# ---- streamed


def streamed(pictures, batch=16, workers=0, **options):
    return list(pictures.load(batch, {"a": plain(8), "b": plain(8)}, workers, **options))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_gives_what_the_index_gives_in_the_order_given(stream, indexed, workers):
    images = indexed(factor_columns=("hue",))
    expected = list(load(images, batches(range(COUNT), 16), {"a": plain(8)}))
    found = streamed(stream(factor_columns=("hue",)), 16, workers)
    for one, other in zip(found, expected, strict=True):
        assert (one.index, one.ids, one.indices) == (other.index, other.ids, other.indices)
        assert torch.equal(one.inputs["a"], other.inputs["a"]) and one.inputs["a"] is one.inputs["b"]
        assert torch.equal(one.labels, other.labels)
        assert one.factors["hue"].tolist() == [images.factor(i, "hue") for i in one.indices]


def test_a_stream_can_be_walked_again_and_its_first_be_taken(stream):
    pictures = stream(take=40)
    assert isinstance(pictures, Pictures) and pictures.labelled and pictures.factors == ()
    once, again = streamed(pictures), streamed(pictures)
    assert [len(b) for b in once] == [16, 16, 8]
    assert all(a.ids == b.ids and torch.equal(a.inputs["a"], b.inputs["a"]) for a, b in zip(once, again, strict=True))
    assert pictures.first().tobytes() == picture(0).tobytes()


def test_compressed_tars_are_streamed(tmp_path, stream):
    packed = open_images(f"webdataset:{tars(tmp_path, COUNT, suffix='.tar.gz')}", stream=True)
    for one, other in zip(streamed(packed), streamed(stream()), strict=True):
        assert torch.equal(one.inputs["a"], other.inputs["a"]) and torch.equal(one.labels, other.labels)


def test_texts_are_no_labels_of_a_stream(stream):
    assert not stream(label_column="kind").labelled
    assert streamed(stream(label_column="kind"))[0].labels is None


def test_a_corrupt_image_leaves_its_batch_smaller_and_is_named(tmp_path):
    pictures = WebDatasetStream(tars(tmp_path, COUNT, broken=frozenset({0, 20})))
    assert pictures.first().tobytes() == picture(1).tobytes()
    found = streamed(pictures)
    assert [len(b) for b in found] == [15, 15, *[16] * 10, 8]
    assert [f.id.split("/", 1)[1] for b in found for f in b.failed] == [key(0, COUNT), key(20, COUNT)]
    assert found[1].indices == (16, 17, 18, 19, *range(21, 32))
    assert torch.equal(found[1].inputs["a"][4], plain(8).transform(picture(21)))


def test_too_many_corrupt_images_stop_a_stream(tmp_path):
    pictures = WebDatasetStream(tars(tmp_path, COUNT, broken=frozenset({5, 6, 7})))
    with pytest.raises(RunError, match=r"3 of 200 images \(1.5%\) cannot be read, more than the 1% .*00005: not in an"):
        streamed(pictures)
    with pytest.raises(RunError, match=r"1 of 6 images"):
        streamed(WebDatasetStream(tmp_path, take=6), batch=6)
    assert len(streamed(pictures, tolerance=0.02)) == 13


def test_a_broken_json_is_a_corrupt_image_of_a_stream(tmp_path):
    path = tar(tmp_path / "a.tar", a__png=png(0), a__json=b"{}", b__png=png(1), b__json=b"[")
    (batch,) = streamed(WebDatasetStream(path), tolerance=0.5)
    assert batch.ids == ("a.tar/a",) and batch.failed[0].reason.startswith("its .json: ")


def test_a_stream_holds_no_more_for_more_tars(tmp_path):
    """Ten times the images, the same memory: neither headers nor pictures are kept."""
    peaks = []
    for count in (100, 1000):
        path = tmp_path / f"{count}.tar"
        with tarfile.open(path, "w") as opened:
            for index in range(count):
                add(opened, f"{index}.png", png(0))
        pictures = WebDatasetStream(path)
        gc.collect()
        tracemalloc.start()
        assert sum(1 for _ in pictures.arrivals()) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_a_stream_left_early_closes_its_tar(stream):
    with closing(stream().load(4, {"a": plain(8)})) as loading:
        next(loading)
    gc.collect()  # an open file would warn, and warnings are errors


# ---- refusals


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])
    return path


UNREADABLE = r"part-000\.tar cannot be read as a tar: "


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p / "non*.tar", r"webdataset:.*: no file matches this pattern\."),
        (lambda p: p / "part-{000..003}.tar", r"There is no 'part-003.tar' in .*\. Closest: part-00"),
        (lambda p: "https://example.org/{0..9}.tar", r"tars are read from a disk: fetch them first, or stream a data"),
        (lambda p: p / "empty", r"there is no \.tar file below this folder"),
        (lambda p: tar(p / "no.tar", a__txt=b"x"), r"there is no image in (1 tars|it)\."),
        (lambda p: tar(p / "two.tar", a__png=b"", a__jpg=b""), r"'a' holds 2 images \(png, jpg\): .* = \"png\""),
        (lambda p: cut(p / "part-000.tar", 3000), UNREADABLE + r"unexpected end of data\.$"),
        (lambda p: cut(p / "part-000.tar", 3172), UNREADABLE + r"truncated header\.$"),
        (lambda p: cut(p / "part-000.tar", 3072), UNREADABLE + r"it stops before its end\.$"),
        (lambda p: cut(p / "part-000.tar", 0), UNREADABLE),
        (lambda p: p / "packed.tar.gz", r"packed.tar.gz cannot be read as a tar: "),
    ],
)
@pytest.mark.parametrize("kind", [WebDataset, WebDatasetStream])
def test_what_is_refused_before_anything_runs(tmp_path, make, words, kind):
    tars(tmp_path, 6)
    (tmp_path / "empty").mkdir()
    (tmp_path / "packed.tar.gz").write_bytes(b"\x1f\x8bno more")
    with pytest.raises(StudyError, match=words):
        kind(make(tmp_path))


def test_compressed_tars_are_not_looked_up(tmp_path):
    with pytest.raises(
        StudyError, match=r"part-000.tar.gz cannot .* stream = true reads tars .*, compressed ones too\.$"
    ):
        WebDataset(tars(tmp_path, 6, suffix=".tar.gz"))


@pytest.mark.parametrize("how", [{}, {"stream": True}])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"label_column": "knd"},
            r"label_column = 'knd': no such entry in the \.json of the first sample\. Closest: kind",
        ),
        ({"factor_columns": ("huee",)}, r"factor_columns = 'huee': no such entry .* Closest: hue\."),
        ({"image_column": "jpg"}, r"there is no image in"),
        ({"split": "train"}, r"webdataset: takes no 'split'"),
    ],
)
def test_options_that_are_wrong(at, options, words, how):
    with pytest.raises(StudyError, match=words):
        open_images(f"webdataset:{at}/tars", **options, **how)


def test_a_stream_that_breaks_off_or_ends_too_soon(tmp_path):
    tars(tmp_path, 60)
    pictures = WebDatasetStream(tmp_path)
    cut(tmp_path / "part-001.tar", 9000)
    with pytest.raises(RunError, match=r"webdataset:.*, streamed: part-001.tar cannot be read as a tar: "):
        streamed(pictures)
    with pytest.raises(RunError, match=r"take = 61: only 60 images came\. Leave `take` out"):
        streamed(WebDatasetStream(tars(tmp_path, 60), take=61))
    with pytest.raises(StudyError, match="batch = 0"):
        streamed(WebDatasetStream(tmp_path), batch=0)


def test_a_plain_path_to_a_tar(at):
    assert isinstance(open_images(f"{at}/tars/part-000.tar"), WebDataset)
    assert json.dumps(open_images(at / "tars" / "part-000.tar").id(0))
