"""Data sets of the hub, tried on a folder laid out like one; what is said where the hub or the set is not there."""

import subprocess
import sys
import time

import datasets
import pytest
import torch
from small_images import picture, png

from seealike.errors import StudyError
from seealike.images import fetching
from seealike.images.fetching import Unfetchable
from seealike.images.loading import load
from seealike.images.order import batches
from seealike.images.preprocessing import plain
from seealike.images.repository import Repository, _in_words, the_image_column
from seealike.images.sources import Hub, Table, open_images

FEATURES = datasets.Features(
    img=datasets.Image(),
    label=datasets.ClassLabel(names=["cat", "dog"]),
    hue=datasets.Value("float64"),
    word=datasets.Value("string"),
)


def rows(count):
    return {
        "img": [{"bytes": png(i), "path": f"{i}.png"} for i in range(count)],
        "label": [i % 2 for i in range(count)],
        "hue": [i / 10 if i != 3 else None for i in range(count)],
        "word": ["a"] * count,
    }


def repository(root, splits, features=FEATURES, made=rows):
    """What `push_to_hub` leaves: parquet files under data/, and a card."""
    datasets.disable_progress_bars()
    (root / "data").mkdir(parents=True)
    for split, count in splits.items():
        table = datasets.Dataset.from_dict(made(count), features=features)
        table.to_parquet(root / "data" / f"{split}-00000-of-00001.parquet")
    (root / "README.md").write_text("---\nlicense: mit\n---\n# Pets\n")
    return root


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    return repository(tmp_path_factory.mktemp("hub") / "pets", {"train": 20, "test": 6})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def offline(monkeypatch):
    from huggingface_hub import constants

    def nobody(url):
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(fetching, "_ask_hub", nobody)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)


# ---- looked up


def test_a_data_set_is_a_table(pets):
    images = open_images(f"hub:{pets}", factor_columns=("hue", "label"))
    assert (len(images), images.id(3), images.label(3), images.classes) == (20, "3:3.png", 1, ("cat", "dog"))
    assert images.read(3).tobytes() == picture(3).tobytes()
    assert images.factors == ("hue", "label") and images.factor(4, "hue") == 0.4 and images.factor(5, "label") == 1
    assert images.factor(3, "hue") != images.factor(3, "hue"), "NaN where nothing is recorded"
    assert images.text == f"hub:{pets}, split train" and images.labelled


def test_splits(pets, tmp_path):
    assert len(open_images(f"hub:{pets}", split="test")) == 6
    assert len(open_images(f"hub:{pets}", split="train[:5]+test")) == 11
    only = repository(tmp_path / "only", {"validation": 4})
    assert open_images(f"hub:{only}").text.endswith("split validation")
    several = repository(tmp_path / "several", {"validation": 4, "test": 4})
    with pytest.raises(
        StudyError, match=r"several splits, so say which: split = \"validation\"\. There are: valid.*, test\."
    ):
        open_images(f"hub:{several}")


def test_a_fingerprint_is_of_files_split_and_columns(pets, tmp_path):
    known = {
        open_images(f"hub:{pets}", **options).fingerprint for options in ({}, {"split": "test"}, {"label_column": None})
    }
    one = repository(tmp_path / "pets", {"train": 4})
    before = Hub(str(one)).fingerprint
    (one / "data" / "train-00000-of-00001.parquet").touch()
    assert len({*known, before, Hub(str(one)).fingerprint}) == 5
    assert Hub(str(pets)).fingerprint in known


def test_a_commit_is_the_fingerprint_of_what_is_on_the_hub():
    class Builder:
        hash, name = "0123456789abcdef", "default"
        config = type("Config", (), {"name": "fine"})

    found = Repository("owner/name", "test", Builder)
    assert found.text == "hub:owner/name, split test, config fine, revision 0123456789ab"
    Other = type("Other", (Builder,), {"hash": "f" * 16})
    assert found.fingerprint() == Repository("owner/name", "test", Builder).fingerprint()
    assert found.fingerprint() != Repository("owner/name", "test", Other).fingerprint()


