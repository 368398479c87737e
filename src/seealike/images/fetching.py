"""Downloads that fail in seconds and say why; the libraries retry for a minute and print pages about it."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import urlparse

from seealike.errors import SeealikeError, StudyError

SECONDS = 4.0  # to wait for any answer at all; what answers may then take its time
NETWORK = ("huggingface_hub", "httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "http")
INSTEAD = (
    'a machine with network or a filled cache; checkpoint = "FILE.safetensors"; pretrained = false (untrained weights)'
)
CACHE_ONLY = "HF_HUB_OFFLINE is set, and the cache does not hold it"
CONNECTED = "a machine with network or a filled cache"


class Unfetchable(StudyError):
    """Something that had to be downloaded and could not; `reason` in a few words."""

    def __init__(self, what: str, reason: str, instead: str = INSTEAD):
        super().__init__(f"{what} could not be fetched: {reason}. What would work: {instead}.")
        self.reason = reason


@contextmanager
def hub() -> Iterator[str | None]:
    """The Hugging Face hub, or its cache alone where it does not answer: then why, in a few words."""
    from huggingface_hub import constants

    # `datasets` keeps a switch of its own
    switches: list[Any] = [constants, *(sys.modules[name] for name in ("datasets.config",) if name in sys.modules)]
    before = [switch.HF_HUB_OFFLINE for switch in switches]
    reason = CACHE_ONLY if any(before) else unreachable(constants.ENDPOINT, _ask_hub)
    # Offline the hub's clients look into their caches only, and do not retry.
    for switch in switches:
        switch.HF_HUB_OFFLINE = reason is not None
    try:
        yield reason
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.HF_HUB_OFFLINE = value


@contextmanager
def fetching(what: str, reason: str | None = None, instead: str = INSTEAD) -> Iterator[None]:
    """`Unfetchable` for what the network, or the cache without it, does not give inside."""
    try:
        yield
    except SeealikeError:
        raise
    except Exception as error:
        if not of_network(error):
            raise
        raise Unfetchable(what, reason or in_words(error), instead) from error


@contextmanager
def from_hub(what: str, instead: str = INSTEAD) -> Iterator[None]:
    """The same for what comes from the hub."""
    with hub() as reason, fetching(what, reason, instead):
        yield


def unreachable(url: str, ask: Callable[[str], None], seconds: float = SECONDS) -> str | None:
    """Why nobody answers there, None if somebody does: in a thread, as looking up a name has no limit of its own."""
    said: list[str | None] = []

    def listen() -> None:
        try:
            ask(url)
            said.append(None)
        except Exception as error:
            said.append(in_words(error))

    thread = Thread(target=listen, daemon=True)
    thread.start()
    thread.join(seconds)
    reason = said[0] if said else f"no answer within {seconds:g} seconds"
    return reason and f"{urlparse(url).hostname or url}: {reason}"


def in_words(error: BaseException) -> str:
    """The first cause of an error, in one short line."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    lines = re.sub(r"\[Errno -?\d+\] ", "", str(error)).strip().splitlines()
    return lines[0].rstrip(".")[:200] if lines else type(error).__name__


def of_network(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in NETWORK


def _ask_hub(url: str) -> None:
    from huggingface_hub import get_session

    answer = get_session().head(url, timeout=SECONDS)
    if answer.status_code >= 500:  # the client would ask again and again
        raise ConnectionError(f"it answers {answer.status_code}")
