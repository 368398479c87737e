"""Where an answer comes from: all that its file says of itself, folded away."""

from collections.abc import Mapping
from typing import Any

from seealike.report.gathering import Answer
from seealike.report.markup import Html, element, lines

# told elsewhere on the page, or for machines
ELSEWHERE = ("notes", "title", "meaning")
SHORT = 5  # so few plain values stand in one line
FIRST = ("ask", "measure", "question", "digest", "command", "created", "models", "images", "batch", "seed", "dtype")


def origin(answer: Answer) -> Html:
    """Question, digest, weights, preprocessing, batch, seed, dtype, versions, citation, date: every attribute."""
    told = {k: v for k, v in answer.attrs.items() if k not in ELSEWHERE} | {"digest": answer.digest}
    ordered = sorted(told, key=lambda key: (FIRST.index(key) if key in FIRST else len(FIRST), key))
    pairs = [(_term(key), _shown(told[key])) for key in ordered]
    file = ("file", element("code", answer.path.name))
    return element(
        "details", element("summary", "Where this answer comes from"), lines([*pairs, file], class_="origin")
    )


def _term(key: str) -> str:
    return key.replace("_", " ")


def _shown(value: Any, depth: int = 0) -> Any:
    """A value of an attribute: tables of tables as lists of terms, those of plain values in one line."""
    if isinstance(value, Mapping):
        said = {_term(str(k)): v for k, v in value.items() if v not in (None, "", [], {})}
        if depth > 1 or (not any(isinstance(v, Mapping | list) for v in said.values()) and len(said) < SHORT):
            return ", ".join(f"{key} {item}" for key, item in said.items())
        return lines([(key, _shown(item, depth + 1)) for key, item in said.items()])
    if isinstance(value, list | tuple):
        plain = all(not isinstance(item, Mapping | list | tuple) for item in value)
        return ", ".join(map(str, value)) if plain else element("ul", *(element("li", _shown(v, 2)) for v in value))
    return str(value)
