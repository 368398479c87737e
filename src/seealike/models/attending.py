"""Which attentions of a model a name or a glob selects; what is not token attention is named as what it is."""

from collections import Counter
from collections.abc import Iterator

from seealike.errors import StudyError, closest
from seealike.models.attentions import Attention
from seealike.models.globs import glob
from seealike.models.graph import Graph

TOKEN = "token"
EVERY = ("@attention", "**")
OTHERS = {
    "class": "class attention: its queries stand for no part of the image",
    "talking heads": "talking-heads attention: its heads are mixed between softmax and product",
    "channel": "channel attention: channels attend to channels",
    "linear": "linear attention: it has no weights between parts of the image",
    "split": "split attention: it weighs branches, not parts of the image",
    "unplaced": "an attention whose queries and keys could not be placed in the image",
}


def attends(graph: Graph) -> bool:
    """Has the model an attention in which parts of the image attend to parts of it?"""
    return any(a.kind == TOKEN for a in graph.attentions)


def counted(graph: Graph) -> str:
    """`2 talking heads, 1 class`: the attentions of a model by kind."""
    return ", ".join(f"{n} {kind}" for kind, n in Counter(a.kind for a in graph.attentions).items())


def attending(graph: Graph, pattern: str) -> tuple[Attention, ...]:
    """The token attentions that a pattern selects, as they run: by their names or by a module around them.

    `blocks.0.attn`, `blocks.0`, `blocks.*` (`*` stops at a dot, `**` does not); `@attention` is all of them. A glob
    leaves other kinds of attention out, a name is refused.
    """
    found = [a for a in graph.attentions if pattern in EVERY or any(map(glob(pattern), _around(a)))]
    if not found:
        raise StudyError(
            f"{graph.name}:{pattern} matches no attention of {graph.name}. "
            f"{closest(pattern.replace('*', '0'), [a.name for a in graph.attentions if a.kind == TOKEN])}"
        )
    others = [a for a in found if a.kind != TOKEN]
    if others and (len(others) == len(found) or ("*" not in pattern and pattern not in EVERY)):
        other = others[0]
        raise StudyError(f"{graph.name}:{other.name} is {OTHERS[other.kind]}. Only token attention has a distance.")
    return tuple(a for a in found if a.kind == TOKEN)


def _around(attention: Attention) -> Iterator[str]:
    """An attention's name, and the names of the modules around it."""
    parts = attention.name.split(".")
    return (".".join(parts[:n]) for n in range(len(parts), 0, -1))
