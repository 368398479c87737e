"""What an edit means in a graph: which nodes change, and how. What cannot be done is refused by name."""

from collections.abc import Callable, Iterable
from itertools import product

from torch.fx import Node

from seealike.errors import StudyError, closest
from seealike.models.attending import OTHERS
from seealike.models.attentions import Attention
from seealike.models.globs import glob
from seealike.models.graph import Graph, Layer
from seealike.models.heads import Groups
from seealike.models.names import calls
from seealike.models.operations import arguments
from seealike.models.residuals import Residual
from seealike.surgery.changes import Branch, Change, Silence, Untouched
from seealike.surgery.edit import Edit
from seealike.surgery.norms import given, norms

# What an edit looks for: the node, its names, and the edit's change of it.
Candidate = tuple[Node, tuple[str, ...], Callable[[Edit], Change]]
WHAT = {
    "without_skip": ("residual addition", "no skip meets a branch in it"),
    "without_heads": ("attention", "none of its layers attends"),
    "without_norm": ("normalisation", "none of its layers is one"),
}


def found(graph: Graph, edits: Iterable[Edit]) -> dict[tuple[Node, Change], Edit]:
    """Every change that edits make to a graph, in the order of the edits, with the edit that asks for it."""
    changes: dict[tuple[Node, Change], Edit] = {}
    for edit in edits:
        for node, change in _meant(graph, edit):
            changes.setdefault((node, change), edit)
    return changes


def _meant(graph: Graph, edit: Edit) -> list[tuple[Node, Change]]:
    candidates = CANDIDATES[edit.verb](graph)
    what, why = WHAT[edit.verb]
    if not candidates:
        raise StudyError(f"{graph.name}: {edit}: {graph.name} has no {what}, {why}.")
    means = _matching(graph, edit.pattern)
    meant = [(node, change) for node, names, change in candidates if means(node, names)]
    if not meant:
        near = closest(edit.pattern.replace("*", "0"), [name for _, names, _ in candidates for name in names])
        raise StudyError(
            f"{graph.name}: {edit}: {graph.name} has no {what} of that name, nor a module of that name with one in it. "
            f"{near}"
        )
    return [(node, change(edit)) for node, change in meant]


def _matching(graph: Graph, pattern: str) -> Callable[[Node, tuple[str, ...]], bool]:
    """Does a pattern mean a node, by one of its names or by a module that it lies in?"""
    of_kind = {layer.name for layer in graph.select(pattern)} if pattern.startswith("@") else None
    means = glob(pattern) if of_kind is None else of_kind.__contains__

    def matches(node: Node, names: tuple[str, ...]) -> bool:
        return any(means(name) for name in (*names, *(call.path for call in calls(node) if call.path)))

    return matches


def _residuals(graph: Graph) -> list[Candidate]:
    names = {layer.node: layer.names for layer in graph.tensors}

    def change(residual: Residual) -> Callable[[Edit], Change]:
        position = int(arguments(residual.node)[1] is residual.branch_node)
        return lambda edit: Branch(position, residual.projected)

    return [(r.node, names[r.node], change(r)) for r in graph.residuals]


def _norms(graph: Graph) -> list[Candidate]:
    def change(layer: Layer) -> Callable[[Edit], Change]:
        def of(edit: Edit) -> Change:
            if given(layer.node) is None:
                raise StudyError(
                    f"{graph.name}: {edit}: {layer.name} is written out and takes more than one tensor, or hands on "
                    "another shape, so what would be left without it is not known."
                )
            return Untouched()

        return of

    return [(layer.node, layer.names, change(layer)) for layer in norms(graph)]


def _attentions(graph: Graph) -> list[Candidate]:
    layers = {layer.node: layer for layer in graph.tensors}

    def change(attention: Attention) -> Callable[[Edit], Change]:
        return lambda edit: _silence(graph, edit, attention, layers[attention.product])

    return [(a.product, (a.name, *layers[a.product].names), change(a)) for a in graph.attentions if a.product in layers]


def _silence(graph: Graph, edit: Edit, attention: Attention, layer: Layer) -> Silence:
    if attention.asking is None:
        raise StudyError(
            f"{graph.name}: {edit}: {attention.name} is {OTHERS[attention.kind]}. Which of its numbers belong to a "
            "head is known of token attention only."
        )
    dims = Groups.of(attention, attention.asking, layer.axis.of_one).heads
    numbered = list(product(*(range(layer.shape[d]) for d in dims)))
    beyond = [head for head in edit.heads if head >= len(numbered)]
    if beyond:
        there = f"heads 0 to {len(numbered) - 1}" if len(numbered) > 1 else "one head, 0"
        raise StudyError(f"{graph.name}: {edit}: {attention.name} has {there}, so none is {beyond[0]}.")
    return Silence(layer.axis, dims, tuple(numbered[head] for head in dict.fromkeys(edit.heads)))


CANDIDATES: dict[str, Callable[[Graph], list[Candidate]]] = {
    "without_skip": _residuals,
    "without_heads": _attentions,
    "without_norm": _norms,
}
