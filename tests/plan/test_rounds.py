"""Questions that others need answered first, and passes cut to the memory there is."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
import xarray as xr
from small import images, stirred
from torch import nn
from torch.utils.data import DataLoader

import seealike
from seealike import answering
from seealike.answering import sweeping
from seealike.errors import StudyError
from seealike.images.tensors import Tensors
from seealike.kernel import FOUND, SET, Earlier, Measure, Selected, Tap
from seealike.plan import make_plan
from seealike.plan.forecast import forecast
from seealike.plan.machine import Machine
from seealike.plan.memory import in_bytes, words
from seealike.results import Results
from seealike.statistics.average import Average, mean
from seealike.study import Ask, ImagesSource, Study
from seealike.views.pooling import Pool

SIZE, LARGE = (3, 4, 4), 1000


@dataclass(frozen=True)
class Large(Average):
    """As if one of its sums were of 1000 bytes."""

    @property
    def bytes(self):
        return LARGE


@dataclass(frozen=True)
class Centre(Measure):
    """The mean of a layer."""

    name: ClassVar[str] = "centre"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "none"

    layer: Selected

    def bind(self, sources):
        return self

    def needs(self, *earlier):
        return (Large(Tap(self.layer.source, self.layer.tensor, Pool("mean"))),)

    def read(self, *totals):
        return xr.Dataset({"centre": ("channel", mean(totals[0]).numpy())})


@dataclass(frozen=True)
class Apart(Measure):
    """How far the mean of each layer over these images lies from that over others."""

    name: ClassVar[str] = "apart"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "none"

    others: str | None = field(default=None, metadata={SET: True})
    of: str | None = field(default=None, metadata={SET: True})
    shots: int | None = None
    bound: tuple[Selected, ...] = field(default=(), metadata={FOUND: True})
    known: tuple[xr.Dataset, ...] = field(default=(), metadata={FOUND: True}, compare=False)

    @property
    def sets(self):
        return (self.others,)

    @property
    def asked_of(self):
        return self.of

    def bind(self, sources):
        return replace(self, bound=sources.select("net:**"))

    def earlier(self):
        return tuple(Earlier(Centre(s), self.others, self.shots) for s in self.bound)

    def knowing(self, *earlier):
        return replace(self, known=earlier)

    def needs(self, *earlier):
        assert len(earlier) in (0, len(self.bound))
        return tuple(Average(Tap(s.source, s.tensor, Pool("mean"))) for s in self.bound)

    def read(self, *totals):
        pairs = zip(totals, self.known, strict=True)
        values = [float((mean(total) - torch.from_numpy(one.centre.values)).norm()) for total, one in pairs]
        return xr.Dataset({"apart": ("layer", values)}, {"layer": [str(s) for s in self.bound]})


NET = stirred(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 5, 1)))
TRAIN, TEST, OTHER = (Tensors(images(n, SIZE, seed=n), torch.arange(n) % 3) for n in (40, 48, 44))


def study(asks=None, batch=8, **sets):
    asks = asks or {"far": Apart("train")}
    named = {name: ImagesSource(source) for name, source in (sets or {"test": TEST, "train": TRAIN}).items()}
    return Study({"net": NET}, named, {name: Ask(measure) for name, measure in asks.items()}, batch=batch)


ROUNDING = 1e-8  # of means of float32, whose differences are compared


def expected(test=TEST, train=TRAIN):
    x, y = test.tensor, train.tensor
    found = []
    for layer in NET:
        x, y = layer(x), layer(y)
        found.append(float((x.double().mean((0, 2, 3)) - y.double().mean((0, 2, 3))).norm().detach()))
    return found


@pytest.fixture
def passes(monkeypatch):
    """How many statistics each sweep over images sums, and how many images it sees."""
    made: list = []
    fold = sweeping.fold

    def counted(statistics, batches, *rest):
        seen = list(batches)
        made.append((len(statistics), sum(len(b.ids) for b in seen)))
        return fold(statistics, seen, *rest)

    monkeypatch.setattr(sweeping, "fold", counted)
    return made


def test_what_is_needed_is_answered_first_and_kept_aside(tmp_path, passes):
    results = seealike.run(study(), tmp_path)
    assert passes == [(3, 40), (3, 48)] and list(results) == ["far"]
    found = results["far"]
    np.testing.assert_allclose(found.apart, expected(), rtol=1e-6, atol=ROUNDING)
    assert found.layer.values.tolist() == ["net:0", "net:1", "net:2"] and (found.apart_se > 0).all()
    rounds = sorted((tmp_path / "rounds").iterdir())
    assert len(rounds) == 3 and all(path.name.startswith("far.centre-") for path in rounds)
    before = Results.load(rounds[0])
    assert before.attrs["images"]["name"] == "train" and before.attrs["measure"] == "centre"
    assert found.attrs["earlier_images"] == [before.attrs["images"]] and found.attrs["images"]["name"] == "test"


def test_nothing_is_asked_twice(tmp_path, passes):
    seealike.run(study(), tmp_path)
    seealike.run(study(), tmp_path)
    assert len(passes) == 2
    # other test images: what was learned from the training images is known
    results = seealike.run(study(test=OTHER, train=TRAIN), tmp_path)
    assert passes[2:] == [(3, 44)]
    np.testing.assert_allclose(results["far"].apart, expected(OTHER), rtol=1e-6, atol=ROUNDING)
    # other training images: all is asked again
    results = seealike.run(study(test=TEST, train=OTHER), tmp_path)
    assert passes[3:] == [(3, 44), (3, 48)]
    np.testing.assert_allclose(results["far"].apart, expected(TEST, OTHER), rtol=1e-6, atol=ROUNDING)


def test_what_sets_are_called_changes_nothing(tmp_path, passes):
    seealike.run(study(), tmp_path)
    renamed = study({"wide": Apart("school", of="exam")}, first=OTHER, exam=TEST, school=TRAIN)
    results = seealike.run(renamed, tmp_path)
    assert len(passes) == 2 and sorted(results) == ["far", "wide"]
    np.testing.assert_array_equal(results["wide"].apart, results["far"].apart)


def test_an_interrupted_study_goes_on_where_it_was(tmp_path, passes, monkeypatch):
    def stop(self, *totals):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Apart, "read", stop)
        with pytest.raises(KeyboardInterrupt):
            seealike.run(study(), tmp_path)
    assert passes == [(3, 40), (3, 48)] and list(Results(tmp_path)) == []
    results = seealike.run(study(), tmp_path)
    assert passes[2:] == [(3, 48)]
    np.testing.assert_allclose(results["far"].apart, expected(), rtol=1e-6, atol=ROUNDING)


def test_questions_share_what_they_need(tmp_path, passes):
    asks = {"far": Apart("train"), "same": Apart("train"), "centre": Centre(Selected("net", "0", 0.0))}
    results = seealike.run(study(asks), tmp_path)
    # the third waits for nothing, and is asked in the pass over the same images that the others wait for
    assert passes == [(3, 40), (4, 48)] and len(results) == 3
    np.testing.assert_array_equal(results["far"].apart, results["same"].apart)


@pytest.mark.parametrize("others", ["test", None])
def test_a_question_may_need_the_same_images(tmp_path, passes, others):
    results = seealike.run(study({"far": Apart(others)}, test=TEST), tmp_path)
    assert passes == [(3, 48), (3, 48)]
    np.testing.assert_allclose(results["far"].apart, 0, atol=1e-7)


def test_without_a_folder_answers_are_passed_on(passes):
    plan, known = make_plan(study()), {}
    found = [a for p in plan.passes for q, a, _ in answering.answers(plan, p, known) if q.ask]
    np.testing.assert_allclose(found[0].apart, expected(), rtol=1e-6, atol=ROUNDING)
    assert len(known) == 3 and all(isinstance(one, xr.Dataset) for one in known.values())


def test_a_few_of_each_class(tmp_path, passes):
    results = seealike.run(study({"far": Apart("train", shots=5)}), tmp_path)
    assert passes == [(3, 15), (3, 48)]
    (images_of,) = results["far"].attrs["earlier_images"]
    assert images_of["count"] == 15 and images_of["chosen"] == "5 of each class, 0"
    seealike.run(study({"far": Apart("train", shots=6)}), tmp_path)
    assert passes[2:] == [(3, 18), (3, 48)]


@pytest.mark.parametrize(("memory", "sweeps"), [(17 * LARGE, 3), (2 * 17 * LARGE, 2), (3 * 17 * LARGE, 1)])
def test_what_does_not_fit_together_is_cut_into_sweeps(tmp_path, passes, memory, sweeps):
    """A sum is kept in 16 groups, and a batch adds one."""
    results = seealike.run(study(), tmp_path, memory=memory)
    assert [images for _, images in passes] == [40] * sweeps + [48]
    assert sum(count for count, _ in passes[:-1]) == 3
    np.testing.assert_allclose(results["far"].apart, expected(), rtol=1e-6, atol=ROUNDING)


def test_a_plan_tells_of_sweeps_and_of_what_is_known(tmp_path):
    said = "\n".join(forecast(make_plan(study(), machine=Machine(memory=2 * 17 * LARGE))))
    assert "ask.far.centre: 3 questions to be known before, 3 to answer" in said
    assert "sums: about 34kB of 34kB for them, 2 sweeps over the images" in said
    seealike.run(study(), tmp_path)
    said = "\n".join(forecast(make_plan(study(test=OTHER, train=TRAIN), tmp_path)))
    assert "3 questions to be known before, 0 to answer" in said and "sweep" not in said


def test_one_question_that_cannot_fit_is_refused():
    with pytest.raises(StudyError) as error:
        make_plan(study(), machine=Machine(memory=17 * LARGE - 1))
    assert str(error.value) == (
        "far.centre: the sums of net:0 need 17kB, and 17kB may be used; memory = 17kB would do, or a view of fewer "
        "numbers, or fewer classes."
    )


def test_a_stream_is_read_once():
    def stream():
        return DataLoader(TEST.tensor, batch_size=8)

    with pytest.raises(StudyError, match=r"^test: these images can be read only once, and the questions need 2 sweeps"):
        make_plan(study({"far": Apart("test")}, test=stream()))
    plan, known = make_plan(study(test=stream(), train=TRAIN)), {}
    found = [a for p in plan.passes for q, a, _ in answering.answers(plan, p, known) if q.ask]
    np.testing.assert_allclose(found[0].apart, expected(), rtol=1e-6, atol=ROUNDING)
    other = make_plan(study(test=TEST, train=DataLoader(TRAIN.tensor, batch_size=8)))
    assert [p.run.count for p in other.passes] == [None, 48]


def test_what_the_images_are_must_be_the_same_for_both():
    small = Tensors(images(40, (3, 2, 2)))
    with pytest.raises(StudyError, match=r"^net gets images of size 3x2x2 from train, and 3x4x4 from test: make them"):
        make_plan(study(test=TEST, train=small))


def test_two_ways_of_saying_what_is_asked():
    asks = {"far": Ask(Apart("train", of="test"), images="train")}
    both = Study({"net": NET}, {"test": ImagesSource(TEST), "train": ImagesSource(TRAIN)}, asks)
    said = r'^ask\.far: images = "train", but the question is asked of "test"\. Leave one out\.$'
    with pytest.raises(StudyError, match=said):
        make_plan(both)
    with pytest.raises(StudyError, match=r'^images "tests": the study has no such images\.'):
        make_plan(study({"far": Apart("tests")}))


def test_memory_is_written_as_people_write_it():
    assert [in_bytes(t) for t in ("4GB", "0.5 mb", "12", " 2TB ", "3kB")] == [4 * 10**9, 500_000, 12, 2 * 10**12, 3000]
    assert [words(n) for n in (1, 1000, 34_000, 2_550_000_000)] == ["1B", "1kB", "34kB", "2.6GB"]
    for text in ("", "4 GiB", "many", "0GB", "-1GB"):
        with pytest.raises(StudyError, match="write a number and a unit, such as 4GB or 500MB"):
            in_bytes(text)
    with pytest.raises(StudyError, match=r"^memory = 0: at least 1 byte; leave it out to use half of what is free\.$"):
        Machine(memory=0)
