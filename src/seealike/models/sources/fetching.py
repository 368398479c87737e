"""Libraries kept quiet, and weights at plain addresses; what fails to arrive is told by `images.fetching`."""

import contextlib
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

from seealike.images.fetching import (
    CONNECTED,
    SECONDS,
    Unfetchable,
    fetching,
    from_hub,
    hub,
    in_words,
    unreachable,
)
from seealike.models.trace import quiet

__all__ = ["CONNECTED", "Unfetchable", "downloading", "fetching", "from_hub", "hub", "in_words", "silenced"]

CHATTY = ("timm", "transformers", "huggingface_hub", "torchvision")


@contextmanager
def silenced() -> Iterator[None]:
    """No bars, warnings or messages of the model libraries: what matters of them is in their exceptions."""
    loggers = [logging.getLogger(name) for name in CHATTY]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with quiet(), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def downloading(what: str, url: str) -> Iterator[None]:
    """`Unfetchable` for one file at a plain address, which has to answer before the download starts."""
    reason = unreachable(url, _ask)
    if reason is not None:
        raise Unfetchable(what, reason)
    with fetching(what):
        yield


def _ask(url: str) -> None:
    urlopen(Request(url, method="HEAD"), timeout=SECONDS).close()
