"""Pictures, tars and tables that are broken or made to harm: each costs one image or is refused in words."""

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hostile import CHANGED, TEXTS, VALUES, cases, changed, refused
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from small_images import add, picture, png, tar

from seealike.errors import SeealikeError, StudyError
from seealike.images.decode import LONGEST, decode, decode_cell, formats
from seealike.images.indexed import CorruptImage
from seealike.images.loading import load
from seealike.images.preprocessing import plain
from seealike.images.sources import Images, open_images

PLAIN = {"net": plain(8)}


def file(format: str, image: Image.Image | None = None, **how) -> bytes:
    written = io.BytesIO()
    (image or picture(1)).save(written, format, **how)
    return written.getvalue()


PICTURES = [
    file("png"),
    file("png", picture(2).convert("P"), transparency=3),
    file("jpeg", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    file("jpeg", picture(1).convert("CMYK"), progressive=True),
    file("webp"),
    file("tiff", compression="tiff_lzw"),
    file("tiff", Image.fromarray(np.arange(120, dtype=np.uint16).reshape(10, 12))),
    file("gif", save_all=True, append_images=[picture(2)]),
    file("bmp"),
    file("ppm"),
    file("ico"),
    file("tga"),
]


@cases(0.13, 60)
@given(st.sampled_from(PICTURES), CHANGED)
def test_changed_pictures(content, changes):
    with refused():
        shown = decode(changed(content, changes), "x")
        assert shown.mode == "RGB" and max(shown.size) <= LONGEST * min(shown.size)


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1)])
def test_a_strip_is_refused_before_it_is_enlarged(size):
    """A kilobyte that a network's preprocessing would make gigabytes of: the shorter side becomes 224."""
    content = file("png", Image.new("L", size))
    assert len(content) < 1000
    with pytest.raises(CorruptImage, match="one side is more than 100 times the other"):
        decode(content, "x")


def test_no_other_program_is_started():
    """PIL reads PostScript by Ghostscript, whatever a file is called."""
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n"
    assert Image.open(io.BytesIO(content)).format == "EPS" and "EPS" not in formats()
    with refused(), pytest.raises(CorruptImage, match="not in an image format"):
        decode(content, "picture.png")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(png(i))
    folder = open_images(f"folder:{tmp_path}")
    assert isinstance(folder, Images) and len(folder) == 5
    with pytest.raises(CorruptImage, match="no file that can be read to its end"):
        folder.read(4)
    with pytest.raises(CorruptImage, match="no file that can be read to its end"):
        decode_cell({"bytes": None, "path": str(tmp_path / "a.png")}, "x")


def test_folders_that_lie_in_each_other_are_walked_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(png(1))
        for link, to in (("up", tmp_path), ("itself", tmp_path / name)):
            (tmp_path / name / link).symlink_to(to)
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    folder = open_images(f"folder:{tmp_path}")
    assert isinstance(folder, Images)
    assert [folder.id(i) for i in range(len(folder))] == ["a/1.png", "b/1.png", "linked/1.png"]


def test_names_of_bytes_that_are_no_text(tmp_path):
    """Old archives and other systems write them; ids go into answers, and those are text."""
    (tmp_path / "caf\udce9").mkdir()
    for i in range(4):
        (tmp_path / "caf\udce9" / f"\udcff{i}.png").write_bytes(png(i))
    folder = open_images(f"folder:{tmp_path}")
    assert isinstance(folder, Images) and folder.fingerprint and folder.classes == ("caf\\udce9",)
    assert folder.id(1) == "caf\\udce9/\\udcff1.png" and folder.item(1)[0].size == picture(1).size
    path = tmp_path / "a.tar"
    path.write_bytes(written(member("\udcff.png", png(0))))
    assert walked(path) == ["a.tar/\\udcff"] * 2


# ---- tars


def written(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as opened:
        for member, content in members:
            opened.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def member(name: str, content: bytes = b"", **more) -> tuple[tarfile.TarInfo, bytes]:
    found = tarfile.TarInfo(name)
    found.size = len(content)
    for key, value in more.items():
        setattr(found, key, value)
    return found, content


def walked(path: Path, **options) -> list[str]:
    """Every image of a tar, looked up and streamed; the ids that were seen."""
    seen: list[str] = []
    for stream in (False, True):
        with refused():
            images = open_images(f"webdataset:{path}", stream=stream, **options)
            if isinstance(images, Images):
                assert len(images.classes) >= 0 and images.fingerprint
                batches = load(images, [range(len(images))], PLAIN, tolerance=1.0)
            else:
                batches = images.load(64, PLAIN, tolerance=1.0)
            for batch in batches:
                seen += batch.ids
            if isinstance(images, Images):
                [images.factor(i, name) for name in images.factors for i in range(len(images))]
    return seen


SAMPLES = [(f"{i}.{ending}", content) for i in range(3) for ending, content in (("png", png(i)), ("cls", b"1"))]
TAR = written(*(member(*one) for one in SAMPLES), member("3.json", b'{"hue": 1}'))


@cases(0.06, 10)
@given(CHANGED)
def test_changed_tars(tmp_path_factory, changes):
    path = tmp_path_factory.getbasetemp() / "changed.tar"
    path.write_bytes(changed(TAR, changes))
    walked(path)


HEADERS = st.tuples(
    st.sampled_from(["0.png", "0.cls", "../../0.png", "/etc/0.png", "0.json", "a/../0.png", "-1.png"]) | TEXTS,
    st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, b"S", b"x"]),
    st.sampled_from(["", "/etc/passwd", "../0.png", "a\nb"]),
    st.dictionaries(
        st.sampled_from(["size", "path", "linkpath", "GNU.sparse.map", "GNU.sparse.size", "GNU.sparse.major", "mtime"]),
        st.sampled_from(["-512", "-1", "0", "10", "99999999999999", "x", "1,2", "../x", "1" * 5000]),
        max_size=2,
    ),
)


