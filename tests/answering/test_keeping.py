"""A run that is stopped goes on where it was, and ends in the same answers to the bit."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from small_study import STUDY, run, same, written

from seealike.answering import keeping, sweeping
from seealike.answering.keeping import Place, Sweep
from seealike.answering.packing import Summed, packed, unpacked
from seealike.answering.ranks import Ranks
from seealike.errors import RunError
from seealike.images.batch import Failure, Seen
from seealike.kernel import Tap, Totals
from seealike.results import Results
from seealike.statistics.average import Average
from seealike.statistics.moments import Moments
from seealike.statistics.rows import Rows


@pytest.fixture
def folder(tmp_path) -> Path:
    return written(tmp_path)


@pytest.fixture
def stop(monkeypatch):
    """Something that is done when the n-th batch has come, counted from now on."""
    state = {"left": -1, "come": 0, "what": lambda: None}
    note = Seen.note

    def counted(self, batch):
        note(self, batch)
        state["left"] -= 1
        state["come"] += 1
        if state["left"] == 0:
            state["what"]()

    def at(count: int, what=None) -> dict:
        state.update(left=count, come=0, what=what or interrupt)
        return state

    monkeypatch.setattr(Seen, "note", counted)
    return at


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Results:
    return run(written(tmp_path_factory.mktemp("undisturbed")), "out", 60.0)


def test_a_run_stopped_again_and_again_ends_in_the_same_answers(folder, stop, undisturbed):
    stopped = 0
    for count in (5, 16, 9, 2, 7, 25, 4, 12, 1, 3):
        stop(count)
        try:
            run(folder, "out")
        except KeyboardInterrupt:
            stopped += 1
    stop(0)
    same(undisturbed, run(folder, "out"))
    assert stopped >= 7
    assert not (folder / "out" / "partial").exists()


def test_what_was_summed_is_not_read_again(folder, stop):
    whole = stop(0)
    run(folder, "whole")
    count = whole["come"]
    stop(count - 3)
    with pytest.raises(KeyboardInterrupt):
        run(folder, "out")
    again = stop(0)
    run(folder, "out")
    assert again["come"] < count / 2


def test_all_that_was_summed_is_kept_while_answers_are_read(folder, stop, monkeypatch, undisturbed):
    def broken(*_):
        raise RunError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(sweeping, "reading", broken)
        with pytest.raises(RunError, match="broken"):
            run(folder, "out")
    assert list((folder / "out" / "partial").iterdir())
    same(undisturbed, run(folder, "out"))


def test_the_end_that_is_asked_for_comes_when_sums_are_whole(folder, stop, undisturbed):
    stop(40, lambda: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(RunError, match=r"stopped from outside \(SIGTERM\). Start the same command again"):
        run(folder, "out", 1000.0)
    assert signal.getsignal(signal.SIGTERM) is before
    assert len(list((folder / "out" / "partial").iterdir())) == 1
    stop(0)
    same(undisturbed, run(folder, "out", 1000.0))


def test_without_a_reason_nothing_is_kept_before_its_time(folder, stop):
    stop(40)
    with pytest.raises(KeyboardInterrupt):
        run(folder, "out", 1000.0)
    assert not (folder / "out" / "partial").exists()


def test_what_was_begun_is_ended_before_what_is_new(folder, stop):
    stop(40)
    with pytest.raises(KeyboardInterrupt):
        run(folder, "out")
    (folder / "study.toml").write_text(STUDY + '[ask.new]\nmeasure = "cka"\nlayers = "net:2"\nview = "mean"\n')
    stop(0)
    answers = run(folder, "out")
    assert set(answers) == {"similarity", "near", "right", "fields", "probe", "new"}


@pytest.mark.parametrize(("old", "new"), [("size = 10", "size = 10\nseed = 4"), ("batch = 4", "batch = 6")])
def test_another_question_does_not_go_on_from_there(folder, stop, old, new):
    stop(40)
    with pytest.raises(KeyboardInterrupt):
        run(folder, "out")
    (folder / "study.toml").write_text(STUDY.replace(old, new))
    stop(0)
    same(run(folder, "anew"), run(folder, "out"))


def test_a_file_that_ends_too_soon_is_as_if_it_were_not(folder, stop, undisturbed):
    stop(40)
    with pytest.raises(KeyboardInterrupt):
        run(folder, "out")
    (kept,) = (folder / "out" / "partial").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1000])
    stop(0)
    same(undisturbed, run(folder, "out"))


def test_a_full_disk_on_the_way_is_told_once_and_stops_nothing(folder, monkeypatch, capfd, undisturbed):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keeping, "save_file", full)
    same(undisturbed, run(folder, "out"))
    said = [line for line in capfd.readouterr().err.splitlines() if "seealike: " in line]
    assert said and all("sums cannot be kept on the way (No space left on device). The run goes on" in s for s in said)


A, B, C = (Tap("net", name) for name in "abc")
NAMES = {Average(A): "average", Moments(A, B): "moments", Rows(C): "rows"}


def summed(batches: range, device: str = "cpu") -> Summed:
    found = Summed(seen=Seen(set(batches), 3 * len(batches), {batches[0]: (Failure("x.png", "broken"),)}))
    for k in batches:
        x, y = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(k))
        index = torch.arange(3 * k, 3 * k + 3)
        parts = {Average(A): (x,), Moments(A, B): (x, y), Rows(C): (x, index)}
        found.totals.add(k, 3, {s: s.lift(*seen) for s, seen in parts.items()})
    return found


def states(totals: Totals) -> Iterator[tuple[Any, torch.Tensor]]:
    for g, group in enumerate(totals.groups):
        for statistic, state in group.items():
            for key, value in state.items():
                yield (g, statistic, key), value


def equal(one: Summed, other: Summed) -> None:
    assert one.seen == other.seen
    assert one.totals.images == other.totals.images
    first, second = dict(states(one.totals)), dict(states(other.totals))
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_sums_come_back_as_they_were_packed():
    one = summed(range(20))
    found = unpacked(*packed(one, NAMES), NAMES, "cpu")
    assert found is not None
    equal(one, found)
    fewer = {s: n for s, n in NAMES.items() if n != "rows"}
    found = unpacked(*packed(one, NAMES), fewer, "cpu")
    assert found is not None and {s for g in found.totals.groups for s in g} == set(fewer)
    more = {**NAMES, Average(C): "more"}
    assert unpacked(*packed(one, NAMES), more, "cpu") is None


@dataclass(frozen=True)
class Told(Ranks):
    """Processes one after the other, the first of them first."""

    said: ClassVar[list[Any]] = [None]

    def agreed(self, said: Any) -> Any:
        if said is not None and self.first:
            self.said[0] = said
        return self.said[0]


def place(folder: Path, rank: int, world: int) -> Place:
    return Place(folder, Sweep("sweep", ()), Told(rank, world), NAMES)


def test_as_many_processes_as_before_take_what_each_has_kept(tmp_path):
    for rank in range(3):
        place(tmp_path, rank, 3).write(summed(range(rank, 20, 3)))
    for rank in range(3):
        found, done = place(tmp_path, rank, 3).read("cpu")
        equal(found, summed(range(rank, 20, 3)))
        assert done == set(range(20))


@pytest.mark.parametrize("world", [1, 2, 4])
def test_another_number_of_processes_takes_all_that_was_kept_once(tmp_path, world):
    whole = summed(range(20))
    for rank in range(3):
        place(tmp_path, rank, 3).write(summed(range(rank, 20, 3)))
    found, done = place(tmp_path, 0, world).read("cpu")
    assert done == set(range(20)) and found.seen.images == whole.seen.images
    one, other = dict(states(found.totals)), dict(states(whole.totals))
    assert one.keys() == other.keys()
    for key, value in one.items():
        torch.testing.assert_close(value, other[key], msg=str(key))
    (left,) = tmp_path.iterdir()
    assert left == place(tmp_path, 0, world).own
    # stopped before the others were removed: they are in it already
    place(tmp_path, 1, 3).write(summed(range(1, 20, 3)))
    assert place(tmp_path, 0, world).read("cpu")[1] == set(range(20))


def test_what_was_joined_is_not_summed_again_in_as_many_processes_as_first(tmp_path):
    """Three, then one, and stopped before the files of the three were removed; then three again."""
    for rank in range(3):
        place(tmp_path, rank, 3).write(summed(range(rank, 20, 3)))
    place(tmp_path, 0, 3).write(summed(range(20)))
    found = [place(tmp_path, rank, 3).read("cpu") for rank in range(3)]
    assert [set(f.seen.batches) for f, _ in found] == [set(range(20)), set(), set()]
    assert all(done == set(range(20)) for _, done in found)


def test_sums_that_lack_what_is_asked_count_for_nobody(tmp_path):
    for rank in range(2):
        place(tmp_path, rank, 2).write(summed(range(rank, 20, 2)))
    asked = {**NAMES, Average(B): "more"}
    for rank in range(2):
        found, done = Place(tmp_path, Sweep("sweep", ()), Told(rank, 2), asked).read("cpu")
        assert not found.seen.batches and not done


def test_what_is_kept_says_of_which_questions_it_is(folder, stop):
    stop(40)
    with pytest.raises(KeyboardInterrupt):
        run(folder, "out")
    (kept,) = (folder / "out" / "partial").iterdir()
    assert len(json.loads(keeping._texts(kept)["questions"])) >= 1
    assert kept.name.endswith(".0-of-1.safetensors")
