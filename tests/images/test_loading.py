"""Loading: the same batches for any number of workers, one decode an image, nothing shifted by what is broken."""

import io
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from seealike.errors import RunError, StudyError
from seealike.images.folder import Folder
from seealike.images.indexed import CorruptImage, Images
from seealike.images.loading import Failure, load
from seealike.images.order import batches, order
from seealike.images.parquet import Parquet
from seealike.images.preprocessing import from_timm, plain, shared
from seealike.images.stream import Stream
from seealike.images.tensors import Tensors

DATA = Path(__file__).parents[2].parent / "shared" / "data"
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


@dataclass(frozen=True)
class Made(Images):
    """Image i has colour i; those in `broken` cannot be read, `act` happens at each item."""

    count: int = 20
    broken: frozenset = frozenset()
    act: object = None
    size: object = lambda index: (8, 8)

    def __len__(self):
        return self.count

    def id(self, index):
        return f"i{index}"

    def item(self, index):
        if self.act:
            self.act(index)
        if index in self.broken:
            raise CorruptImage(self.id(index), "broken")
        return Image.new("RGB", self.size(index), (index, 0, 0)), self.label(index)

    def label(self, index):
        return index if index != 3 else None

    classes, fingerprint, text = (), "", "made"


def colours(batch, name="a"):
    return (batch.inputs[name][:, 0, 0, 0] * 255).round().int().tolist() if batch else []


def test_batches_are_the_plan():
    plan = batches(order(20, 18, 1), 4)
    loaded = list(load(Made(), plan, {"a": plain()}))
    assert [batch.index for batch in loaded] == [0, 1, 2, 3, 4]
    assert [colours(batch) for batch in loaded] == plan
    assert [list(batch.ids) for batch in loaded] == [[f"i{index}" for index in part] for part in plan]
    assert [len(batch) for batch in loaded] == [4, 4, 4, 4, 2]
    assert torch.cat([batch.labels for batch in loaded]).tolist() == [i if i != 3 else -1 for p in plan for i in p]


def test_a_share_of_the_plan_keeps_its_numbers():
    loaded = list(load(Made(), {1: [4, 5], 3: [0, 9]}, {"a": plain()}))
    assert [(batch.index, colours(batch)) for batch in loaded] == [(1, [4, 5]), (3, [0, 9])]


def test_models_that_preprocess_alike_share_the_tensor_and_one_decode():
    seen = Counter()
    images = Made(act=lambda index: seen.update([index]))
    wanted = {"a": plain(8), "b": plain(8), "c": plain(8, **HALF), "d": shared(plain(4))}
    [batch] = load(images, [[1, 2, 5]], wanted)
    assert batch.inputs["a"] is batch.inputs["b"]
    assert [batch.inputs[name].shape[-1] for name in "acd"] == [8, 8, 4]
    torch.testing.assert_close(batch.inputs["c"], batch.inputs["a"] * 2 - 1)
    assert seen == {1: 1, 2: 1, 5: 1}


@pytest.mark.parametrize("workers", [0, 2])
def test_tensors_are_one_stack_for_all_models(workers):
    values = torch.randn(6, 3, 4, 4)
    [batch] = load(Tensors(values), [[4, 2]], {"a": plain(8), "b": plain(9)}, workers)
    assert batch.inputs["a"] is batch.inputs["b"]
    assert torch.equal(batch.inputs["a"], values[[4, 2]])
    assert batch.labels is None


def same(one, other):
    assert (one.index, one.ids, one.failed) == (other.index, other.ids, other.failed)
    assert one.inputs.keys() == other.inputs.keys()
    assert all(torch.equal(one.inputs[name], other.inputs[name]) for name in one.inputs)
    assert (one.labels is None) == (other.labels is None)
    assert one.labels is None or torch.equal(one.labels, other.labels)


def test_any_number_of_workers_gives_the_same(tmp_path):
    for index in range(11):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 30 + index, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index:02}.jpg")
    (tmp_path / "05.jpg").write_bytes((tmp_path / "05.jpg").read_bytes()[:700])
    timm = from_timm({"input_size": (3, 24, 24), "interpolation": "bicubic", "crop_pct": 0.9, **HALF})
    wanted = {"a": timm, "b": shared(timm), "c": timm, "d": plain(16)}
    alone, *others = (list(load(Folder(tmp_path), batches(order(11, None, 0), 3), wanted, n, 0.5)) for n in (0, 1, 3))
    assert sum(len(batch) for batch in alone) == 10
    for other in others:
        for pair in zip(alone, other, strict=True):
            same(*pair)
        assert all(batch.inputs["a"] is batch.inputs["c"] for batch in other)


