"""Sources: which images, in which order, under which ids and labels, decoded how; what is refused in which words."""

import io
import logging
import os
import pickle
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from seealike.errors import StudyError
from seealike.images.decode import decode, rgb
from seealike.images.sources import CorruptImage, Dataset, Folder, Images, Parquet, Stream, Table, Tensors, open_images

DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared image sets are not beside the project")


def picture(seed, size=(8, 6)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def png(seed=0, size=(8, 6)):
    file = io.BytesIO()
    picture(seed, size).save(file, "png")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    for seed, name in enumerate(["dog/b.png", "cat/z.PNG", "cat/a.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(seed))
    (tmp_path / "cat/notes.txt").write_text("none")
    (tmp_path / "dog/._b.png").write_bytes(b"what a Mac leaves behind")
    return tmp_path


def table(path, rows, **more):
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"image": rows, **more}).to_parquet(path)
    return path


@pytest.fixture
def parquet(tmp_path):
    rows = [{"bytes": png(0), "path": "a.png"}, {"bytes": b"broken", "path": None}, {"bytes": None, "path": None}]
    return table(tmp_path / "images.parquet", rows, label=[1, 0, -1], word=["b", "a", None], weight=[0.5, 1.0, 2.0])


@pytest.fixture
def opened(parquet, tmp_path):
    return lambda **options: open_images(f"parquet:{parquet}", cache=tmp_path / "cache", **options)


# ---- decoding


def test_exif_orientation_is_applied():
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    picture(0).save(file, "png", exif=exif)
    upright = decode(file.getvalue(), "x")
    assert upright.size == (6, 8)
    assert upright.tobytes() == picture(0).transpose(Image.Transpose.ROTATE_270).tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV"])
def test_opaque_modes_become_rgb(mode):
    image = picture(1).convert(mode)
    assert rgb(image).mode == "RGB"
    assert rgb(image).tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize(("mode", "clear"), [("RGBA", (9, 9, 9, 0)), ("LA", (9, 0)), ("RGBa", (0, 0, 0, 0))])
def test_transparency_is_over_white(mode, clear):
    assert rgb(Image.new(mode, (2, 2), clear)).getpixel((0, 0)) == (255, 255, 255)


def test_half_transparency_is_half_white():
    assert rgb(Image.new("RGBA", (1, 1), (0, 100, 255, 128))).getpixel((0, 0)) == (127, 177, 255)


def test_transparent_palette_colour_is_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    image.info["transparency"] = 1
    assert [rgb(image).getpixel((x, 0)) for x in (0, 1)] == [(10, 20, 30), (255, 255, 255)]


@pytest.mark.parametrize("format", ["png", "tiff", "ppm"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(format):
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 257, 32896, 65535]], dtype=np.uint16)).save(file, format)
    image = decode(file.getvalue(), "x")
    assert [image.getpixel((x, 0)) for x in range(4)] == [(v, v, v) for v in (0, 1, 128, 255)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not in an image format that PIL knows"),
        (png(size=(64, 64))[:2000], "truncated"),
        (png()[:60] + b"\0" * 40 + png()[100:], "."),
    ],
)
def test_broken_bytes_are_one_corrupt_image(content, reason):
    with pytest.raises(CorruptImage, match=f"image 'cat/x.png' cannot be read: .*{reason}") as caught:
        decode(content, "cat/x.png")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.id, again.reason, str(again)) == ("cat/x.png", caught.value.reason, str(caught.value))


