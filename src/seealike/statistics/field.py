"""What the middle of each layer depends on: its gradient with respect to the pixels, gathered over images."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm.auto import tqdm

from seealike.kernel import Given, State, Trial
from seealike.maths.chance import seeded
from seealike.models.gradients import Take, gradients, held, opened
from seealike.models.graph import Layer
from seealike.models.middle import Middle

ROOM = 1 << 30  # bytes of activations held at a time


@dataclass(frozen=True)
class Field(Trial):
    """{"count", "sum"}: the number of images and, in float64, the sum over them of each layer's field.

    The field of an image is the mean over channels of |d (channel in the middle) / d pixel|, summed over the colours:
    layers x height x width. Each image draws `channels` of a layer's channels, without replacement, by a generator of
    its own (seed, layer, image): unbiased, and the same in any cut of the images into batches. None: all channels.
    With `rms` it is the mean square and keeps the colours apart, layers x colours x height x width, and in place of
    drawn channels there are as many random signs (+1, -1) for all channels at once: E (sum_c s_c g_c)^2 = sum_c g_c^2.

    One trial for all layers: they share a forward, and an image may be in a run several times, once for each of its
    channels, so that a run holds about as many as ROOM allows. Each run takes one backward a layer.
    """

    source: str
    middles: tuple[tuple[str, Middle], ...]  # the layers by name
    image: tuple[int, ...]  # its height and width
    channels: int | None = 32
    rms: bool = False
    seed: int = 0

    @property
    def bytes(self) -> int:
        return 8 * len(self.middles) * torch.Size(self.image).numel() * (3 if self.rms else 1)

    def run(self, given: Given) -> State:
        layers = [_Drawn.of(self, given, name, middle) for name, middle in self.middles]
        images, count = given.images, len(given.images)
        pairs = torch.arange(max(x.draws for x in layers) * count)  # draw by draw, in each all images
        at_once = max(1, ROOM // held(given.graph, [x.layer for x in layers]))
        total = sum(x.draws for x in layers) * count
        what = f"{given.graph.name}: gradients of {len(layers)} layers"
        with tqdm(total=total, desc=what, unit=" gradients", leave=False, delay=5) as bar:
            for part in pairs.split(at_once):
                draw, image = part // count, part % count
                due = [x for x in layers if x.draws > draw[0]]
                leaf, taken = opened(given.graph, images[image.to(images.device)], [x.take for x in due])
                for x, middle in zip(due, taken, strict=True):
                    weights = x.weights(draw, image).to(middle)
                    x.add(gradients(given.graph, middle, leaf, weights), self.rms)
                    bar.update(int((draw < x.draws).sum()))
        return {
            "count": torch.tensor(float(count), dtype=torch.float64),
            "sum": torch.stack([x.sum / x.share for x in layers]).cpu(),
        }


@dataclass(eq=False)
class _Drawn:
    """The middle of one layer, what was drawn of its channels for each image, and the sum of the fields so far."""

    layer: Layer
    middle: Middle
    channels: int
    draws: int
    chosen: Tensor  # images x draws: channels; or images x draws x channels: signs
    sum: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))

    @staticmethod
    def of(asked: Field, given: Given, name: str, middle: Middle) -> "_Drawn":
        layer = given.graph.by_name[name]
        dims = layer.places.dims if layer.places else ()
        channels = torch.Size(s for d, s in enumerate(layer.shape) if d not in dims).numel()
        draws = channels if asked.channels is None else min(asked.channels, channels)
        generators = [seeded(asked.seed, name, i) for i in given.indices.tolist()]
        if draws == channels:
            chosen = torch.arange(channels).expand(len(generators), -1)
        elif asked.rms:
            chosen = torch.stack([torch.randint(2, (draws, channels), generator=g) for g in generators]) * 2 - 1
        else:
            chosen = torch.stack([torch.randperm(channels, generator=g)[:draws] for g in generators])
        return _Drawn(layer, middle, channels, draws, chosen)

    @property
    def take(self) -> Take:
        places = self.layer.places
        assert places is not None, "a layer without places has no middle"
        return self.layer, lambda rows: self.middle.of(rows, places)

    @property
    def share(self) -> int:
        """What turns the sum into a mean over channels."""
        return self.draws * (self.channels if self.chosen.ndim == 3 else 1)

    def weights(self, draw: Tensor, image: Tensor) -> Tensor:
        """Of each pair of a draw and an image the weights of the channels; zero where all draws are done."""
        chosen = self.chosen[image, draw.clamp(max=self.draws - 1)]
        if chosen.ndim == 1:
            chosen = torch.nn.functional.one_hot(chosen, self.channels)
        return chosen * (draw < self.draws)[:, None]

    def add(self, gradient: Tensor, squared: bool) -> None:
        gradient = gradient.double()
        self.sum = self.sum + (gradient.square().sum(0) if squared else gradient.abs().sum((0, 1)))
