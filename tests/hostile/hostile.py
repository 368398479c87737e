"""Cases as a disk, a network or an enemy makes them, and what may come of one: a message, and nothing else."""

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

from guided import RUNS, guided
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from seealike.errors import SeealikeError

CASES = int(os.environ.get("CASES", "0"))  # of `make fuzz`; without it a few cases are tried, always the same
SECONDS, MEMORY = 60, 12 << 30  # of one of many cases
TELL = 1000  # cases between two lines of progress
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
ACTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "pickle.find_class")
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.truncate")
PASSED_BY = ("__pycache__", "/dev/null")

_watching: list[tuple[tuple[str, ...], list[str]]] = []
_tried = 0


def cases(share: float, few: int) -> Callable:
    """How many examples of a property: a share of CASES, or a few; the same ones each time."""
    examples = max(round(share * CASES), 1) if CASES else few
    how = settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )

    def counting(test: Callable) -> Callable:
        if RUNS:
            return guided(test)
        inner = test.hypothesis.inner_test  # type: ignore[attr-defined]

        @wraps(inner)
        def counted(*arguments, **named):
            count()
            with soon_over():
                return inner(*arguments, **named)

        test.hypothesis.inner_test = counted  # type: ignore[attr-defined]
        return how(test)

    return counting


@contextmanager
def refused(*writable: Path) -> Iterator[None]:
    """One case: what happens inside may end in a message to the user, and changes nothing but what is `writable`."""
    noticed: list[str] = []
    _watching.append((tuple(map(str, writable)), noticed))
    try:
        yield
    except SeealikeError as error:
        assert str(error).strip(), "a refusal without a word"
    finally:
        _watching.pop()
    assert not noticed, noticed


@contextmanager
def soon_over() -> Iterator[None]:
    """Of many cases none may go on for ever, nor fill all memory."""
    if not CASES:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def _too_long(*_):
    raise AssertionError(f"a case takes longer than {SECONDS} seconds")


def count(more: int = 1) -> None:
    """Tell now and then how many cases were tried."""
    global _tried  # noqa: PLW0603
    _tried += more
    if CASES and _tried % TELL == 0:
        print(f"{_tried:,} of {CASES:,} cases", file=sys.stderr, flush=True)


def _notice(event: str, arguments: tuple) -> None:
    """Python tells of what it is about to do to the world."""
    if not _watching:
        return
    writable, noticed = _watching[-1]
    if event in ACTS:
        noticed.append(f"{event} {arguments!r}"[:300])
    if event in CHANGES and isinstance(arguments[-1], int) and arguments[-1] >= 0:
        return  # a name within an open folder, as a tree is removed: what opened it was noticed
    if event in CHANGES or (event == "open" and _writes(*arguments[1:])):
        path = str(arguments[0])
        if (
            not isinstance(arguments[0], int)
            and not path.startswith(writable)
            and not any(p in path for p in PASSED_BY)
        ):
            noticed.append(f"{event} {path}")


def _writes(mode: str | None, flags: int) -> bool:
    return any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & WRITES)


sys.addaudithook(_notice)

# What is done to bytes: (how, where as a share of the whole, with what)
Change = tuple[str, float, bytes]
CHANGED = st.lists(
    st.tuples(
        st.sampled_from(("flip", "put", "insert", "cut", "repeat", "end")),
        st.floats(0, 1, exclude_max=True),
        st.one_of(
            st.binary(min_size=1, max_size=8),
            st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xff" * 8, b"\0" * 8]),
        ),
    ),
    min_size=1,
    max_size=6,
)


def changed(whole: bytes, changes: Sequence[Change]) -> bytes:
    """The bytes after these changes."""
    found = bytearray(whole)
    for how, share, what in changes:
        at = int(share * len(found))
        if how == "flip" and found:
            found[at] ^= what[0] or 1
        elif how == "put":
            found[at : at + len(what)] = what
        elif how == "insert":
            found[at:at] = what
        elif how == "cut":
            del found[at : at + 16 * len(what)]
        elif how == "repeat":
            found[at:at] = found[at : at + 16 * len(what)]
        elif how == "end":
            del found[at:]
    return bytes(found)


LETTERS = st.sampled_from(
    [
        "",
        "x",
        "..",
        "/",
        "../../x",
        "/etc/passwd",
        "a" * 300,
        "\0",
        "\n",
        "\u2028",
        "<b>&\"'",
        "*",
        "**",
        "[",
        "é",
        "\x1b[2J",
    ]
)
TEXTS = st.one_of(LETTERS, st.text(max_size=12), st.lists(LETTERS, max_size=4).map("".join))
NUMBERS = st.one_of(
    st.integers(-3, 300), st.sampled_from([2**31, 2**63, -(2**63), 10**30, 10**400]), st.floats(), st.booleans()
)
PLAIN = st.one_of(TEXTS, NUMBERS)
# What a TOML or a JSON file can say
VALUES = st.recursive(
    PLAIN, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)), max_leaves=6
)