def test_decompression_bomb_is_a_corrupt_image(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(CorruptImage, match="exceeds limit"):
        decode(png(), "bomb")


def test_floating_point_pixels_are_a_corrupt_image():
    file = io.BytesIO()
    Image.new("F", (2, 2)).save(file, "tiff")
    with pytest.raises(CorruptImage, match="floating-point pixels have no agreed range"):
        decode(file.getvalue(), "x")


def test_broken_text_chunks_are_no_trouble():
    file, notes = io.BytesIO(), PngImagePlugin.PngInfo()
    notes.add_text("Comment", "caf\N{LATIN SMALL LETTER E WITH ACUTE}")
    picture(0).save(file, "png", pnginfo=notes)
    assert decode(file.getvalue(), "x").tobytes() == picture(0).tobytes()


# ---- folder


def test_folder(folder):
    images = open_images(f"folder:{folder}")
    assert [images.id(i) for i in range(len(images))] == ["cat/a.png", "cat/z.PNG", "dog/b.png"]
    assert [images.label(i) for i in range(3)] == [0, 0, 1]
    assert images.classes == ("cat", "dog")
    assert images.read(1).tobytes() == picture(1).tobytes()
    assert images.text == f"folder:{folder}"


def test_folder_with_an_image_outside_has_no_labels(folder):
    (folder / "free.png").write_bytes(png())
    images = Folder(folder)
    assert (len(images), images.label(0), images.classes) == (4, None, ())


def test_folder_through_links(folder, tmp_path_factory):
    linked = tmp_path_factory.mktemp("linked")
    (linked / "pets").symlink_to(folder / "cat")
    assert Folder(linked).id(0) == "pets/a.png"


def test_folder_fingerprint_is_what_is_in_it(folder):
    first = Folder(folder).fingerprint
    assert Folder(folder).fingerprint == first
    os.utime(folder / "cat/a.png", ns=(1, 1))
    touched = Folder(folder).fingerprint
    (folder / "cat/a.png").rename(folder / "cat/b.png")
    assert len({first, touched, Folder(folder).fingerprint}) == 3


def test_file_that_went_away(folder):
    images = Folder(folder)
    (folder / "cat/a.png").unlink()
    with pytest.raises(CorruptImage, match=r"'cat/a.png' cannot be read: the file is gone"):
        images.read(0)


# ---- parquet


def test_parquet(opened):
    images = opened()
    assert [images.id(i) for i in range(3)] == ["0:a.png", "1", "2"]
    assert [images.label(i) for i in range(3)] == [1, 0, None]
    assert images.classes == ("0", "1")
    assert images.read(0).tobytes() == picture(0).tobytes()


def test_parquet_corrupt_rows_are_only_those_rows(opened):
    for index, reason in [(1, "not in an image format"), (2, "there is no image in this row")]:
        with pytest.raises(CorruptImage, match=reason):
            opened().read(index)


def test_parquet_text_labels_are_numbered_in_order(opened):
    images = opened(label_column="word")
    assert (images.classes, [images.label(i) for i in range(3)]) == (("a", "b"), [1, 0, None])


def test_parquet_without_labels(opened, tmp_path):
    images = opened(label_column=None)
    assert (images.classes, images.label(0), images.item(0)[1]) == ((), None, None)
    bare = Parquet(table(tmp_path / "bare.parquet", [{"bytes": png(), "path": None}]), cache=tmp_path / "cache")
    assert (bare.classes, bare.label(0)) == ((), None)


def test_parquet_class_names_and_many_files(tmp_path):
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["ape", "bee"]))
    for part in (1, 0):
        rows = {"image": [{"bytes": png(part), "path": None}], "label": [part]}
        datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / f"part-{part}.parquet")
    for source in (tmp_path / "part-*.parquet", tmp_path):
        images = Parquet(source, cache=tmp_path / "cache")
        assert (images.classes, [images.label(i) for i in range(2)]) == (("ape", "bee"), [0, 1])
        assert images.read(1).tobytes() == picture(1).tobytes()


def test_parquet_fingerprint_is_files_columns_and_split(opened, parquet):
    known = [opened().fingerprint, opened(label_column="word").fingerprint, opened(split="train[:2]").fingerprint]
    assert opened().fingerprint == known[0]
    os.utime(parquet, ns=(1, 1))
    assert len({*known, opened().fingerprint}) == 4
    assert len(opened(split="train[:2]")) == 2


@pytest.mark.parametrize("bars", [True, False])
def test_parquet_is_quiet_and_leaves_the_users_settings(parquet, tmp_path, bars, capfd):
    (datasets.enable_progress_bars if bars else datasets.disable_progress_bars)()
    datasets.logging.set_verbosity(logging.INFO)
    try:
        Parquet(parquet, cache=tmp_path / "cache")
        assert datasets.are_progress_bars_disabled() is not bars
        assert datasets.logging.get_verbosity() == logging.INFO
        assert capfd.readouterr() == ("", "")
    finally:
        datasets.disable_progress_bars()
        datasets.logging.set_verbosity(logging.WARNING)