# ---- streamed


def test_a_stream_gives_what_the_table_gives_in_the_order_given(pets):
    images, pictures = open_images(f"hub:{pets}"), open_images(f"hub:{pets}", stream=True, factor_columns=("hue",))
    wanted = {"a": plain(8)}
    for one, other in zip(pictures.load(8, wanted), load(images, batches(range(20), 8), wanted), strict=True):
        assert (one.ids, one.indices) == (other.ids, other.indices)
        assert torch.equal(one.inputs["a"], other.inputs["a"]) and torch.equal(one.labels, other.labels)
    assert one.factors["hue"].tolist() == [1.6, 1.7, 1.8, 1.9]
    assert pictures.labelled and pictures.text.endswith("split train, streamed")
    assert pictures.fingerprint not in (
        images.fingerprint,
        open_images(f"hub:{pets}", stream=True, split="test").fingerprint,
    )
    assert not open_images(f"hub:{pets}", stream=True, label_column="word").labelled


@pytest.mark.long
def test_an_interpreter_ends_well_after_a_stream_that_was_left(pets):
    code = f"""
from seealike.images.sources import open_images
pictures = open_images("hub:{pets}", stream=True)
pictures.first()
loading = pictures.load(4, {{}})
next(loading)
loading.close()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


# ---- refusals


@pytest.mark.parametrize("how", [{}, {"stream": True}])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "tset"}, r"hub:.*pets: split = 'tset': there is no split 'tset'\. Closest: test\."),
        ({"split": "train[:3]+tst"}, r"there is no split 'tst'"),
        ({"config": "fine"}, r"config = 'fine': there is no such configuration\. There are: default\."),
        ({"image_column": "imgg"}, r"image_column = 'imgg': no such column\. Closest: img\."),
        ({"image_column": "hue"}, r"image_column = 'hue': this column holds"),
        ({"label_column": "lable"}, r"label_column = 'lable': no such column\. Closest: label\."),
        ({"factor_columns": ("huue",)}, r"factor_columns = 'huue': no such column\. Closest: hue\."),
        (
            {"factor_columns": ("word",)},
            r"factor_columns = 'word': this column holds string, not numbers\. There are: l",
        ),
        ({"colour": "red"}, r"hub: takes no 'colour'\."),
    ],
)
def test_options_that_are_wrong(pets, options, words, how):
    with pytest.raises(StudyError, match=words):
        open_images(f"hub:{pets}", **options, **how)


def test_a_folder_that_is_none(pets, tmp_path):
    with pytest.raises(StudyError, match=r"hub:.*/pet: There is no 'pet' in .*\. Closest: pets\."):
        open_images(f"hub:{pets.parent}/pet")
    with pytest.raises(StudyError, match=r"hub:.*README.md: this is a file, not a folder\."):
        open_images(f"hub:{pets}/README.md")
    with pytest.raises(StudyError, match=r"hub:.*: it holds no data files that can be read\."):
        open_images(f"hub:{tmp_path}")


def test_several_configurations(tmp_path):
    root = repository(tmp_path / "pets", {"train": 4})
    card = "---\nconfigs:\n" + "".join(
        f"- config_name: {name}\n  data_files: data/*.parquet\n" for name in ("fine", "coarse")
    )
    (root / "README.md").write_text(f"{card}---\n")
    with pytest.raises(
        StudyError, match=r"several configurations, so say which: config = \"fine\"\. There are: fine, coar"
    ):
        open_images(f"hub:{root}")
    assert open_images(f"hub:{root}", config="coarse").text.endswith("split train, config coarse")


def test_which_column_holds_images(tmp_path):
    image, number = datasets.Image(), datasets.Value("int64")
    assert the_image_column({"label": number, "image": image, "mask": image}) == "image"
    assert the_image_column({"label": number, "img": datasets.Value("binary")}) == "img"
    with pytest.raises(
        StudyError, match=r"several columns hold images, so say which: image_column = \"left\"\. There ar"
    ):
        the_image_column({"left": image, "right": image})
    root = repository(tmp_path / "numbers", {"train": 4}, None, lambda n: {"x": [1.0] * n, "y": [2] * n})
    with pytest.raises(StudyError, match=r"hub:.*numbers: no column holds images\. Its columns: x, y\."):
        open_images(f"hub:{root}")


@pytest.mark.parametrize("how", [{}, {"stream": True}])
def test_no_network_is_told_once_and_in_seconds(offline, how):
    from huggingface_hub import constants

    started = time.monotonic()
    with pytest.raises(Unfetchable) as error:
        open_images("hub:uoft-cs/cifar10", **how)
    assert time.monotonic() - started < 10
    assert str(error.value) == (
        "hub:uoft-cs/cifar10 could not be fetched: huggingface.co: Name or service not known. What would work: "
        "a machine with network or a filled cache; a copy of its parquet files, as parquet:FOLDER."
    )
    assert not constants.HF_HUB_OFFLINE and not datasets.config.HF_HUB_OFFLINE


@pytest.mark.parametrize(
    ("kind", "said", "words"),
    [
        ("DatasetNotFoundError", "Dataset 'a/b' is a gated dataset on the Hub.", "it is gated. What would work: agree"),
        (
            "GatedRepoError",
            "403 Client Error.",
            "it is gated. What would work: agree to its terms on its page, then log",
        ),
        (
            "DatasetNotFoundError",
            "Dataset 'a/b' doesn't exist on the Hub",
            "the hub has no such data set, or it is priva",
        ),
        ("DatasetNotFoundError", "Revision 'x' doesn't exist for dataset", "it has no such revision"),
        ("RuntimeError", "Dataset scripts are no longer supported, but found b.py", "it is a script, which is not run"),
        ("ArrowInvalid", "Parquet magic bytes not found", "it cannot be read (Parquet magic bytes not found)."),
    ],
)
def test_what_the_hub_says_is_told_in_the_user_s_words(monkeypatch, kind, said, words):
    def refuse(*_, **__):
        raise type(kind, (Exception,), {})(said)

    monkeypatch.setattr(fetching, "_ask_hub", lambda url: None)
    monkeypatch.setattr(datasets, "load_dataset_builder", refuse)
    with pytest.raises(StudyError) as error:
        open_images("hub:a/b")
    assert str(error.value).startswith(f"hub:a/b: {words}")


def test_trouble_of_the_network_is_no_trouble_of_the_data_set():
    assert _in_words(ConnectionError("reset"), None) is None


def test_a_cache_that_cannot_be_written(pets, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match=r"hub:.*pets: .*file cannot hold the copy of the table .* Set HF_HOME"):
        Hub(str(pets), cache=tmp_path / "file")


def test_a_file_that_is_no_parquet(tmp_path):
    root = repository(tmp_path / "pets", {"train": 4})
    (root / "data" / "train-00000-of-00001.parquet").write_text("no table")
    for how in ({}, {"stream": True}):
        with pytest.raises(StudyError, match=r"hub:.*pets: it cannot be read \(.*\)\."):
            open_images(f"hub:{root}", **how)


def test_tables_of_ones_own_have_factors_too(pets):
    whole = datasets.Dataset.from_dict(rows(5), features=FEATURES)
    images = open_images(whole, image_column="img", factor_columns=("hue",))
    assert (
        isinstance(images, Table)
        and images.factor(2, "hue") == 0.2
        and open_images(whole, image_column="img").factors == ()
    )
    parquet = open_images(f"parquet:{pets}/data/test-*.parquet", image_column="img", factor_columns=("hue",))
    assert parquet.factor(2, "hue") == 0.2
