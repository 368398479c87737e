"""What an answer says of itself, as netCDF can hold it: text and numbers as they are, the rest as JSON text."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

ENCODED = "json_attributes"  # the attribute that lists which attributes are JSON text
TEXT, TABLE, LIST = (str,), (Mapping,), (list, tuple)
# What readers rely on. `images` of an answer from elsewhere may be a mere text or number.
KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("measure", "ask", "title", "meaning", "citation", "command", "created"), TEXT),
    **dict.fromkeys(("models", "question", "versions"), TABLE),
    **dict.fromkeys(("notes", "claims", "earlier_images"), LIST),
    "images": (Mapping, str, int, float),
    "batch": (int, float),
}
OF_IMAGES: dict[str, tuple[type, ...]] = {"unreadable_images": LIST, "count": (int, type(None))}
OF_A_MODEL: dict[str, tuple[type, ...]] = {"tags": TABLE, "input": LIST, "edits": LIST, "weights": TEXT}
OF_TEXTS = ("notes", "claims", "unreadable_images", "edits")
WORDS = {str: "text", Mapping: "table", list: "list", int: "number"}


def encode(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes as netCDF knows them; which of them are JSON text is noted."""
    texts = {str(k): json.dumps(v, default=_plain) for k, v in attrs.items() if not _native(v)}
    native = {str(k): v for k, v in attrs.items() if _native(v)}
    return native | texts | ({ENCODED: json.dumps(list(texts))} if texts else {})


def decode(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """What `encode` was given; ValueError where it was not `encode` that wrote this."""
    texts = _parsed(ENCODED, attrs.get(ENCODED, "[]"))
    if not isinstance(texts, list) or not all(isinstance(name, str) and name in attrs for name in texts):
        raise ValueError(f"{ENCODED} does not list its attributes")
    native = {k: v.item() if isinstance(v, np.generic) else v for k, v in attrs.items() if k != ENCODED}
    return native | {k: _parsed(k, attrs[k]) for k in texts}


def as_written(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes as they come back from a file: tuples are lists.

    >>> as_written({"layers": ("a", "b"), "batch": 8})
    {'batch': 8, 'layers': ['a', 'b']}
    """
    return decode(encode(attrs))


def refuse_other_kinds(attrs: Mapping[str, Any]) -> None:
    """ValueError where an answer says of itself what no reader of answers understands.

    >>> refuse_other_kinds({"models": ["vit"]})
    Traceback (most recent call last):
    ValueError: its attribute models is no table
    """
    _refuse("", attrs, KINDS)
    for name, facts in attrs.get("models", {}).items():
        if not isinstance(facts, Mapping):
            raise ValueError(f"its attribute models.{name} is no table")
        _refuse(f"models.{name}.", facts, OF_A_MODEL)
    if isinstance(attrs.get("images"), Mapping):
        _refuse("images.", attrs["images"], OF_IMAGES)


def _refuse(where: str, attrs: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> None:
    for name, kind in kinds.items():
        if name in attrs and (not isinstance(attrs[name], kind) or isinstance(attrs[name], bool)):
            raise ValueError(f"its attribute {where}{name} is no {WORDS[kind[0]]}")
        if name in attrs and name in OF_TEXTS and not all(isinstance(one, str) for one in attrs[name]):
            raise ValueError(f"its attribute {where}{name} is no list of texts")


def _parsed(name: str, text: Any) -> Any:
    if not isinstance(text, str):
        raise ValueError(f"its attribute {name} is no JSON text")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(f"what its attribute {name} says lies too deep in itself") from None


def _native(value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return False
    return isinstance(value, str | float | np.number) or (isinstance(value, int) and abs(value) < 1 << 63)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"an attribute may hold text, numbers, lists and dicts, not {type(value).__name__}")