@cases(0.05, 10)
@given(st.lists(st.tuples(HEADERS, st.sampled_from([png(0), b"7", b"{}", b""])), min_size=1, max_size=4))
def test_headers_of_tars(tmp_path_factory, parts):
    path = tmp_path_factory.getbasetemp() / "headers.tar"
    try:
        members = [
            member(name, content, type=kind, linkname=link, pax_headers=more)
            for (name, kind, link, more), content in parts
        ]
        path.write_bytes(written(*members))
    except (ValueError, UnicodeError):
        return  # not even Python writes this
    walked(path)


LABELS = st.one_of(
    st.integers(0, 12).map(lambda i: str(i).encode()),
    st.binary(max_size=6),
    st.sampled_from([b"1000000000000", b"9" * 30, b"9" * 5000, b"-1", "٣".encode(), b"cat", b"\xff\xfe", b"", b" 3\n"]),
)
NOTES = st.one_of(
    VALUES.map(lambda value: json.dumps({"label": value, "hue": value}).encode()),
    st.sampled_from([b"{", b"[" * 100_000, b'{"hue": 1e999, "label": 99999999999999999999}', b"[]", b"null", b"\xff"]),
    st.just(b'{"hue": ' + b"9" * 5000 + b"}"),
)


@cases(0.05, 10)
@given(st.lists(st.tuples(LABELS | st.none(), NOTES | st.none()), min_size=1, max_size=4), st.booleans())
@example([(b"1000000000000", None)], False)
@example([(b"cat", None), (b"1", None)], False)
@example([(None, b"[" * 100_000)], True)
def test_labels_and_notes_beside_images(tmp_path_factory, samples, asked):
    path = tmp_path_factory.getbasetemp() / "labels.tar"
    parts = []
    for i, (cls, notes) in enumerate(samples):
        files = {"png": png(i), "cls": cls, "json": notes}
        parts += [member(f"{i}.{ending}", content) for ending, content in files.items() if content is not None]
    path.write_bytes(written(*parts))
    walked(path, **({"label_column": "label", "factor_columns": ("hue",)} if asked else {}))


