"""One run to a folder of answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from seealike.errors import StudyError

LOCK = ".running"


@contextmanager
def sole(out: Path) -> Iterator[None]:
    """This run alone writes into a folder; what another left unfinished there is removed."""
    lock = FileLock(out / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise StudyError(
            f"{out}: another run is writing its answers there. Wait until it has ended, or give another --out."
        ) from None
    except NotImplementedError:  # a file system without locks
        pass
    try:
        for folder in (out, *(p for p in out.iterdir() if p.is_dir())):
            for unfinished in folder.glob(".*.nc.*"):
                unfinished.unlink(missing_ok=True)
        yield
    finally:
        lock.release()
