"""The report: every answer of a folder on one page, which opens anywhere and asks for nothing. Needs no torch."""

from pathlib import Path

from seealike.errors import StudyError
from seealike.report.gathering import gather
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
        unfinished.write_text(page(gathered), "utf8", newline="\n")
    return path
