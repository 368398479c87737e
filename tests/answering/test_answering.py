"""From a study to answers on disk: computed once, under names that say what they answer."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import seealike
from seealike.answering import sweeping
from seealike.errors import RunError, StudyError
from seealike.plan.passes import Shown
from seealike.results import Results
from seealike.study.toml import load_study

NETS = """
import torch
from torch import nn

def net(width=4):
    stem = nn.Conv2d(3, width, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2)
    return nn.Sequential(*stem, nn.Flatten(), nn.Linear(4 * width, 5))

class Stretch(nn.Module):
    def forward(self, x):
        low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        return (x - low) / (high - low)

def stretch():
    return nn.Sequential(Stretch(), nn.Conv2d(3, 4, 3))
"""

STUDY = """
batch = 8
[models.one]
source = "nets.py:net"
checkpoint = "one.safetensors"
size = 12
[models.two]
source = "nets.py:net"
options = { width = 3 }
size = 12
[images.photographs]
source = "folder:photographs"
[ask.similarity]
measure = "cka"
a = "one:**"
b = "two:**"
[ask.within]
measure = "cka"
layers = ["one:@norm", "one:*"]
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "study.toml").write_text(STUDY.replace('["one:@norm", "one:*"]', '"one:*"'))
    photographs(tmp_path / "photographs", 40)
    scope: dict = {}
    exec(NETS, scope)
    torch.manual_seed(0)
    save_file(scope["net"]().state_dict(), tmp_path / "one.safetensors")
    return tmp_path


