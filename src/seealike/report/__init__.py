"""The report: every answer of a folder on one page, which opens anywhere and asks for nothing. Needs no torch."""

from dataclasses import replace
from pathlib import Path

from seealike.errors import SeealikeError, StudyError
from seealike.report.gathering import Answer, Gathered, gather
from seealike.report.page import page
from seealike.results import aside

__all__ = ["write"]


def write(folder: str | Path, out: str | Path | None = None) -> Path:
    """The page written: `folder/report.html`, or `out`. The same answers give the same bytes.

    An answer that cannot be read is named on the page, which shows all others.

    >>> from tempfile import TemporaryDirectory
    >>> import xarray as xr
    >>> from seealike import results
    >>> with TemporaryDirectory() as folder:
    ...     _ = results.write(Path(folder), "similarity", "3f9a", xr.Dataset({"cka": 0.5}))
    ...     write(folder).name
    'report.html'
    """
    folder = Path(folder)
    gathered = gather(folder)
    path = folder / "report.html" if out is None else Path(out)
    if path.is_dir():
        raise StudyError(f"{path} is a folder. Name the file to write, for example {path / 'report.html'}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with aside(path) as unfinished:
        # names of files may hold bytes that are no text
        unfinished.write_text(_whole(gathered), "utf8", errors="backslashreplace", newline="\n")
    return path


def _whole(gathered: Gathered) -> str:
    """The page; an answer with variables that other hands wrote is named on it, and all others are shown."""
    try:
        return page(gathered)
    except SeealikeError:
        raise
    except Exception:
        broken = {answer: said for answer in gathered.answers if (said := _broken(answer, gathered))}
        if not broken:
            raise
        kept = tuple(answer for answer in gathered.answers if answer not in broken)
        return page(replace(gathered, answers=kept, unreadable=(*gathered.unreadable, *broken.values())))


def _broken(answer: Answer, gathered: Gathered) -> str:
    """Why an answer cannot be shown; nothing where it can."""
    try:
        page(replace(gathered, answers=(answer,), unreadable=()))
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return f"{answer.path} cannot be shown ({said}). Delete it and run the study again."
    return ""