@pytest.mark.parametrize("workers", [0, 2])
def test_corrupt_images_shift_nothing(workers):
    images, plan = Made(broken=frozenset({1, 8, 9})), [[0, 1, 2], [8, 9], [10, 11]]
    loaded = list(load(images, plan, {"a": plain()}, workers, tolerance=0.5))
    assert [colours(batch) for batch in loaded] == [[0, 2], [], [10, 11]]
    assert [batch.ids for batch in loaded] == [("i0", "i2"), (), ("i10", "i11")]
    assert [[failure.id for failure in batch.failed] for batch in loaded] == [["i1"], ["i8", "i9"], []]
    assert loaded[0].failed == (Failure("i1", "broken"),)
    assert (loaded[1].inputs, loaded[1].labels, bool(loaded[1])) == ({}, None, False)


def test_too_many_corrupt_images():
    images, plan = Made(100, frozenset({2, 7, 30, 50, 90})), batches(range(100), 10)
    assert len(list(load(images, plan, {"a": plain()}, tolerance=0.05))) == 10
    with pytest.raises(
        RunError, match=r"2 of 100 images \(2.0%\) cannot be read, more than the 1%.*: i2: broken; i7: br"
    ):
        list(load(images, plan, {"a": plain()}))
    with pytest.raises(RunError, match=r"5 of 100 .*i2: broken; i7: broken; i30: broken; .... Repair or remove them"):
        list(load(images, [range(100)], {"a": plain()}))


@pytest.mark.parametrize("workers", [0, 1])
def test_images_that_differ_in_size(workers):
    images = Made(size=lambda index: (32, 32) if index < 5 else (30, 40))
    words = r"differ in size \(32x32 and 40x30\): give the model a size, for example size = 224 in \[models.vit\]"
    with pytest.raises(RunError, match=words):
        list(load(images, [[1, 2], [4, 6]], {"small": plain(8), "vit": plain()}, workers))
    assert len(list(load(images, [[4, 6]], {"small": plain(8)}, workers))) == 1


def test_refuses_fewer_than_no_workers():
    with pytest.raises(StudyError, match="workers = -1: 0 loads in the main process"):
        load(Made(), [[1]], {"a": plain()}, workers=-1)


def die(index):
    if index == 7:
        os._exit(1)


def refuse(index):
    raise StudyError(f"no image {index}")


def test_a_worker_that_dies_is_named():
    with pytest.raises(RunError, match="a worker that loads images died, often for want of memory"):
        list(load(Made(act=die), [[1], [7]], {"a": plain()}, workers=1))


