"""How like a reference each of several models still sees, layer by layer."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
import xarray as xr
from torch import Tensor

from seealike.errors import StudyError
from seealike.kernel import FOUND, Measure, Selected, Sources, State, Tap
from seealike.maths.hsic import cka_from_products
from seealike.measures.pairs import Pattern
from seealike.statistics.hsic import HSIC
from seealike.views.gram import Gram
from seealike.views.pooling import Pool


@dataclass(frozen=True)
class Drift(Measure):
    """How like the reference each layer still is: 1 unchanged up to rotation and scale, 0 unrelated.

    CKA of a layer with the layer of the same name in the reference, the diagonal of `cka` between the two models: one
    network at several checkpoints, before and after fine-tuning, trained on more or less data. Raghu et al. 2021,
    figures 12, G.1 and G.2. `drift` is (model, layer); the reference, where it is one of the models, is exactly 1.
    Unbiased values may be slightly negative; they are kept. Standard errors are over images.
    `models` are names or globs (`vit@*` is every checkpoint of `vit`), `layers` patterns without a model's name.

    >>> Drift("vit@*", reference="vit@9").layers
    '@block'
    """

    name: ClassVar[str] = "drift"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Raghu et al. 2021, figs 12, G.1, G.2; Kornblith et al. 2019; Nguyen et al. 2021"

    models: Pattern
    reference: str
    layers: Pattern = "@block"
    view: str = "flatten"
    estimator: Literal["unbiased", "biased"] = "unbiased"
    bound_reference: tuple[Selected, ...] = field(default=(), metadata={FOUND: True})
    bound: tuple[tuple[Selected, ...], ...] = field(default=(), metadata={FOUND: True})

    def __post_init__(self):
        Pool(self.view)  # refuses what is no view

    def bind(self, sources: Sources) -> "Drift":
        reference, models = _one(sources, self.reference), _several(sources, self.models)
        if models == (reference,):
            raise StudyError(
                f'models = "{reference}" is the reference alone, and like itself. Name the models to compare with it.'
            )
        layers = _layers(sources, reference, self.layers, Pool(self.view))
        bound = tuple(layers if m == reference else self._same(sources, m, layers) for m in models)
        return replace(self, models=(), reference="", layers=(), bound_reference=layers, bound=bound)

    def _same(self, sources: Sources, model: str, layers: tuple[Selected, ...]) -> tuple[Selected, ...]:
        """The layers of another model that have the names of those of the reference."""
        found = []
        for layer in layers:
            try:
                found += sources.select(f"{model}:{layer.tensor}", Pool(self.view).refuses)
            except StudyError as error:
                raise StudyError(f"drift compares {layer} with the layer of that name in {model}: {error}") from None
        return tuple(found)

    def needs(self, *earlier: xr.Dataset) -> tuple[HSIC, ...]:
        view = Gram(Pool(self.view))
        taps = [[Tap(s.source, s.tensor, view) for s in layers] for layers in (self.bound_reference, *self._others)]
        return tuple(HSIC((first,), tuple(others), self.estimator) for first, *others in zip(*taps, strict=True))

    @property
    def _others(self) -> list[tuple[Selected, ...]]:
        return [layers for layers in self.bound if layers != self.bound_reference]

    def read(self, *totals: State) -> xr.Dataset:
        values = torch.stack([self._of_layer(total) for total in totals], 1)
        answer = xr.Dataset(
            {"drift": (("model", "layer"), values.numpy(), {"long_name": "CKA with the reference", "units": "1"})},
            {
                "model": [layers[0].source for layers in self.bound],
                "layer": [layer.tensor for layer in self.bound_reference],
                "depth": ("layer", [layer.depth for layer in self.bound_reference]),
            },
        )
        notes = [f"{s} is the same for all images: its CKA is undefined" for s in self._constant(totals)]
        return answer.assign_attrs(reference=self.bound_reference[0].source, notes=notes)

    def _of_layer(self, total: State) -> Tensor:
        """The CKA of each model; the reference with itself is no sum, and exactly 1."""
        others = iter(cka_from_products(total["cross"], total["a"], total["b"])[0].cpu())
        itself = torch.where(total["a"][0] > 0, 1.0, torch.nan).double().cpu()
        return torch.stack([itself if layers == self.bound_reference else next(others) for layers in self.bound])

    def _constant(self, totals: tuple[State, ...]) -> list[Selected]:
        found = []
        for total, *layers in zip(totals, self.bound_reference, *self._others, strict=True):
            own = torch.cat([total["a"], total["b"]])
            found += [layer for layer, square in zip(layers, own, strict=True) if not square]
        return found


def _one(sources: Sources, reference: str) -> str:
    first, *others = _named(sources, "reference", reference)
    if others:
        raise StudyError(
            f'reference = "{reference}" is {len(others) + 1} models: {", ".join([first, *others])}. Name one.'
        )
    return first


def _several(sources: Sources, models: Pattern) -> tuple[str, ...]:
    if not models:
        raise StudyError('drift needs models: names or globs such as "vit@*".')
    return _named(sources, "models", models)


def _named(sources: Sources, key: str, patterns: Pattern) -> tuple[str, ...]:
    try:
        return sources.models(patterns)
    except StudyError as error:
        raise StudyError(f"{key} = {error}") from None


def _layers(sources: Sources, reference: str, patterns: Pattern, pool: Pool) -> tuple[Selected, ...]:
    patterns = (patterns,) if isinstance(patterns, str) else patterns
    for pattern in patterns:
        if ":" in pattern:
            rest = pattern.partition(":")[2]
            raise StudyError(f'layers = "{pattern}": drift is of one layer in all models. Write "{rest}".')
    found = [s for pattern in patterns for s in sources.select(f"{reference}:{pattern}", pool.refuses)]
    return tuple(dict.fromkeys(found))
