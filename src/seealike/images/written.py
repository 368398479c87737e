"""What a function of the user's returns, written as `file.py:function`: images, or a model."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from seealike.errors import SeealikeError, StudyError, closest
from seealike.images.paths import missing, possible


def call(written: str, folder: str | Path = ".", options: Mapping[str, Any] | None = None) -> Any:
    """What the function returns for these options; its file, meant from `folder`, may import what lies beside it."""
    file, _, function = written.rpartition(":")
    path = possible((Path(folder) / Path(file).expanduser()).absolute())
    if not path.is_file():
        raise StudyError(f"{written}: {'this is a folder.' if path.is_dir() else missing(path)}")
    with _importing(path.parent):
        module = _tried(lambda: _module(path), written)
        made = getattr(module, function, None)
        if not callable(made):
            names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
            raise StudyError(f"{written}: no function {function!r} in {path.name}. {closest(function, names)}")
        return _tried(lambda: made(**(options or {})), written)


def _module(path: Path) -> ModuleType:
    name = f"seealike_written_{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(name, path)
    assert spec and spec.loader  # there is a loader for every path that ends in .py
    module = sys.modules[name] = module_from_spec(spec)  # known by name, so that what it defines can be pickled
    spec.loader.exec_module(module)
    return module


@contextmanager
def _importing(folder: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _tried(action: Callable[[], Any], where: str) -> Any:
    try:
        return action()
    except SeealikeError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise StudyError(f"{where} raised {type(error).__name__}: {error}") from error
