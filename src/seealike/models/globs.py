"""What a glob means among names: `*` stops at a dot, `**` does not."""

import re
from collections.abc import Callable


def glob(pattern: str) -> Callable[[str], bool]:
    """Whether a whole name is meant. The time is that of the pattern times the name, whatever the pattern.

    >>> meant = glob("blocks.*.attn**")
    >>> [name for name in ("blocks.0.attn", "blocks.0.attn.qkv", "blocks.0.mlp.attn") if meant(name)]
    ['blocks.0.attn', 'blocks.0.attn.qkv']
    """
    parts = [part for part in re.split(r"(\*\*|\*)", pattern) if part]

    def meant(name: str) -> bool:
        reached = {0}  # after how many letters the parts so far can end; a regular expression would try every way there
        for part in parts:
            reached = _after(part, name, reached)
        return len(name) in reached

    return meant


def _after(part: str, name: str, reached: set[int]) -> set[int]:
    """Where one part more can end."""
    if not reached:
        return set()
    if part == "**":
        return set(range(min(reached), len(name) + 1))
    if part != "*":
        return {start + len(part) for start in reached if name.startswith(part, start)}
    found: set[int] = set()
    for start in sorted(reached):
        if start not in found:  # else all from here to the dot are there already
            dot = name.find(".", start)
            found |= set(range(start, (len(name) if dot < 0 else dot) + 1))
    return found