@needs_data
def test_parquet_of_photographs(tmp_path):
    images = Parquet(DATA / "imagenet-sample.parquet", cache=tmp_path)
    assert (len(images), images.id(0), images.label(0)) == (500, "0:n01440764_tench.JPEG", 0)
    assert all(min(images.read(index).size) == 256 for index in range(0, 500, 50))


# ---- tensors and datasets


def test_floating_point_tensors_are_taken_as_they_are():
    values = torch.randn(5, 4, 3, 2)
    images = open_images(values, labels=[0, 2, -1, 1, 1])
    assert (len(images), images.id(3), images.classes) == (5, "3", ("0", "1", "2"))
    assert [images.label(i) for i in range(3)] == [0, 2, None]
    assert torch.equal(images.read(2), values[2])


@pytest.mark.parametrize("channels", [1, 3])
def test_uint8_tensors_are_images(channels):
    values = torch.randint(256, (2, channels, 4, 5), dtype=torch.uint8)
    image = Tensors(values).read(1)
    assert image.size == (5, 4)
    assert torch.equal(torch.from_numpy(np.array(image)).permute(2, 0, 1), values[1].expand(3, -1, -1))


def test_tensor_fingerprint_is_values_shape_type_and_labels():
    values = torch.arange(48.0).reshape(2, 2, 3, 4)
    assert Tensors(values.clone()).fingerprint == Tensors(values).fingerprint
    assert Tensors(values.transpose(2, 3).contiguous().transpose(2, 3)).fingerprint == Tensors(values).fingerprint
    one_off = values.clone()
    one_off[1, 1, 2, 3] += 1
    others = [values.reshape(2, 2, 4, 3), values.bfloat16(), values.double(), one_off]
    known = {Tensors(each).fingerprint for each in (values, *others)} | {Tensors(values, [0, 1]).fingerprint}
    assert len(known) == 6


class Pets:
    """A user's dataset; `shift` stands for anything in its state, `broken` for a file that cannot be read."""

    classes = ("cat", "dog")

    def __init__(self, make, count=3):
        self.make, self.count = make, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.make(index)


def pair(index):
    return picture(index), index % 2


@pytest.mark.parametrize(
    ("make", "label"),
    [
        (picture, None),
        (pair, 1),
        (lambda i: (picture(i), torch.tensor(i)), 1),
        (lambda i: {"image": picture(i), "label": i}, 1),
        (lambda i: [picture(i), "cat"], None),
    ],
)
def test_dataset_items(make, label):
    images = open_images(Pets(make))
    assert (len(images), images.id(1), images.label(1), images.classes) == (3, "1", label, ("cat", "dog"))
    assert images.read(1).tobytes() == picture(1).tobytes()


def test_dataset_columns_by_name():
    images = open_images(Pets(lambda i: {"img": picture(i), "kind": i}), image_column="img", label_column="kind")
    assert (images.label(2), images.read(2).tobytes()) == (2, picture(2).tobytes())


def test_dataset_of_tensors():
    values = torch.randn(3, 2, 4, 4)
    images = open_images(torch.utils.data.TensorDataset(values, torch.tensor([4, 5, 6])))
    assert torch.equal(images.read(1), values[1]) and images.label(1) == 5
    assert open_images([picture(0), picture(1)]).read(1).tobytes() == picture(1).tobytes()


def test_dataset_file_errors_are_corrupt_images():
    def broken(index):
        raise OSError("image file is truncated")

    with pytest.raises(CorruptImage, match="image '2' cannot be read: image file is truncated"):
        Dataset(Pets(broken)).read(2)


