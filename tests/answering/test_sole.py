"""Two runs do not write into one folder."""

import pytest
from filelock import FileLock
from small_study import run, written

from seealike.answering.sole import sole
from seealike.errors import StudyError


def test_a_second_run_is_refused_and_nothing_is_lost(tmp_path):
    with sole(tmp_path), pytest.raises(StudyError, match="another run is writing its answers there"), sole(tmp_path):
        pass
    with sole(tmp_path):  # the first has ended
        pass


def test_the_run_itself_refuses(tmp_path):
    folder = written(tmp_path)
    (folder / "out").mkdir()
    with FileLock(folder / "out" / ".running"), pytest.raises(StudyError, match="give another --out"):
        run(folder, "out")
    assert [p.name for p in (folder / "out").iterdir()] == [".running"]


def test_what_a_killed_run_left_unfinished_is_removed(tmp_path):
    (tmp_path / "rounds").mkdir()
    left = [tmp_path / ".a-12.nc.4711", tmp_path / "rounds" / ".b-13.nc.4711"]
    kept = [tmp_path / "a-12.nc", tmp_path / ".notes", tmp_path / "report.html"]
    for path in left + kept:
        path.write_text("half")
    with sole(tmp_path):
        pass
    assert not any(path.exists() for path in left) and all(path.exists() for path in kept)
