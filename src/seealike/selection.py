"""What a pattern such as `vit:blocks.*` or `resnet:@block` selects among the models of a study."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from seealike.errors import StudyError, closest
from seealike.kernel import Selected
from seealike.models.graph import Graph, Layer


@dataclass(frozen=True)
class Models:
    """The traced models of a study, by name."""

    graphs: Mapping[str, Graph]

    def select(self, pattern: str, refuses: Callable[[Layer], str | None] | None = None) -> tuple[Selected, ...]:
        """The layers a pattern selects, as they run; a layer asked for by name is never left out in silence.

        `refuses` says why a layer cannot be viewed as asked: a glob leaves such layers out, a name is refused.
        """
        name, pattern = self._split(pattern)
        graph = self.graphs[name]
        layers = graph.select(pattern)
        reasons = {layer.name: refuses(layer) if refuses else None for layer in layers}
        kept = [layer for layer in layers if reasons[layer.name] is None]
        if not kept or (len(kept) < len(layers) and pattern in graph.by_name):
            layer, reason = next((n, r) for n, r in reasons.items() if r)
            raise StudyError(f"{name}:{layer} cannot be seen so: {reason}.")
        return tuple(Selected(name, layer.name, layer.depth) for layer in kept)

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
