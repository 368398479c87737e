"""The digest of a question: equal for equal questions of equal models and images, whatever they are called."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def digest(question: Any, fingerprints: Mapping[str, str], **conditions: Any) -> str:
    """Sixteen hexadecimal digits of a bound question, its models' names replaced by their fingerprints.

    >>> digest(("a:conv1",), {"a": "1f"}) == digest(("b:conv1",), {"b": "1f"})
    True
    >>> digest(("a:conv1",), {"a": "1f"}) == digest(("a:conv1",), {"a": "2e"})
    False
    """
    text = json.dumps([_canonical(question, fingerprints), _canonical(conditions, {})], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: Any, fingerprints: Mapping[str, str]) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            "kind": f"{type(value).__name__} {getattr(value, 'version', '')}",
            **{f.name: _canonical(getattr(value, f.name), fingerprints) for f in fields(value)},
        }
    if isinstance(value, Mapping):
        return {str(k): _canonical(v, fingerprints) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(v, fingerprints) for v in value]
    if isinstance(value, str):
        name, colon, rest = value.partition(":")
        return f"{fingerprints[name]}{colon}{rest}" if name in fingerprints else value
    return value if isinstance(value, int | float | bool | None) else repr(value)


def models_of(question: Any, names: Mapping[str, Any]) -> list[str]:
    """The models a bound question speaks of, in the order in which it does."""
    found: list[str] = []
    _canonical(question, _Noting(names, found))
    return list(dict.fromkeys(found))


class _Noting(dict):
    """Fingerprints that note which of them were asked for."""

    def __init__(self, names: Mapping[str, Any], found: list[str]):
        self.update(dict.fromkeys(names, ""))
        self.found = found

    def __getitem__(self, name: str) -> str:
        self.found.append(name)
        return ""