def photographs(folder: Path, count: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((16, 12), Image.Resampling.BICUBIC).save(folder / f"{i:03}.png")


def run(folder: Path, out: str = "out", **options) -> Results:
    return seealike.run(load_study(folder / "study.toml"), folder / out, **options)


def edit(folder: Path, *changes: tuple[str, str]) -> None:
    text = (folder / "study.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "study.toml").write_text(text)


@pytest.fixture
def passes(monkeypatch) -> list:
    """Counts the passes over the images."""
    made: list = []
    fold = sweeping.fold

    def counted(statistics, *rest):
        made.append(len(statistics))
        return fold(statistics, *rest)

    monkeypatch.setattr(sweeping, "fold", counted)
    return made


def test_answers_say_what_they_answer(folder):
    results = run(folder)
    assert list(results) == ["similarity", "within"]
    answer = results["similarity"]
    assert list(answer.layer_a.values) == ["one:0", "one:1", "one:2", "one:4"]
    assert answer.cka.dims == answer.cka_se.dims == ("layer_a", "layer_b")
    assert answer.depth_a.values.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert np.isfinite(answer.cka_se).all()
    attrs = answer.attrs
    assert attrs["measure"] == "cka" and attrs["ask"] == "similarity" and attrs["batch"] == 8
    assert attrs["images"]["count"] == attrs["images_seen"] == 40
    assert attrs["models"]["one"]["weights"].startswith("one.safetensors")
    assert attrs["models"]["two"]["weights"] == "as nets.py:net makes them, seed 0"
    assert attrs["notes"] == []
    assert attrs["question"]["a"] == "one:**"
    assert attrs["dtype"] == "float32" and torch.__version__.startswith(attrs["versions"]["torch"])


def test_all_questions_share_one_pass_and_a_second_run_makes_none(folder, passes):
    run(folder)
    assert passes == [2]
    files = {p.name: p.stat().st_mtime_ns for p in (folder / "out").iterdir()}
    run(folder)
    assert passes == [2]
    assert {p.name: p.stat().st_mtime_ns for p in (folder / "out").iterdir()} == files


def test_only_what_is_new_is_computed(folder, passes):
    run(folder)
    (folder / "study.toml").write_text(
        (folder / "study.toml").read_text() + '[ask.new]\nmeasure = "cka"\na = "two:*"\n'
    )
    assert list(run(folder)) == ["new", "similarity", "within"]
    assert passes == [2, 1]


def test_renaming_reuses_an_answer(folder, passes):
    before = run(folder)["similarity"]
    edit(folder, ("models.one", "models.uno"), ('"one:', '"uno:'), ("ask.similarity", "ask.likeness"))
    after = run(folder)["likeness"]
    assert passes == [2]
    assert list(after.layer_a.values) == ["uno:0", "uno:1", "uno:2", "uno:4"]
    assert list(after.attrs["models"]) == ["uno", "two"] and after.attrs["ask"] == "likeness"
    np.testing.assert_array_equal(after.cka.values, before.cka.values)


def test_an_answer_that_is_taken_over_keeps_its_readings_without_groups(folder, passes):
    before = run(folder).left_out("similarity")
    edit(folder, ("models.one", "models.uno"), ('"one:', '"uno:'), ("ask.similarity", "ask.likeness"))
    after = run(folder).left_out("likeness")
    assert before is not None and after is not None and before.identical(after)


def test_what_is_said_of_a_model_today_reaches_an_answer_of_yesterday(folder, passes):
    assert run(folder)["similarity"].attrs["models"]["one"]["tags"] == {}
    edit(folder, ("[models.one]", '[models.one]\ntags = { family = "CNN" }'), ("batch = 8", 'batch = 8\ntitle = "new"'))
    attrs = run(folder)["similarity"].attrs
    assert passes == [2]
    assert attrs["models"]["one"]["tags"] == {"family": "CNN"} and attrs["title"] == "new"


@pytest.mark.parametrize("change", ["weight", "image", "size", "seed", "batch", "take", "dtype", "crop"])
def test_row_12_a_changed_condition_is_another_question(folder, passes, change):
    """METHODS E12: a cache key without the image size, the weights or the transform."""
    run(folder)
    if change == "weight":
        state = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.Linear(16, 5)).state_dict()
        save_file(state, folder / "one.safetensors")
    elif change == "image":
        photographs_again = folder / "photographs" / "000.png"
        Image.new("RGB", (16, 12), (1, 2, 3)).save(photographs_again)
    elif change == "size":
        edit(folder, ("size = 12", "size = 10"))
    elif change in ("seed", "batch"):
        edit(folder, ("batch = 8", f"batch = 8\n{change} = 5" if change == "seed" else "batch = 5"))
    elif change == "take":
        edit(folder, ('source = "folder:photographs"', 'source = "folder:photographs"\ntake = 39'))
    elif change == "crop":
        edit(folder, ("batch = 8", 'batch = 8\ncrop = "shared"'))
    run(folder, dtype="bfloat16" if change == "dtype" else "float32")
    assert passes == [2, 2]
    assert len(list((folder / "out").glob("similarity-*.nc"))) == 2


def test_row_1_a_shuffled_loader_is_read_once_for_all_models(monkeypatch):
    """METHODS E1: two models fed different images because a shuffled loader was iterated twice.

    METHODS E13: the same network as two models is exactly alike.
    """
    torch.manual_seed(0)
    images = torch.randn(64, 3, 8, 8)
    nets = [nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 4)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    loader = DataLoader(TensorDataset(images, torch.zeros(64)), batch_size=16, shuffle=True)
    answer = seealike.cka(*nets, images=loader)
    np.testing.assert_allclose(np.diag(answer.cka), 1, atol=1e-6)
    assert float(answer.cka.max()) <= 1
    assert answer.attrs["images_seen"] == 64


def test_a_model_on_two_image_sets_answers_for_each(folder):
    """METHODS E2: one model object on two image sets; the second set overwrites the first."""
    photographs_b = folder / "others"
    photographs_b.mkdir()
    for i in range(24):
        pixels = np.random.default_rng(100 + i).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photographs_b / f"{i}.png")
    text = (folder / "study.toml").read_text()
    both = (
        '[images.others]\nsource = "folder:others"\n[ask.other]\nmeasure = "cka"\nlayers = "one:*"\nimages = "others"\n'
    )
    (folder / "study.toml").write_text(text + both)
    together = run(folder)
    edit(
        folder,
        ("[images.photographs]", "[images.unused]"),
        ('source = "folder:photographs"', 'source = "folder:others"'),
    )
    alone = run(folder, "alone")
    np.testing.assert_array_equal(together["other"].cka, alone["within"].cka)
    assert not np.allclose(together["other"].cka, together["within"].cka, atol=1e-3)