def test_dataset_other_errors_are_the_users_to_see():
    with pytest.raises(ZeroDivisionError):
        Dataset(Pets(lambda index: index // 0)).read(2)


def test_dataset_fingerprint_is_content():
    def known(*made):
        return open_images(Pets(*made)).fingerprint

    assert known(pair) == known(pair)
    unpicklable = [lambda i: (*pair(i),), lambda i: pair(i + (i == 57)), lambda i: (picture(i), 0)]
    assert len({known(make, 100) for make in (*unpicklable, pair, picture)} | {known(pair, 99)}) == 6
    one, other = (torch.utils.data.TensorDataset(torch.arange(12.0).view(1, 3, 2, 2) + k) for k in (0, 1))
    assert open_images(one).fingerprint != open_images(other).fingerprint


def test_dataset_whose_code_changed(monkeypatch):
    first = Dataset(Pets(pair)).fingerprint
    monkeypatch.setattr(Pets, "__getitem__", lambda self, index: (picture(index + 1), 0))
    assert Dataset(Pets(pair)).fingerprint != first


def test_hugging_face_dataset():
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["ape", "bee"]))
    cells = [{"bytes": png(i), "path": f"{i}.png"} for i in range(3)] + [{"bytes": b"broken", "path": None}]
    whole = datasets.Dataset.from_dict({"image": cells, "label": [0, 1, 1, 0]}, features=features)
    images = open_images(whole.select([2, 3, 0]))
    assert [images.id(i) for i in range(3)] == ["0:2.png", "1", "2:0.png"]
    assert ([images.label(i) for i in range(3)], images.classes) == ([1, 0, 0], ("ape", "bee"))
    assert images.read(2).tobytes() == picture(0).tobytes()
    with pytest.raises(CorruptImage, match="not in an image format"):
        images.read(1)
    assert isinstance(images, Table) and images.fingerprint != open_images(whole).fingerprint


# ---- from what is written


def test_plain_paths(folder, parquet, monkeypatch):
    assert open_images(str(folder)).fingerprint == open_images(folder).fingerprint == Folder(folder).fingerprint
    monkeypatch.chdir(parquet.parent)
    assert isinstance(open_images("images.parquet", cache=parquet.parent / "cache"), Parquet)


def test_function_of_a_file(tmp_path):
    (tmp_path / "beside.py").write_text("COUNT = 5\n")
    (tmp_path / "mine.py").write_text(
        "import torch\ndef noise():\n    from beside import COUNT\n    return torch.zeros(COUNT, 3, 2, 2)\n"
    )
    assert len(open_images(f"{tmp_path}/mine.py:noise")) == 5
    assert str(tmp_path) not in __import__("sys").path


def test_what_is_open_stays_and_what_is_iterated_is_a_stream():
    images = Tensors(torch.zeros(4, 3, 2, 2))
    assert open_images(images) is images
    assert isinstance(open_images(torch.utils.data.DataLoader([torch.zeros(3, 2, 2)])), Stream)
    assert isinstance(open_images(iter([]), batch=2), Stream)


def test_every_source_is_images(folder, opened):
    assert all(isinstance(each, Images) for each in (Folder(folder), opened(), Dataset([picture(0)])))
    assert pickle.loads(pickle.dumps(Folder(folder))).read(0).tobytes() == picture(2).tobytes()


