"""What is to be taken out of a network: a value, also as the text that a study holds."""

import re
from dataclasses import dataclass

from seealike.errors import StudyError, closest

VERBS = ("without_skip", "without_heads", "without_norm")
FORMS = "without_skip(NAME), without_heads(NAME, 0, 2), without_norm(NAME)"


@dataclass(frozen=True)
class Edit:
    """One of three verbs, and what it is done to: a name, a module around, a glob or a kind such as `@block`."""

    verb: str
    pattern: str
    heads: tuple[int, ...] = ()

    def __post_init__(self):
        if self.verb not in VERBS:
            raise StudyError(f'"{self.verb}" is no edit. {closest(self.verb, VERBS)}')
        if not self.pattern:
            raise StudyError(f"{self.verb}() names nothing: write {FORMS}.")
        if self.verb == "without_heads" and not (self.heads and all(head >= 0 for head in self.heads)):
            raise StudyError(f"{self}: say which heads, counted from 0: without_heads({self.pattern}, 0, 2).")
        if self.verb != "without_heads" and self.heads:
            raise StudyError(f"{self}: only without_heads takes numbers.")

    def __str__(self):
        return f"{self.verb}({', '.join(map(str, (self.pattern, *self.heads)))})"


def without_skip(pattern: str) -> Edit:
    """The residual additions of a name or inside a module hand on their branch alone.

    Both additions of a transformer's block for `blocks.3`, the second one for `blocks.3.add@1`. Raghu et al. 2021,
    figure 8. A projection on the skip goes with it.
    """
    return Edit("without_skip", pattern)


def without_heads(pattern: str, *heads: int) -> Edit:
    """These heads of an attention hand on zero: their weights applied to the values, before heads are mixed."""
    return Edit("without_heads", pattern, heads)


def without_norm(pattern: str) -> Edit:
    """The normalisations of a name or inside a module hand on what they are given."""
    return Edit("without_norm", pattern)


def parse(text: str) -> Edit:
    """The edit of a text, as a study writes it.

    >>> parse("without_heads('blocks.3.attn', 0, 2)").heads
    (0, 2)
    """
    written = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text)
    if not written:
        raise StudyError(f'"{text}" is no edit: write {FORMS}.')
    pattern, *numbers = (part.strip() for part in written[2].split(","))
    try:
        heads = tuple(map(int, numbers))
    except ValueError:
        raise StudyError(f'"{text}": after the name come numbers of heads, as in without_heads(NAME, 0, 2).') from None
    return Edit(written[1], _unquoted(pattern), heads)


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text