@pytest.mark.parametrize("workers", [0, 1])
def test_refusals_of_a_source_arrive_in_its_words(workers):
    with pytest.raises(StudyError, match=r"^no image 7$"):
        list(load(Made(act=refuse), [[7]], {"a": plain()}, workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_of_the_users_code_are_not_hidden(workers):
    with pytest.raises(ZeroDivisionError):
        list(load(Made(act=lambda index: 1 // 0), [[7]], {"a": plain()}, workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_random_states_are_left_alone(workers):
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    list(load(Made(), [[1, 2], [3, 4]], {"a": plain(8), "b": shared(plain(4))}, workers))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpys)


def children():
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


def divide(index):
    if index == 9:
        raise ZeroDivisionError


@pytest.mark.parametrize("end", ["close", "exhaust", "fail", "raise"])
def test_workers_end_with_the_iterator(end):
    before = children()
    images = Made(broken=frozenset({9} if end == "fail" else ()), act=divide if end == "raise" else None)
    loading = load(images, batches(range(20), 2), {"a": plain()}, workers=2)
    next(loading)
    assert len(children() - before) == 2
    if end == "close":
        loading.close()
    elif end == "exhaust":
        list(loading)
    else:
        with pytest.raises((RunError, ZeroDivisionError)) as caught:
            list(loading)
        assert caught.traceback  # which holds the frames of the failure, and what they hold
    assert children() <= before


def threads(index):
    assert torch.get_num_threads() == 1


def test_workers_compute_on_one_thread():
    assert len(list(load(Made(act=threads), [[1], [2]], {"a": plain()}, workers=2))) == 2


def test_more_workers_than_cores_or_batches_do_no_harm(recwarn):
    assert len(list(load(Made(), [[1], [2]], {"a": plain()}, workers=64))) == 2
    assert not list(load(Made(), [], {"a": plain()}, workers=2))
    said = [str(warning.message) for warning in recwarn.list]
    assert not [words for words in said if "fork" not in words]  # Python 3.12 and later warn of every fork


def test_photographs(tmp_path):
    if not DATA.is_dir():
        pytest.skip("the shared image sets are not beside the project")
    images = Parquet(DATA / "cifar10-test.parquet", cache=tmp_path)
    plan = batches(order(len(images), 64, 0), 32)
    alone, beside = (list(load(images, plan, {"a": plain(32), "b": plain(48)}, workers)) for workers in (0, 1))
    for pair in zip(alone, beside, strict=True):
        same(*pair)
    first = np.asarray(images.read(plan[1][5])).transpose(2, 0, 1)
    assert torch.equal(alone[1].inputs["a"][5], torch.tensor(first) / 255)
    assert alone[1].labels[5] == images.label(plan[1][5])
    assert alone[0].inputs["b"].shape == (32, 3, 48, 48)


# ---- streams


VALUES = torch.randn(10, 3, 2, 2)


def streamed(source, batch=None):
    return list(Stream(source, batch).load(["a", "b"]))


@pytest.mark.parametrize(
    ("wrap", "labelled"),
    [
        (lambda images, labels: images, False),
        (lambda images, labels: (images, labels), True),
        (lambda images, labels: [images], False),
        (lambda images, labels: (images, ["cat"] * len(images)), False),
        (lambda images, labels: {"pixel_values": images, "labels": labels}, True),
        (lambda images, labels: {"image": images, "label": labels}, True),
        (lambda images, labels: {"images": images}, False),
    ],
)
@pytest.mark.parametrize(("batch", "sizes"), [(None, [4, 4, 2]), (3, [3, 3, 3, 1]), (5, [5, 5]), (64, [10])])
def test_stream(wrap, labelled, batch, sizes):
    arriving = (wrap(VALUES[k : k + 4], torch.arange(10)[k : k + 4]) for k in (0, 4, 8))
    loaded = streamed(arriving, batch)
    assert [len(each) for each in loaded] == sizes
    assert [each.index for each in loaded] == list(range(len(sizes)))
    assert [id for each in loaded for id in each.ids] == list(map(str, range(10)))
    assert torch.equal(torch.cat([each.inputs["a"] for each in loaded]), VALUES)
    assert all(each.inputs["a"] is each.inputs["b"] for each in loaded)
    labels = [each.labels for each in loaded]
    assert torch.equal(torch.cat(labels), torch.arange(10)) if labelled else labels == [None] * len(sizes)


def test_stream_is_iterated_exactly_once():
    class Shuffled:
        times = 0

        def __iter__(self):
            self.times += 1
            return iter(VALUES[torch.randperm(10)].split(5))

    source = Shuffled()
    stream = Stream(source)
    first = stream.first()
    assert stream.first() is first
    loaded = list(stream.load(["a", "b"]))
    assert (source.times, loaded[0].inputs["b"] is first, len(loaded)) == (1, True, 2)
    with pytest.raises(RunError, match=r"stream from a Shuffled: it was read already\. Make a new one"):
        stream.load(["a"])


def test_stream_leaves_the_random_state_and_shuffles_as_it_would_have():
    def loader():
        torch.manual_seed(5)
        return DataLoader(TensorDataset(VALUES), batch_size=4, shuffle=True)

    expected = [images for (images,) in loader()]
    mine = loader()
    before = torch.get_rng_state()
    assert all(torch.equal(a.inputs["a"], b) for a, b in zip(streamed(mine), expected, strict=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_stream_draws_go_on_from_batch_to_batch():
    class Noise:
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return torch.rand(3, 2, 2)

    first, second = streamed(DataLoader(Noise(), batch_size=2))
    assert not torch.equal(first.inputs["a"], second.inputs["a"])


def test_stream_closed_early_ends_its_workers():
    before = children()
    loading = Stream(DataLoader(TensorDataset(VALUES), batch_size=1, num_workers=1)).load(["a"])
    next(loading)
    assert len(children() - before) == 1
    loading.close()
    del loading
    assert children() <= before


def test_stream_fingerprints_are_never_the_same():
    assert Stream([VALUES]).fingerprint != Stream([VALUES]).fingerprint


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ([], "stream from a list: it is empty"),
        ([VALUES.byte()], r"gives a uint8 tensor of shape \(10, 3, 2, 2\). Its batches must be floating-point"),
        ([VALUES[0]], r"gives a float32 tensor of shape \(3, 2, 2\)"),
        ([["a.png"]], "gives a str. Its batches must be"),
        ([{"imgae": VALUES}], "gives dicts without pixel_values, image, images. Closest: imgae."),
        ([VALUES, VALUES[..., :1]], r"differ in shape: \(3, 2, 2\) and \(3, 2, 1\)"),
    ],
)
def test_stream_refusals(source, words):
    with pytest.raises(RunError, match=words):
        streamed(source, batch=4)


def test_stream_batch_of_nothing():
    with pytest.raises(StudyError, match="batch = 0: a batch holds at least 1 image"):
        Stream([VALUES], 0)


def test_broken_bytes_in_a_table_leave_their_batch_smaller(tmp_path):
    import datasets

    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "png")
    cells = [{"bytes": file.getvalue() if index != 2 else b"?", "path": None} for index in range(4)]
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"image": cells}).to_parquet(tmp_path / "t.parquet")
    [batch] = load(Parquet(tmp_path / "t.parquet", cache=tmp_path), [[3, 2, 0]], {"a": plain()}, tolerance=0.5)
    assert (batch.ids, [failure.id for failure in batch.failed]) == (("3", "0"), ["2"])
