"""The tensors of a model, a line each: what can be asked of it."""

from collections.abc import Iterator

from seealike.errors import StudyError
from seealike.images.preprocessing import Preprocessing
from seealike.models.graph import Graph, Layer
from seealike.models.sources import ModelSource, build

PLAIN_SIZE = 224


def parted(selection: str) -> tuple[str, str]:
    """`timm:resnet50:layer4.*` as a source and a pattern; a file's function keeps its own colon."""
    parts = selection.split(":")
    if len(parts) < 3:
        raise StudyError(f'"{selection}" names no layer: write MODEL:GLOB, for example "{selection}:**".')
    return ":".join(parts[:2]), ":".join(parts[2:])


def listing(model: str, pattern: str = "**", size: int | None = None) -> Iterator[str]:
    """Name, shape of one image's part, how many places it has, and other names; then what was found in the graph."""
    name = model.rsplit(":", maxsplit=1)[-1]
    built = build(name, ModelSource(model, pretrained=False, size=size))
    graph = Graph.of(built.module, (built.channels, *_size(model, built.preprocessing)), name)
    chosen = graph.select(pattern)
    width = max(len(x.name) for x in chosen)
    for layer in chosen:
        aliases = ", ".join(layer.aliases[:3])
        yield f"{layer.name.ljust(width)}  {_shape(layer):>16}  {_places(layer):>24}  {aliases}".rstrip()
    kinds = ", ".join(f"@{kind} {len(names)}" for kind, names in graph.kinds.items())
    yield f"{len(chosen)} of {len(graph.layers)} tensors; {kinds}"
    yield f"{len(graph.residuals)} residuals, {_attentions(graph)}"


def _size(model: str, preprocessing: Preprocessing) -> tuple[int, int]:
    if preprocessing.size is None:
        raise StudyError(f"{model} brings no input size: give one, for example --size {PLAIN_SIZE}.")
    return preprocessing.size


def _shape(layer: Layer) -> str:
    return "x".join(map(str, layer.shape)) or "1"


def _places(layer: Layer) -> str:
    if layer.places is None:
        return "places unknown"
    where, beside = int(layer.places.somewhere.sum()), int(layer.places.nowhere.sum())
    return f"{where} places" + (f" + {beside} tokens" if beside else "") if where > 1 or beside else "one place"


def _attentions(graph: Graph) -> str:
    kinds = [a.kind for a in graph.attentions]
    return "no attention" if not kinds else ", ".join(f"{kinds.count(k)} {k} attentions" for k in dict.fromkeys(kinds))
