"""The same cases, chosen by the code that they reach: libFuzzer by way of atheris, each property in its own process.

python tests/hostile/guided.py RUNS [TEST...]      RUNS cases of each property, or of those named
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

HERE = Path(__file__).parent
RUNS = int(os.environ.get("GUIDED", "0"))  # set in the process of one property


def guided(test: Callable) -> Callable:
    """A hypothesis test whose cases atheris makes; the process ends with it."""

    @wraps(test, updated=())  # not as a test of hypothesis, which pytest would have hypothesis run
    def running(**fixtures):
        import atheris
        from hypothesis import given

        made = test.hypothesis  # type: ignore[attr-defined]

        @given(**made._given_kwargs)
        def drawn(**values):
            made.inner_test(**fixtures, **values)

        artifacts = f"-artifact_prefix={os.environ['GUIDED_OUT']}/"
        options = ["-seed=1", f"-runs={RUNS}", "-timeout=120", "-rss_limit_mb=0", "-len_control=0", "-max_len=4096"]
        atheris.Setup([sys.argv[0], *options, artifacts], drawn.hypothesis.fuzz_one_input)
        atheris.Fuzz()

    running.hypothesis = test.hypothesis  # type: ignore[attr-defined]  # a test may ask what another asks
    return running


def main(runs: str, *tests: str) -> int:
    """How many properties did not hold."""
    out = Path.cwd() / "build" / "guided"
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for test in tests or properties():
        environment = {**os.environ, "GUIDED": runs, "GUIDED_OUT": str(out)}
        command = [sys.executable, __file__, "--in-process", test]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
        reached = re.findall(r"#(\d+)\s+\w+\s+cov: (\d+)", ended.stderr)
        done = bool(re.search(r"Done \d+ (runs|in)", ended.stderr))
        failed += not done
        cases, points = reached[-1] if reached else ("0", "0")
        print(
            f"{'clean' if done else 'FAILED'}  {test.rpartition('::')[2]}: {int(cases):,} cases, {points} branches",
            flush=True,
        )
        if not done:
            print(ended.stdout[-3000:], ended.stderr[-6000:], sep="\n", flush=True)
    return failed


def properties() -> list[str]:
    """The tests whose cases hypothesis draws."""
    found = {path: re.findall(r"@cases\((?:.|\n)*?\ndef (\w+)", path.read_text("utf8")) for path in HERE.glob("test_*")}
    return [f"{path}::{name}" for path in sorted(found) for name in found[path]]


def one(test: str) -> int:
    """In a process of its own: what is imported from here on tells which branches are taken."""
    import atheris
    import pytest

    with atheris.instrument_imports(include=["seealike"]):
        return pytest.main([test, "-n0", "-q", "-s", "-p", "no:cacheprovider", "-o", "addopts="])


if __name__ == "__main__":
    sys.exit(one(sys.argv[2]) if sys.argv[1] == "--in-process" else min(main(*sys.argv[1:]), 1))
