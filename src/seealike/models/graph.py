"""A model as a graph of named tensors: what it is asked by name, and the facts found in it.

>>> graph = Graph.of(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), (3, 8, 8), "net")
>>> [layer.name for layer in graph.layers]
['0', '1']
>>> [layer.name for layer in graph.select("*")]
['0', '1']
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import nn
from torch.fx import GraphModule, Node

from seealike.errors import StudyError, closest
from seealike.models import attentions, kinds, residuals, work
from seealike.models.attentions import Attention
from seealike.models.globs import glob
from seealike.models.names import INPUT, Label, label
from seealike.models.operations import PART, inputs, is_whole, overwrites, tensor, written
from seealike.models.places import ImageAxis, Places
from seealike.models.probe import Probe, probe
from seealike.models.residuals import Residual
from seealike.models.trace import like, trace

# Raised when names, places, residuals or attentions are found otherwise: old answers are then no answers.
READING = 2


@dataclass(frozen=True, eq=False)
class Layer:
    """A tensor of the network that has a name.

    `shape` is that of one image's part; `depth` its place in the order of execution, 0 to 1; `listed` is false for
    a mere part of another tensor, which only its own name finds; `image_size` is that of the input, in pixels.
    """

    name: str
    aliases: tuple[str, ...]
    node: Node = field(repr=False)
    axis: ImageAxis
    shape: tuple[int, ...]
    places: Places | None = field(repr=False)
    depth: float
    listed: bool
    image_size: tuple[int, ...]
    attention: Attention | None = field(default=None, repr=False)  # the one whose weights this operation applies

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)


@dataclass(frozen=True, eq=False)
class Graph:
    """A traced model: what runs, and what is known of it."""

    name: str
    module: GraphModule = field(repr=False)
    size: tuple[int, ...]
    tensors: tuple[Layer, ...] = field(repr=False)  # the input, then all that have a name, as they run
    residuals: tuple[Residual, ...] = field(repr=False)
    attentions: tuple[Attention, ...] = field(repr=False)
    kinds: dict[str, frozenset[str]] = field(repr=False)
    bytes_per_image: float = 0.0
    memory_format: torch.memory_format = torch.contiguous_format

    @staticmethod
    def of(module: nn.Module, size: tuple[int, ...], name: str = "the model") -> "Graph":
        """Trace a module for images of `size` (channels, height, width) and find its facts."""
        traced = trace(module, size, name)
        return _read(name, traced.module, traced.size, probe(traced.module, traced.size, **like(module)))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The listed tensors: what globs select from."""
        return tuple(x for x in self.tensors if x.listed)

    @cached_property
    def parts(self) -> tuple[Layer, ...]:
        """The others: the input, and mere parts of listed tensors."""
        return tuple(x for x in self.tensors if not x.listed)

    @cached_property
    def by_name(self) -> dict[str, Layer]:
        found: dict[str, Layer] = {}
        for layer in (*self.layers, *self.parts):
            for name in layer.names:
                found.setdefault(name, layer)
        return found

    def select(self, pattern: str) -> tuple[Layer, ...]:
        """The layers of a name, a glob (`*` stops at a dot, `**` does not) or a kind (`@block`), as they run."""
        if pattern.startswith("@"):
            return self._of_kind(pattern[1:])
        if pattern in self.by_name:
            return (self.by_name[pattern],)
        found = tuple(x for x in self.layers if any(map(glob(pattern), x.names))) if "*" in pattern else ()
        if not found:
            raise StudyError(self._no_match(pattern))
        return found

    def _of_kind(self, kind: str) -> tuple[Layer, ...]:
        if kind not in self.kinds:
            raise StudyError(f"{self.name}:@{kind} is no kind of layer. {closest(kind, self.kinds)}")
        found = tuple(x for x in self.tensors if x.name in self.kinds[kind])
        if not found:
            raise StudyError(f"{self.name} has no layer of the kind @{kind}. {self._help(kind)}")
        return found

    def _no_match(self, pattern: str) -> str:
        return (
            f"{self.name}:{pattern} matches no layer of {self.name}. {self._help(pattern)} "
            "A module that computes nothing (Identity, dropout of a part) has no tensor of its own."
        )

    def _help(self, pattern: str) -> str:
        near = closest(pattern.replace("*", "0"), [n for x in self.layers for n in x.names])
        return f"{near} See them all: seealike layers."

    @cached_property
    def fingerprint(self) -> str:
        """What the model computes, its operations, weights and buffers; and which of our readings of it is asked."""
        operations = [_signature(n) for n in self.module.graph.nodes]
        digest = hashlib.sha256(repr((READING, self.size, operations)).encode())
        for name, value in sorted(
            {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}.items()
        ):
            digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    @cached_property
    def work(self) -> dict[Node, float]:
        """The share of the operations of one image, 0 to 1, that are done once a node has run."""
        return work.shares(self.module.graph)

    @property
    def dtype(self) -> torch.dtype:
        """What type of numbers the images must be."""
        entry = tensor(next(n for n in self.module.graph.nodes if n.op == "placeholder"))
        return torch.float32 if entry is None else entry.dtype

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.module.parameters())


