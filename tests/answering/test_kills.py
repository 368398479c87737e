"""A run killed at random moments, and started again each time, ends as one that nobody disturbed."""

import multiprocessing
import os
import random
import sys
import time
from pathlib import Path

import pytest
from small_study import run, same, written

from seealike.results import Results

KILLS = int(os.environ.get("KILLS", "50"))


def quietly(folder: Path) -> None:
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout = sys.stderr = nowhere
        run(folder, "out")


def started(folder: Path) -> multiprocessing.process.BaseProcess:
    """A process of its own, that finds everything imported."""
    process = multiprocessing.get_context("fork").Process(target=quietly, args=(folder,))
    process.start()
    return process


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_run_killed_at_random_moments_ends_in_the_same_answers(tmp_path):
    """Each time it is killed at a moment of the time that a whole run takes: as it begins, sums, keeps or writes."""
    whole = written(tmp_path / "whole")
    begun = time.monotonic()
    process = started(whole)
    process.join()
    seconds = time.monotonic() - begun
    chance = random.Random(0)
    killed, kept, ended = 0, 0, 0
    folder = written(tmp_path / "killed")
    while killed < KILLS:
        process = started(folder)
        process.join(chance.uniform(0, seconds))
        if process.exitcode is None:
            process.kill()
            killed += 1
        process.join()
        kept += (folder / "out" / "partial").exists()
        if process.exitcode == 0:  # to its end before it could be killed
            ended += 1
            same(Results(whole / "out"), Results(folder / "out"))
            folder = written(tmp_path / f"killed{killed}-{ended}")
    same(Results(whole / "out"), run(folder, "out"))
    assert not list((folder / "out").glob(".*.nc.*"))
    print(f"\n{killed} times killed, {ended + 1} times to the end, sums lay there {kept} times; equal to the bit")
    assert kept > KILLS / 10
