"""The digest of a question: equal for equal questions of equal models and images, whatever they are called."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from seealike.kernel import SET


def digest(question: Any, fingerprints: Mapping[str, str], **conditions: Any) -> str:
    """Sixteen hexadecimal digits of a bound question, its models' names replaced by their fingerprints.

    Two names of equal models stay two: the answer has rows for each. A text without a colon is a model's name only as
    the `source` of a tap or a selection: a layer or a view may be called as a model is. Names of sets of images are no
    part of it: what they are is in the conditions.

    >>> digest(("a:conv1",), {"a": "1f"}) == digest(("b:conv1",), {"b": "1f"})
    True
    >>> digest(("a:conv1",), {"a": "1f"}) == digest(("a:conv1",), {"a": "2e"})
    False
    """
    text = json.dumps([_canonical(question, _Names(fingerprints)), _canonical(conditions, _Names({}))], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def models_of(question: Any, names: Iterable[str]) -> list[str]:
    """The models a bound question speaks of, in the order in which it does."""
    found = _Names(dict.fromkeys(names, ""))
    _canonical(question, found)
    return list(found.met)


class _Names:
    """Fingerprints for names, numbered where several names have the same; `met` are those asked for."""

    def __init__(self, fingerprints: Mapping[str, str]):
        self.fingerprints = fingerprints
        self.met: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        if name not in self.fingerprints:
            return name
        if name not in self.met:
            fingerprint = self.fingerprints[name]
            equal = sum(self.fingerprints[other] == fingerprint for other in self.met)
            self.met[name] = f"{fingerprint}#{equal}" if equal else fingerprint
        return self.met[name]


def _canonical(value: Any, names: _Names, key: str = "") -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            "kind": f"{type(value).__name__} {getattr(value, 'version', '')}",
            **{
                f.name: _canonical(getattr(value, f.name), names, f.name)
                for f in fields(value)
                if SET not in f.metadata
            },
        }
    if isinstance(value, Mapping):
        return {str(k): _canonical(v, names) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(v, names) for v in value]
    if isinstance(value, str):
        name, colon, rest = value.partition(":")
        return f"{names(name)}{colon}{rest}" if colon or key == "source" else value
    return value if isinstance(value, int | float | bool | None) else repr(value)
