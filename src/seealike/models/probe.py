"""One forward of three images, the middle one all NaN: what each tensor holds of each image.

Where NaN arrives is where that image lives, for any operation, with no rules. What it does not reach
(masks, position tables) is no tensor of the images; where it reaches its neighbours the network mixes
its images (batch normalisation in training mode) and no layer has a meaning of its own.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.fx import Interpreter, Node

from seealike.models.operations import carries_tensors, tensor
from seealike.models.overwriting import restored
from seealike.models.places import ImageAxis, Places, of_one_image
from seealike.models.placing import follow, pixels

IMAGES = 3
MIXED = "mixed"


@dataclass
class Probe:
    """What was seen: where the images are, where the pixels are, how much memory was alive."""

    axes: dict[Node, ImageAxis] = field(default_factory=dict)
    places: dict[Node, Places] = field(default_factory=dict)
    shapes: dict[Node, tuple[int, ...]] = field(default_factory=dict)
    mixed: Node | None = None  # the first tensor in which the images reach each other
    bytes_per_image: float = 0.0
    memory_format: torch.memory_format = torch.contiguous_format


class _Run(Interpreter):
    def __init__(self, module):
        super().__init__(module, garbage_collect_values=True)
        self.found = Probe()
        self.pixels: dict[Node, object] = {}

    def run_node(self, n: Node):
        if n.op == "placeholder":
            output = super().run_node(n)
            self.pixels[n] = pixels(output)
        else:
            output = super().run_node(n)
            if n.op == "call_function" and carries_tensors(n):
                self.pixels[n] = follow(n, lambda m: _cpu(self.env[m]), self.pixels, _cpu(output))
        if isinstance(output, Tensor) and output.is_floating_point() and n.op != "get_attr":
            self.look(n, output)
        self.found.bytes_per_image = max(self.found.bytes_per_image, self.alive(output) / IMAGES)
        self.forget(n)
        return output

    def look(self, n: Node, output: Tensor) -> None:
        axis = find_axis(n, output)
        if axis == MIXED:
            self.found.mixed = self.found.mixed or n
        if not isinstance(axis, ImageAxis):
            return
        self.found.axes[n] = axis
        self.found.shapes[n] = tuple(axis.rows(output).shape[1:])
        yx = self.pixels.get(n)
        places = of_one_image(yx, axis) if isinstance(yx, Tensor) else None
        if places is not None:
            self.found.places[n] = places

    def alive(self, output) -> int:
        """Bytes of the tensors that hold images and are still needed, shared storage once."""
        held = [v for n, v in self.env.items() if n.op != "get_attr"] + [output]
        tensors = [t for v in held for t in (v if isinstance(v, list | tuple) else [v]) if isinstance(t, Tensor)]
        return sum({s.data_ptr(): s.nbytes() for s in (t.untyped_storage() for t in tensors)}.values())

    def forget(self, n: Node) -> None:
        for gone in self.user_to_last_uses.get(n, []):
            self.pixels.pop(gone, None)


def _cpu(value):
    return value.cpu() if isinstance(value, Tensor) and value.device.type != "meta" else value


def find_axis(node: Node, output: Tensor) -> ImageAxis | str | None:
    """Where the middle image's NaN lies: an axis, MIXED, or None where it did not arrive."""
    bad = torch.isnan(output)
    if not bad.any():
        return None
    for dim in _batch_dims(node, output):
        hit = bad.movedim(dim, 0).flatten(1).any(1).cpu() if bad.ndim > 1 else bad.cpu()
        k = len(hit) // IMAGES
        for inner in (d for d in range(1, k + 1) if k % d == 0):
            if torch.equal(hit, torch.arange(len(hit)) // inner % IMAGES == 1):
                return ImageAxis(dim, k // inner, inner)
    return MIXED


def _batch_dims(node: Node, output: Tensor) -> list[int]:
    """The dimensions whose traced size depends on the number of images."""
    traced = tensor(node)
    return [d for d, size in enumerate(traced.shape) if isinstance(size, torch.SymInt)] if traced is not None else []


def probe(module, size: tuple[int, ...], **like) -> Probe:
    """Run the traced network once, on three random images of which the middle one is NaN.

    Images whose channels lie together in memory are tried first: convolutions are faster on them (ResNet-50 on a
    CPU by a third). A network that views its tensors in a way that forbids it gets them as they come.
    """
    images = torch.randn(IMAGES, *size, generator=torch.Generator().manual_seed(0)).to(**like)
    images[1] = torch.nan
    try:
        return _probed(module, images, torch.channels_last)
    except RuntimeError:
        return _probed(module, images, torch.contiguous_format)


def _probed(module, images: Tensor, memory_format: torch.memory_format) -> Probe:
    run = _Run(module)
    with restored(module), torch.no_grad(), torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        run.run(images.to(memory_format=memory_format, copy=True))
    run.found.memory_format = memory_format
    return run.found