def _signature(node: Node) -> tuple[str, ...]:
    return (node.op, str(node.target), str(node.args), str(node.kwargs))


def _read(name: str, module: GraphModule, size: tuple[int, ...], seen: Probe) -> Graph:
    _refuse_mixed(name, seen.mixed)
    nodes = [n for n in module.graph.nodes if n in seen.axes and n.op == "call_function"]
    roots = rearranged(module.graph, nodes)
    labels = label(nodes, roots)
    names = {n: x[0].text for n, x in labels.items()}
    found = residuals.find(module.graph, set(seen.axes), roots)
    attending = tuple(attentions.find(module.graph, seen.places, seen.axes))
    products = [a.product for a in attending if a.kind != "split"]
    kind_of = residuals.kinds(module.graph, found, roots, products, kinds.mlps(labels))
    named = [_residual(names, roots, kind_of[one[0]], *one) for one in found]
    entry = next(n for n in module.graph.nodes if n.op == "placeholder")
    source = Layer(INPUT, (), entry, ImageAxis(0), size, seen.places.get(entry), 0.0, False, size[-2:])
    return Graph(
        name=name,
        module=module,
        size=size,
        tensors=(source, *_layers(labels, seen, attending, size[-2:])),
        residuals=tuple(named),
        attentions=attending,
        kinds=_kinds(labels, named, attending, names, roots),
        bytes_per_image=seen.bytes_per_image,
        memory_format=seen.memory_format,
    )


def _residual(names, roots, kind: str, total: Node, skip: Node, branch: Node, projected: bool) -> Residual:
    total_name, skip_name, branch_name = (names.get(roots.get(n, n), n.name) for n in (total, skip, branch))
    return Residual(total_name, skip_name, branch_name, total, skip, branch, projected, kind)


def _layers(labels: dict[Node, list[Label]], seen: Probe, attending: tuple[Attention, ...], image_size) -> list[Layer]:
    found = []
    applied = {a.product: a for a in attending}
    last = max(sum(node.target not in PART for node in labels) - 1, 1)
    position = -1
    for node, names in labels.items():
        listed = node.target not in PART
        position += listed
        texts = tuple(dict.fromkeys(x.text for x in names))
        places, depth = seen.places.get(node), max(position, 0) / last
        facts = (node, seen.axes[node], seen.shapes[node], places, depth, listed, image_size, applied.get(node))
        found.append(Layer(texts[0], texts[1:], *facts))
    return found


def _kinds(labels, found, attending, names, roots) -> dict[str, frozenset[str]]:
    owners = {a.owner for a in attending if a.kind != "split"}
    returned = [n for n, x in labels.items() if any(one.call and one.call.path in owners for one in x)]
    members = {
        "block": kinds.blocks(labels, found),
        "residual": [r.node for r in found],
        "branch": [r.branch_node for r in found],
        "attention": returned,
        "mlp": kinds.mlps(labels),
        "norm": kinds.norms(labels),
    }
    return {kind: frozenset(names[roots[n]] for n in nodes) for kind, nodes in members.items()}


def rearranged(graph, nodes: list[Node]) -> dict[Node, Node]:
    """For every tensor the one it is a mere rearrangement of, itself where it is of none."""
    roots: dict[Node, Node] = {}
    overwritten: set[Node] = set()
    known = set(nodes)
    for node in graph.nodes:
        if node not in known:
            continue
        source = next(iter(inputs(node)), None)
        if is_whole(node) and source in roots and roots[source] not in overwritten:
            roots[node] = roots[source]
        else:
            roots[node] = node
        if overwrites(node):
            overwritten |= {roots[n] for n in written(node) if n in roots}
    return roots


def _refuse_mixed(name: str, mixed: Node | None) -> None:
    if mixed is not None:
        raise StudyError(
            f"{name}: the images of a batch reach each other at {mixed.name} (operation {mixed.target}), so a layer "
            "would depend on which images came together. Batch statistics must be fixed (evaluation mode); "
            "numbers that overflow to NaN on random images look the same."
        )
