"""What a layer passes on of a small change of an image: the singular values of its derivative, image by image."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm.auto import tqdm

from seealike.errors import RunError, StudyError
from seealike.kernel import Given, State, Trial, by_index
from seealike.maths import spectrum
from seealike.maths.chance import seeded
from seealike.maths.colours import Colours, normalised, restored
from seealike.models.gradients import gradients, held, rows, through
from seealike.models.graph import Graph, Layer

ROOM = 1 << 26  # bytes of activations held at a time: a processor is slower with more, which its caches do not hold
AHEAD = 16  # times as much where it is not the processor that computes
OVERSAMPLING, POWER, PROBES = 10, 2, 10

METHODS = ("exact", "randomised")


@dataclass(eq=False)
class Reached:
    """By the index of an image, pictures that were found in its place: starts x colours x height x width, in [0, 1].

    An image that is not among them has none.
    """

    pictures: dict[int, Tensor]

    @property
    def starts(self) -> int:
        return max(map(len, self.pictures.values()), default=0)


@dataclass(frozen=True)
class Spectra(Trial):
    """{"index", "spectrum", ...}: one row an image, sorted by index, of the derivative J of a layer at that image.

    J, the layer's numbers x the image's numbers, in float64, is with respect to the pixels in [0, 1] where `colours`
    (mean, deviation) brought them to the network's input, else to the input as given. `spectrum`: its singular values
    from the largest on; NaN where J is not finite.

    "exact": all min(m, n) of them. With `reached`, "unseen" too, images x starts: of each picture's difference to the
    image the share of the squared norm that lies in the numerical null space of J; NaN where there is none.

    "randomised": the `vectors` largest, with "residuals" and "error", how far off they may be, and "squares", an
    estimate of ||J||_F^2 (`spectrum.Largest`); each image has a generator of its own, by (seed, layer, index).
    """

    joins: ClassVar[bool] = True

    source: str
    layer: str
    method: str = "exact"
    vectors: int = 32
    colours: Colours | None = None
    seed: int = 0
    reached: Reached | None = None

    def __post_init__(self):
        if self.reached is not None and self.method != "exact":
            raise StudyError('what a layer does not see of an image is known of method = "exact" alone.')

    def run(self, given: Given) -> State:
        layer = given.graph.by_name[self.layer]
        pixels = restored(given.images.double(), self.colours)
        m, n = torch.Size(layer.shape).numel(), pixels[0].numel()
        each = m if self.method == "exact" else _products(self.vectors, (m, n))
        what, unit = f"{given.graph.name}: derivatives of {layer.name}", " vectors"
        indices = given.indices.tolist()
        with (
            sdpa_kernel(SDPBackend.MATH),  # the only one that has all derivatives
            tqdm(total=each * len(indices), desc=what, unit=unit, unit_scale=True, leave=False, delay=5) as bar,
        ):
            found = [
                self._of(Derivative(given.graph, layer, one, self.colours, bar), index)
                for one, index in zip(pixels, indices, strict=True)
            ]
        told = {key: torch.stack([state[key] for state in found]).cpu() for key in found[0]}
        return by_index({"index": given.indices.cpu()} | told)

    def _of(self, derivative: "Derivative", index: int) -> State:
        if self.method == "exact":
            return self._whole(derivative, index)
        found = spectrum.largest(
            derivative.forward,
            derivative.backward,
            derivative.shape,
            self.vectors,
            seeded(self.seed, self.layer, index),
            OVERSAMPLING,
            POWER,
            PROBES,
        )
        told = {"residuals": found.residuals, "error": found.error, "squares": found.squares}
        return {"spectrum": found.values, **told}

    def _whole(self, derivative: "Derivative", index: int) -> State:
        matrix = spectrum.folded(derivative.rows())
        finite = bool(matrix.isfinite().all())
        count = min(derivative.shape)
        values = torch.linalg.svdvals(matrix) if finite else matrix.new_full((count,), torch.nan)
        if self.reached is None:
            return {"spectrum": values}
        unseen = matrix.new_full((self.reached.starts,), torch.nan)
        if (pictures := self.reached.pictures.get(index)) is not None:
            apart = (pictures.to(derivative.pixels) - derivative.pixels).flatten(1)
            unseen[: len(apart)] = spectrum.unseen(matrix, derivative.shape, apart)
        return {"spectrum": values, "unseen": unseen}


def _products(vectors: int, shape: tuple[int, int]) -> int:
    """How many vectors a randomised decomposition multiplies."""
    return min(vectors + OVERSAMPLING, *shape) * (2 * POWER + 2) + min(vectors, *shape) + PROBES


@dataclass(eq=False)
class Derivative:
    """The derivative J of a layer at one image, as what it does to vectors (a row each) and as rows of its own.

    No image reaches another, so a batch of copies of the image takes as many vectors in one pass.
    """

    graph: Graph
    layer: Layer
    pixels: Tensor  # colours x height x width, float64
    colours: Colours | None
    bar: tqdm
    opened: tuple[Tensor, Tensor] | None = None  # copies of the image as a leaf of autograd, and the layer of them

    @cached_property
    def shape(self) -> tuple[int, int]:
        """The layer's numbers, the image's numbers."""
        return torch.Size(self.layer.shape).numel(), self.pixels.numel()

    @cached_property
    def at_once(self) -> int:
        own = held(self.graph, [self.layer]) // self.graph.dtype.itemsize * self.pixels.element_size()
        return max(1, ROOM * (1 if self.pixels.device.type == "cpu" else AHEAD) // own)

    def rows(self) -> Iterator[Tensor]:
        """J itself, block by block: each of the layer's numbers goes back by itself."""
        m = self.shape[0]
        for numbers in torch.arange(m, device=self.pixels.device).split(self.at_once):
            yield self.backward(torch.nn.functional.one_hot(numbers, m).to(self.pixels))

    def backward(self, vectors: Tensor) -> Tensor:
        """J' u of every u, from one forward pass whatever their number."""
        return torch.cat([self._backward(part) for part in vectors.to(self.pixels).split(self.at_once)])

    def _backward(self, vectors: Tensor) -> Tensor:
        """The first are never fewer than later ones: their copies serve for all."""
        self.opened = self.opened or self._open(len(vectors))
        leaf, taken = self.opened
        spare = vectors.new_zeros(len(leaf) - len(vectors), vectors.shape[1])
        self.bar.update(len(vectors))
        found = gradients(self.graph, taken, leaf, torch.cat([vectors, spare]))
        return found[: len(vectors)].flatten(1)

    def _open(self, copies: int) -> tuple[Tensor, Tensor]:
        leaf = self.pixels.repeat(copies, 1, 1, 1).requires_grad_()
        with torch.enable_grad():
            return leaf, self._see(leaf)

    def forward(self, vectors: Tensor) -> Tensor:
        """J v of every v, by forward-mode differentiation."""
        return torch.cat([self._forward(part) for part in vectors.to(self.pixels).split(self.at_once)])

    def _forward(self, vectors: Tensor) -> Tensor:
        copies = self.pixels.repeat(len(vectors), 1, 1, 1)
        self.bar.update(len(vectors))
        with torch.no_grad(), forward_ad.dual_level():
            try:
                seen = self._see(forward_ad.make_dual(copies, vectors.reshape(copies.shape)))
            except NotImplementedError as error:
                raise RunError(
                    f"{self.graph.name}: no derivative can be taken forward through it, which method = "
                    f'"randomised" needs: {str(error).partition(".")[0]}. method = "exact" needs none.'
                ) from error
            value, tangent = forward_ad.unpack_dual(seen)
            return torch.zeros_like(value) if tangent is None else tangent

    def _see(self, pixels: Tensor) -> Tensor:
        return through(self.graph, normalised(pixels, self.colours), [rows(self.layer)], double=True)[0]