def test_workers_change_nothing(folder):
    np.testing.assert_array_equal(run(folder)["similarity"].cka, run(folder, "again", workers=2)["similarity"].cka)


def test_one_corrupt_image_is_left_out_and_named(folder):
    photographs_more = folder / "photographs"
    for i in range(40, 110):
        Image.new("RGB", (16, 12), (i, 2 * i, 7)).save(photographs_more / f"{i:03}.png")
    (photographs_more / "050.png").write_bytes(b"no image at all")
    attrs = run(folder)["similarity"].attrs
    assert attrs["images_seen"] == 109 and attrs["images"]["unreadable"] == 1
    assert attrs["images"]["unreadable_images"][0].startswith("050.png: ")
    assert "1 of 110 images could not be read and were left out" in attrs["notes"]


def test_too_many_corrupt_images_stop_the_run(folder):
    (folder / "photographs" / "005.png").write_bytes(b"no image at all")
    with pytest.raises(RunError, match=r"1 of 40 images \(2.5%\) cannot be read, more than the 1% .*005.png") as error:
        run(folder)
    assert error.value.exit_code == 1


def test_nan_activations_name_the_layer_and_lose_no_answer(folder):
    Image.new("RGB", (16, 12), (9, 9, 9)).save(folder / "photographs" / "020.png")  # nothing to stretch: 0 / 0
    text = (folder / "study.toml").read_text()
    nan = '[models.nan]\nsource = "nets.py:stretch"\nsize = 12\n[ask.z]\nmeasure = "cka"\na = "nan:**"\nbatch = 10\n'
    (folder / "study.toml").write_text(text + nan)
    with pytest.raises(RunError, match=r"nan:0 holds NaN or infinity.*Met in batch \d: images \d+.png \.\.\.") as error:
        run(folder)
    assert error.value.exit_code == 1
    assert list(Results(folder / "out")) == ["similarity", "within"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([('"one:**"', '"one:blocks.*"')], r"one:blocks\.\* matches no layer of one\. .*seealike layers"),
        ([('"one:**"', '"uno:**"')], r'"uno:\*\*": there is no model "uno"\. There are: one, two\.'),
        ([('"one:**"', '"conv1"')], r'"conv1" names no model: write "model:layer", for example "one:\*\*"'),
        ([('"one:**"', '"one:@blok"')], r"one:@blok is no kind of layer\. Closest: block\."),
        ([('"one:**"', '"one:@attention"')], r"one has no layer of the kind @attention\."),
        ([('a = "one:**"\n', "")], r"cka needs a \(and b\), or layers"),
        ([('"nets.py:net"', '"nets.py:nett"')], r"nett.*Closest: net\."),
        ([('"nets.py:net"', '"timm:resnet_18"')], r"resnet_18.*Closest: .*resnet18"),
        ([('"folder:photographs"', '"folder:photograph"')], r"photograph.*photographs"),
        ([('"folder:photographs"', '"folder:nothing"')], r"nothing"),
        ([('source = "folder:photographs"', 'source = "folder:photographs"\ntake = 3')], r"too few images: 3\."),
        ([('source = "folder:photographs"', 'source = "folder:photographs"\ntake = 50')], r"there are only 40 images"),
        ([('checkpoint = "one.safetensors"', 'checkpoint = "uno.safetensors"')], r"uno\.safetensors.*one\.safetensors"),
        ([('checkpoint = "one.safetensors"', 'checkpoint = "one.safetensors"\noptions = { width = 5 }')], r"(?s)fit"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_runs(folder, passes, changes, says):
    (folder / "nothing").mkdir()
    edit(folder, *changes)
    with pytest.raises(StudyError, match=says) as error:
        run(folder)
    assert error.value.exit_code == 2
    assert passes == [] and not (folder / "out").exists()


def test_a_truncated_checkpoint_is_refused(folder):
    whole = (folder / "one.safetensors").read_bytes()
    (folder / "one.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StudyError, match=r"one\.safetensors"):
        run(folder)


def test_a_batch_that_cannot_fit_is_refused_with_one_that_would(folder, monkeypatch):
    monkeypatch.setattr("seealike.plan.memory.available", lambda device: 30_000)
    with pytest.raises(StudyError, match=r"photographs: batch = 8 needs about .*, and 0.0 GB are free; .* would fit"):
        run(folder)


def test_a_device_and_a_dtype_that_are_not_there(folder):
    with pytest.raises(StudyError, match=r'device = "cuda:77" cannot be used here'):
        run(folder, device="cuda:77")
    with pytest.raises(StudyError, match=r'dtype = "float12": there are float32, bfloat16, float16\.'):
        run(folder, dtype="float12")


def test_a_model_that_cannot_be_traced_is_refused(folder):
    class Branching(nn.Module):
        def forward(self, x):
            return x * 2 if x.sum() > 0 else x

    with pytest.raises(StudyError, match=r"a cannot be traced with images of size 3x8x8"):
        seealike.cka(Branching(), images=torch.randn(16, 3, 8, 8))


def test_bfloat16_is_close_to_float32(folder):
    exact, half = run(folder)["within"].cka, run(folder, "half", dtype="bfloat16")["within"].cka
    assert float(abs(exact - half).max()) < 0.02
    assert float(abs(exact - half).max()) > 0


def test_the_bar_tells_models_tensors_and_rate(folder, capfd):
    run(folder)
    err = capfd.readouterr().err
    assert re.search(r"one, two: 8 tensors: .*/40 .* images/s", err)


def test_a_damaged_answer_is_answered_anew_and_the_others_stay(folder, passes):
    before = run(folder)["within"]
    path = next((folder / "out").glob("within-*.nc"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunError, match=r"within-.*\.nc cannot be read .* Delete it and run the study again"):
        Results(folder / "out")["within"]
    assert run(folder)["within"].cka.equals(before.cka)
    assert passes == [2, 1]


@pytest.mark.parametrize(
    ("most", "says"),
    [
        (3_000, r"out/similarity-\w+\.nc cannot be written \(.*\)\. Make room, or mend the folder"),
        (40_000, r".* cannot be written \("),
    ],
    ids=["an answer", "the report"],
)
def test_a_disk_that_is_full_ends_the_run_and_leaves_nothing_half(folder, most, says):
    """No file may be larger than some bytes: as a disk that fills while one is written."""
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}));"
        "import sys; sys.argv = ['seealike', 'run', 'study.toml']; from seealike.cli import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert re.match(f"seealike: {says}", ended.stderr.replace("\r", "\n").splitlines()[-1])
    answers = [path.name for path in (folder / "out").glob("*.nc")]
    assert len(answers) == (0 if most < 40_000 else 2) and not list((folder / "out").glob(".*.nc.*"))


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_refused_before_the_first_pass(folder, passes):
    (folder / "out").mkdir(mode=0o500)
    with pytest.raises(StudyError, match=r"out cannot hold answers .* Give another --out"):
        run(folder)
    assert passes == []


def test_a_file_in_the_place_of_the_folder_is_refused_before_the_first_pass(folder, passes):
    (folder / "out").write_text("mine")
    with pytest.raises(StudyError, match=r"out cannot hold answers \(File exists\). Give another --out"):
        run(folder)
    assert passes == [] and (folder / "out").read_text() == "mine"


def test_a_batch_beyond_memory_ends_with_one_that_would_fit(folder, monkeypatch):
    """Before the first pass nobody knows what all of it takes."""

    def beyond(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Shown, "show", beyond)
    with pytest.raises(RunError) as error:
        run(folder)
    said = r"photographs: batch = 8 does not fit into the memory of cpu; batch = 4 would fit\. What was answered stays"
    assert re.match(said, str(error.value))
    monkeypatch.setattr(Shown, "show", lambda *_: (_ for _ in ()).throw(RuntimeError("another error")))
    with pytest.raises(RuntimeError, match="another error"):
        run(folder)


def test_features_are_rows_in_the_order_of_the_images(folder):
    image = io.BytesIO()
    Image.new("RGB", (4, 4)).save(image, "png")
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    images = torch.randn(21, 3, 8, 8)
    table = seealike.features(net, images, ["0", "1"], view="mean", batch=4)
    with torch.no_grad():
        np.testing.assert_allclose(table["1"].values, net(images).mean((2, 3)).numpy(), atol=1e-6)
    assert list(table.image.values) == [str(i) for i in range(21)]
