"""Verdicts as lines of text."""

import math
from collections.abc import Sequence

from seealike.claims.verdict import NOT_ASKED, Decided

SYMBOLS = {">=": "at least", "<=": "at most", ">": "above", "<": "below"}


def told(several: Sequence[Decided]) -> list[str]:
    """One paragraph a claim that was asked about, then what the others would need.

    >>> told([])
    ['No claim was asked about.']
    """
    asked = [one for one in several if one.verdict != NOT_ASKED]
    others = [one for one in several if one.verdict == NOT_ASKED]
    lines = [line for one in asked for line in _paragraph(one)] or ["No claim was asked about."]
    return lines + [f"not asked  {one.claim.key}: {one.reason}" for one in others]


def _paragraph(one: Decided) -> list[str]:
    heads = f"{one.words}: {one.claim.sentence} ({one.claim.key}, {one.claim.figure})"
    return [heads, f"    {', '.join(one.models)}: {effect(one)}; claimed: {claimed(one)}"]


def effect(one: Decided) -> str:
    """`0.213 (0.19 to 0.236 over images) CKA`, or why there is no interval."""
    unit = f" {one.claim.unit}" if one.claim.unit else ""
    if math.isnan(one.effect):
        return one.reason
    value = f"{number(one.effect)}{unit}"
    if math.isnan(one.low):
        return f"{value}, {one.reason}"
    return f"{value} ({number(one.low)} to {number(one.high)} over {one.over})"


def claimed(one: Decided) -> str:
    """`above 0`."""
    return f"{SYMBOLS[one.claim.claimed]} {one.claim.null:g}"


def number(value: float) -> str:
    """Three digits that count.

    >>> number(0.21345), number(-12.3456), number(1e-17), number(0.0)
    ('0.213', '-12.3', '1e-17', '0')
    """
    return f"{value:.3g}"
