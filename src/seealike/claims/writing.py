"""Verdicts as a file that scripts read."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seealike.claims.verdict import Decided
from seealike.results import aside


def write(folder: str | Path, several: Sequence[Decided]) -> Path:
    """The file written, `folder/claims.json`: a list of claims with their verdicts, whole or not at all."""
    path = Path(folder) / "claims.json"
    with aside(path) as unfinished:
        unfinished.write_text(json.dumps([_row(one) for one in several], indent=1, allow_nan=False) + "\n", "utf8")
    return path


def _row(one: Decided) -> dict[str, Any]:
    claim = one.claim
    return {
        "key": claim.key,
        "paper": claim.paper,
        "figure": claim.figure,
        "sentence": claim.sentence,
        "verdict": one.verdict,
        "words": one.words,
        "models": list(one.models),
        "answers": list(one.answers),
        "effect": _finite(one.effect),
        "low": _finite(one.low),
        "high": _finite(one.high),
        "over": one.over,
        "claimed": claim.claimed,
        "null": claim.null,
        "unit": claim.unit,
        "reason": one.reason,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