def test_nothing_is_unpacked_whatever_names_say(tmp_path):
    path = tmp_path / "in" / "a.tar"
    path.parent.mkdir()
    names = ("../../up.png", "/abs.png", "ok.png")
    parts = [member(name, png(i)) for i, name in enumerate(names)]
    parts += [member("link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), member("d.png", type=tarfile.CHRTYPE)]
    parts += [member("hard.png", type=tarfile.LNKTYPE, linkname="ok.png"), member("p.png", type=tarfile.FIFOTYPE)]
    path.write_bytes(written(*parts))
    with refused():
        images = open_images(f"webdataset:{path}")
        assert isinstance(images, Images)
        assert [images.id(i) for i in range(len(images))] == [f"a.tar/{name[:-4]}" for name in names]
        assert [images.read(i).size for i in range(3)] == [picture(0).size] * 3
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.tar", "in"]


def test_a_tar_whose_reader_would_go_back_for_ever(tmp_path):
    whole = bytearray(written(member("0.png", png(0)), member("1.png", png(1))))
    whole[124:136] = b"\xff" * 10 + b"\xfe\x00"  # a size of minus 512, as base 256 writes it
    header = bytearray(whole[:512])
    header[148:156] = b" " * 8
    whole[148:156] = b"%06o\0 " % sum(header)
    for path, content in (
        ("base.tar", bytes(whole)),
        ("pax.tar", written(member("0.png", pax_headers={"size": "-1024"}))),
    ):
        (tmp_path / path).write_bytes(content)
        for stream in (False, True):
            with pytest.raises(
                StudyError, match=r"cannot be read as a tar: a header says that its file holds -\d+ bytes"
            ):
                open_images(f"webdataset:{tmp_path / path}", stream=stream)


def test_a_tar_whose_reader_would_go_on_for_ever(tmp_path):
    """Streamed, ten kilobytes at a time of a file that says it has a hundred terabytes, and ends at once."""
    (tmp_path / "a.tar").write_bytes(written(member("x", pax_headers={"size": "99999999999999"})))
    for stream in (False, True):
        with pytest.raises(StudyError, match=r"a header says that its file holds 99999999999999 bytes"):
            open_images(f"webdataset:{tmp_path / 'a.tar'}", stream=stream)


def test_a_tar_that_says_that_an_image_is_huge(tmp_path):
    """Compressed, two gigabytes of zeros are a few megabytes: they are not read."""
    (tmp_path / "a.tar").write_bytes(written(member("0.png", png(0)))[:1024] + huge("1.png", 2**31))
    with pytest.raises(SeealikeError, match=r"1\.png holds 2147483648 bytes, which no image does"):
        list(open_images(f"webdataset:{tmp_path / 'a.tar'}", stream=True).load(4, PLAIN))  # type: ignore[union-attr]
    with pytest.raises(StudyError, match="holds 2147483648 bytes"):
        open_images(f"webdataset:{tmp_path / 'a.tar'}")


def huge(name: str, size: int) -> bytes:
    header = tarfile.TarInfo(name)
    header.size = size
    return header.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024


def test_a_sparse_tar_is_refused(tmp_path):
    name = member(
        "0.png", b"\0" * 512, pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"}
    )
    (tmp_path / "a.tar").write_bytes(written((name[0], b"1\n0\n9\n".ljust(512, b"\0"))))
    with pytest.raises(StudyError, match="write the tar again without --sparse"):
        open_images(f"webdataset:{tmp_path / 'a.tar'}")


def test_numbers_that_are_no_classes(tmp_path):
    images = open_images(f"webdataset:{tar(tmp_path / 'a.tar', a__png=png(0), a__cls=b'1000000000000')}")
    with pytest.raises(StudyError, match="a label is 1000000000000: labels are the numbers of classes"):
        _ = images.classes  # type: ignore[union-attr]


def test_numbers_and_texts_are_no_labels_together(tmp_path):
    path = tar(tmp_path / "a.tar", a__png=png(0), a__cls=b"1", b__png=png(1), b__cls=b"cat")
    with pytest.raises(StudyError, match=r"of some samples are numbers \(1\), of others texts \('cat'\)"):
        _ = open_images(f"webdataset:{path}").classes  # type: ignore[union-attr]


def test_a_broken_json_costs_its_image_alone(tmp_path):
    good = b'{"hue": 1, "kind": "a"}'
    for broken in (b"{", b"[" * 100_000):
        path = tar(tmp_path / "a.tar", a__png=png(0), a__json=broken, b__png=png(1), b__json=good)
        images = open_images(f"webdataset:{path}", label_column="kind", factor_columns=("hue",))
        assert isinstance(images, Images) and images.classes == ("a",) and images.labelled
        (batch,) = load(images, [[0, 1]], PLAIN, tolerance=1.0)
        assert batch.ids == ("a.tar/b",) and "its .json" in batch.failed[0].reason
        streamed = open_images(f"webdataset:{path}", label_column="kind", factor_columns=("hue",), stream=True)
        (batch,) = streamed.load(4, PLAIN, tolerance=1.0)  # type: ignore[union-attr]
        assert batch.ids == ("a.tar/b",)


# ---- tables


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    import datasets

    path = tmp_path_factory.mktemp("table") / "a.parquet"
    rows = [{"bytes": png(i), "path": f"../{i}.png"} for i in range(4)]
    datasets.Dataset.from_dict({"image": rows, "label": [0, 1, 2, 1], "hue": [0.0, 1.0, 2.0, 3.0]}).to_parquet(path)
    return path.read_bytes()


@cases(0.01, 2)
@given(changes=CHANGED)
def test_changed_tables(tmp_path_factory, table, changes):
    place = tmp_path_factory.getbasetemp()
    (place / "changed.parquet").write_bytes(changed(table, changes))
    with refused(place):
        images = open_images(f"parquet:{place / 'changed.parquet'}", cache=place / "cache", factor_columns=("hue",))
        assert isinstance(images, Images) and len(images.classes) >= 0
        for i in range(min(len(images), 8)):
            try:
                images.item(i)
            except CorruptImage:
                continue


def test_samples_that_add_up(tmp_path):
    """What the other tests change is a tar that is whole."""
    path = tmp_path / "a.tar"
    path.write_bytes(TAR)
    assert walked(path) == ["a.tar/0", "a.tar/1", "a.tar/2"] * 2
    with tarfile.open(tmp_path / "b.tar", "w") as opened:
        add(opened, "0.png", png(0))
    assert walked(tmp_path / "b.tar") == ["b.tar/0"] * 2
