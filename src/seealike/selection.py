"""What a pattern such as `vit:blocks.*` or `resnet:@block` selects among the models of a study."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import torch

from seealike.errors import StudyError, closest
from seealike.images.preprocessing import Colours, Preprocessing
from seealike.images.recorded import recorded
from seealike.images.sources import Images, Source
from seealike.kernel import IMAGES, Added, Attended, Selected
from seealike.models.attending import attending, attends, counted
from seealike.models.globs import glob
from seealike.models.graph import Graph, Layer
from seealike.models.operations import arguments
from seealike.models.places import ImageAxis
from seealike.models.residuals import Residual

LABELS = "label_column names a table's; a folder's are its subfolders."


@dataclass(frozen=True)
class Models:
    """The traced models of a study, by name, and its images, which are a source of tensors like a model."""

    graphs: Mapping[str, Graph]
    images: Source | None = None
    preprocessings: Mapping[str, Preprocessing] = field(default_factory=dict)
    sets: Mapping[str, Source] = field(default_factory=dict)
    taken: Mapping[str | None, tuple[int, ...] | None] = field(default_factory=dict)  # of each set; None: of `images`

    def models(self, patterns: str | tuple[str, ...]) -> tuple[str, ...]:
        """The models that names or globs select, in the order of the study."""
        patterns = (patterns,) if isinstance(patterns, str) else patterns
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in self.graphs):
                raise StudyError(f'"{pattern}": there is no such model. {closest(pattern, self.graphs)}')
        return tuple(name for name in self.graphs if any(fnmatchcase(name, pattern) for pattern in patterns))

    def layer(self, model: str, tensor: str) -> Layer:
        """The facts of a tensor."""
        return self.graphs[model].by_name[tensor]

    def work(self, model: str, tensor: str) -> float:
        """The share of a model's floating-point operations that are done when a tensor exists, 0 to 1."""
        graph = self.graphs[model]
        return graph.work[graph.by_name[tensor].node]

    def classes(self, images: str | None = None) -> tuple[str, ...]:
        """The names of the classes of a set of images, this question's own if none is named."""
        source = self.images if images is None else self.sets.get(images)
        if source is None:
            raise StudyError(f'"{images}": there are no such images. {closest(str(images), self.sets)}')
        if not source.labelled:
            raise StudyError(f"{source.text}: these images have no labels. {LABELS}")
        if not isinstance(source, Images):
            raise StudyError(f"{source.text} is a stream: how many classes it has is not known beforehand.")
        return source.classes

    def count(self, images: str | None = None) -> int | None:
        """How many images a set has; None where that is not known."""
        taken = self.taken.get(images)
        return None if taken is None else len(taken)

    def common(self, images: str) -> int:
        """How many images of a set are also among the question's own, as far as that is known."""
        own, other = self.images, self.sets.get(images)
        if own is None or other is None or own.fingerprint != other.fingerprint:
            return 0
        return len(set(self.taken.get(None) or ()) & set(self.taken.get(images) or ()))

    def residuals(self, model: str, patterns: tuple[str, ...] = ()) -> tuple[Added, ...]:
        """The residual additions of a model: those of tensors or of modules that patterns select; none: all."""
        graph = self._graph(model)
        if not graph.residuals:
            raise StudyError(f"{model} has no residual additions: no skip meets a branch in it.")
        patterns = tuple(self._of(model, pattern) for pattern in patterns)
        meant = {p: [r for r in graph.residuals if _around(r.name, p, graph)] for p in patterns}
        for pattern in (p for p in patterns if not meant[p]):
            near = closest(pattern.replace("*", "0"), [r.name for r in graph.residuals])
            raise StudyError(f"{model}:{pattern} matches no residual addition of {model}. {near}")
        found = [r for r in graph.residuals if not patterns or any(r in several for several in meant.values())]
        return tuple(_added(model, r, graph.by_name[r.name].depth) for r in found)

    def select(self, pattern: str, refuses: Callable[[Layer], str | None] | None = None) -> tuple[Selected, ...]:
        """The layers a pattern selects, as they run; a layer asked for by name is never left out in silence.

        `refuses` says why a layer cannot be viewed as asked: a glob leaves such layers out, a name is refused.
        """
        if pattern.partition(":")[0] == IMAGES:
            return self._of_images(pattern, refuses)
        name, pattern = self._split(pattern)
        graph = self.graphs[name]
        layers = graph.select(pattern)
        reasons = {layer.name: refuses(layer) if refuses else None for layer in layers}
        kept = [layer for layer in layers if reasons[layer.name] is None]
        if not kept or (len(kept) < len(layers) and pattern in graph.by_name):
            layer, reason = next((n, r) for n, r in reasons.items() if r)
            raise StudyError(f"{name}:{layer} cannot be seen so: {reason}.")
        return tuple(Selected(name, layer.name, layer.depth) for layer in kept)

    def colours(self, model: str) -> tuple[Colours, Colours]:
        """The mean and the deviation that brought colours in [0, 1] to a model's input; refused where unknown."""
        known = self.known_colours(model)
        if known is None:
            prepared = self.preprocessings.get(model)
            how = (
                f"its preprocessing is: {prepared.text}"
                if prepared
                else "the images are tensors that it takes as given"
            )
            raise StudyError(f"{model}: what brought its input from colours in [0, 1] is unknown; {how}.")
        return known

    def known_colours(self, model: str) -> tuple[Colours, Colours] | None:
        """The same; None where it is unknown."""
        prepared = self.preprocessings.get(model)
        return prepared.colours if prepared else None

    def _of_images(self, pattern: str, refuses: Callable[[Layer], str | None] | None) -> tuple[Selected, ...]:
        names = recorded(self.images, pattern.partition(":")[2] or "*")
        for name in names:
            if reason := refuses(as_layer(name)) if refuses else None:
                raise StudyError(f"{IMAGES}:{name} cannot be seen so: {reason}.")
        return tuple(Selected(IMAGES, name, 0.0) for name in names)

    def attentions(self, model: str, patterns: tuple[str, ...] = ()) -> tuple[Attended, ...]:
        """The token attentions of a model that patterns select, with or without "model:" before them; none: all."""
        graph = self._graph(model)
        if not attends(graph):
            raise StudyError(self._without_attention(model))
        found = [a for pattern in patterns or ("**",) for a in attending(graph, self._of(model, pattern))]
        layers = {layer.node: layer for layer in graph.tensors}
        seen = {a.name: layers[a.product] for a in found}
        return tuple(Attended(model, name, layer.name, layer.depth) for name, layer in seen.items())

    def within(self, model: str, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """Patterns of one model with "model:" before them; those of another model are refused."""
        self._graph(model)
        return tuple(f"{model}:{self._of(model, pattern)}" for pattern in patterns)

    def _graph(self, model: str) -> Graph:
        if model not in self.graphs:
            raise StudyError(f'model = "{model}": there is no such model. {closest(model, self.graphs)}')
        return self.graphs[model]

    def _without_attention(self, model: str) -> str:
        others = counted(self.graphs[model])
        instead = f" (its attentions: {others})" if others else ""
        have = ", ".join(name for name, graph in self.graphs.items() if attends(graph))
        known = f"Models of this study that have it: {have}." if have else "No model of this study has it."
        return f"{model} has no attention of parts of the image to parts of the image{instead}. {known}"

    def _of(self, model: str, pattern: str) -> str:
        """A pattern of this model, without the model's name."""
        name, colon, rest = pattern.partition(":")
        if colon and name not in self.graphs:
            raise StudyError(f'"{pattern}": there is no model "{name}". {closest(name, self.graphs)}')
        if colon and name != model:
            raise StudyError(f'"{pattern}" is a layer of {name}, but model = "{model}". Ask of each model by itself.')
        return rest if colon else pattern

    def _split(self, pattern: str) -> tuple[str, str]:
        name, colon, rest = pattern.partition(":")
        if not colon and name in self.graphs:
            rest = "**"
        elif not colon:
            raise StudyError(
                f'"{pattern}" names no model: write "model:layer", for example "{next(iter(self.graphs))}:**".'
            )
        if name not in self.graphs:
            raise StudyError(f'"{pattern}": there is no model "{name}". {closest(name, self.graphs)}')
        return name, rest


def _added(model: str, found: Residual, depth: float) -> Added:
    first = arguments(found.node)[0] is found.skip_node
    return Added(model, found.name, found.skip, found.branch, found.kind, depth, first)


def _around(name: str, pattern: str, graph: Graph) -> bool:
    """Does a pattern mean this tensor, one of its other names, or a module around it?"""
    if pattern in ("**", "@residual"):
        return True
    if pattern.startswith("@"):
        return any(layer.name == name for layer in graph.select(pattern))
    names = graph.by_name[name].names if name in graph.by_name else (name,)
    around = [".".join(n.split(".")[:k]) for n in names for k in range(1, n.count(".") + 2)]
    return any(map(glob(pattern), around))


def as_layer(name: str) -> Layer:
    """What is recorded of images as a layer that views can see: one number an image, and no places."""
    return Layer(name, (), torch.fx.Graph().placeholder(IMAGES), ImageAxis(0), (1,), None, 0.0, False, (0, 0))