# ---- refusals


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("folder:{at}/catt", "folder:.*: There is no 'catt' in .*. Closest: cat."),
        ("folder:{at}/cat/a.png", "this is a file, not a folder. Write the folder it is in: folder:.*/cat"),
        ("folder:{at}/cat/a.png/more", "a.png is a file, so there is nothing below it"),
        ("folder:{at}/empty", "there is no image below this folder. Image files end in .jpg"),
        ("folder:{at}/tables", "There are parquet files: write parquet:.*tables"),
        ("folder:{at}/tables/no.parquet", "this is a file, not a folder. Write parquet:.*no.parquet"),
        ("parquet:{at}/tables/non.parquet", "There is no 'non.parquet' in .*. Closest: no.parquet."),
        ("parquet:{at}/tables/*.pq", "no file matches this pattern"),
        ("parquet:{at}/tables/a**", "is no pattern of paths .*Write .* between slashes|no file matches this pattern"),
        ("parquet:{at}/cat", "there is no .parquet file below this folder"),
        ("parquet:{at}/tables/no.parquet", "cannot be read as parquet .Parquet magic bytes not found"),
        ("{at}/cot", "There is no 'cot' in .*. Closest: cat. Images are folder:PATH"),
        ("{at}/cat/a.png", "is neither a folder, a parquet file nor a tar. Write folder:PATH"),
        ("foldr:{at}", "unknown kind of images 'foldr'. Closest: folder. Write folder:PATH, parquet:PATH, webd"),
        ("http://cats", "unknown kind of images 'http'. There are: folder, parquet, hub, webdataset, scenes, noise."),
        ("{at}/minne.py:noise", "There is no 'minne.py' in .*. Closest: mine.py."),
        ("{at}/folder.py:noise", "this is a folder"),
        ("{at}/mine.py:nois", "no function 'nois' in .*mine.py. Closest: noise."),
        ("{at}/mine.py:fails", "mine.py:fails raised ValueError: no luck"),
        ("{at}/mine.py:nothing", "mine.py:nothing: a NoneType is no source of images"),
        ("{at}/mine.py:refuses", "mine.py:refuses: images of shape .2, 2."),
        ("{at}/syntax.py:noise", "syntax.py:noise raised SyntaxError"),
        (3, "a int is no source of images. Give folder:PATH"),
        ({"image": 1}, "a dict is no source of images"),
    ],
)
def test_what_is_written_wrong(folder, source, words):
    for name in ("empty", "tables", "folder.py"):
        (folder / name).mkdir()
    write(folder / "tables/no.parquet", "this is no table")
    write(folder / "syntax.py", "def noise(:")
    write(folder / "mine.py", "import torch\ndef noise(): 1\ndef nothing(): 1 if 0 else None\ndef refuses(): "
          "return torch.zeros(2, 2)\ndef fails(): raise ValueError('no luck')\n")  # fmt: skip
    with pytest.raises(StudyError, match=words):
        open_images(source.replace("{at}", str(folder)) if isinstance(source, str) else source)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_column": "imag"}, "image_column = 'imag': no such column. Closest: image."),
        ({"image_column": "label"}, "image_column = 'label': this column holds int64, not images. Closest: image."),
        ({"label_column": "labl"}, "label_column = 'labl': no such column. Closest: label."),
        ({"label_column": "weight"}, "label_column = 'weight': this column holds float64. Labels are whole numbers"),
        ({"split": "test"}, "parquet:.*: split = 'test': parquet files have only the split 'train'"),
        ({"splitt": "test"}, "parquet: takes no 'splitt'. Closest: split."),
    ],
)
def test_options_that_are_wrong(opened, options, words):
    with pytest.raises(StudyError, match=words):
        opened(**options)


def test_options_that_others_have(folder):
    with pytest.raises(StudyError, match=r"folder: takes no 'split'. There are none."):
        open_images(f"folder:{folder}", split="train")
    with pytest.raises(StudyError, match=r"tensor .4, 3, 2, 2. of float32: labels cannot be changed"):
        open_images(Tensors(torch.zeros(4, 3, 2, 2)), labels=[1])


def test_cache_that_cannot_be_written(parquet):
    with pytest.raises(StudyError, match=r"images.parquet/cache cannot hold the copy of the table .* Set HF_HOME"):
        Parquet(parquet, cache=parquet / "cache")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Tensors(torch.zeros(3, 8, 8)), r"images of shape \(3, 8, 8\): .* For one image write tensor\[None\]"),
        (lambda: Tensors(torch.zeros(4, 8)), r"shape \(4, 8\): a tensor of images is \(N, C, H, W\)"),
        (lambda: Tensors(torch.zeros(1, 3, 8, 8).long()), "images of torch.int64: use floating point"),
        (lambda: Tensors(torch.zeros(2, 8, 8, 3).byte()), r"like \(N, H, W, C\): use tensor.permute\(0, 3, 1, 2\)"),
        (lambda: Tensors(torch.zeros(2, 4, 8, 8).byte()), r"uint8 images of shape \(2, 4, 8, 8\): they are"),
        (lambda: Tensors(torch.zeros(2, 3, 8, 8), [1]), "1 labels for 2 images: give each image one label"),
        (lambda: Dataset(iter([])), "list_iterator has no length and index. Give it as batches"),
        (lambda: Dataset([{"imag": 1}]).read(0), "image_column = 'image': no such key in list of 1. Closest: imag."),
        (lambda: Dataset([np.zeros((2, 2))]).read(0), r"an image is a ndarray of shape \(2, 2\). Give PIL images"),
        (lambda: Dataset(["a.png"]).read(0), "list of 1: an image is a str. Give PIL images"),
    ],
)  # fmt: skip
def test_objects_that_are_wrong(make, words):
    with pytest.raises(StudyError, match=words):
        make()
