"""What a search for pictures costs beside the bare network: 16 images, 5 layers of a ResNet-18, 64 x 64 pixels.

    python bench/inversion.py [--threads 2] [--iterations 80] [--repeats 5]

For each layer, in turn: seconds an iteration of `strict` (Adam, no prior) and of `paper` (blur), and of a bare forward
and backward, with respect to the images, of the eager network cut off behind the layer. The medians of the repeats and
their ratios are printed; the first of each is left out.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import timm
import torch
from torch import Tensor, nn

from seealike.inversion import Settings
from seealike.kernel import Given
from seealike.models.graph import Graph
from seealike.statistics.inverted import Inverted

LAYERS = ("act1", "layer1", "layer2", "layer3", "layer4")
SIZE = (3, 64, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--iterations", type=int, default=80)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    network = timm.create_model("resnet18", pretrained=False).eval().requires_grad_(False)
    graph = Graph.of(network, SIZE, "resnet18")
    images = torch.rand(arguments.images, *SIZE).contiguous(memory_format=graph.memory_format)
    given = Given(graph, images, 0, torch.arange(len(images)))
    ratios = []
    for layer in LAYERS:
        ways: dict[str, Callable[[], object]] = {
            "bare": partial(bare, cut(network, layer), images, arguments.iterations)
        }
        for name, settings in searches(arguments.iterations).items():
            ways[name] = partial(Inverted("resnet18", layer, settings).run, given)
        spent = {name: [] for name in ways}
        for _ in range(arguments.repeats + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                spent[name].append((time.perf_counter() - start) / (arguments.iterations + 1))
        seconds = {name: statistics.median(times[1:]) for name, times in spent.items()}
        ratios.append(seconds["strict"] / seconds["bare"])
        told = ", ".join(f"{name} {1000 * s:.1f} ms ({s / seconds['bare']:.2f} x)" for name, s in seconds.items())
        print(f"{layer}: {told}", flush=True)
    print(f"strict, mean of the layers: {statistics.mean(ratios):.2f} x bare")


def searches(iterations: int) -> dict[str, Settings]:
    common = {"iterations": iterations, "starts": ("bright",), "tolerance": 0.0}
    return {
        "strict": Settings(step=0.03, **common),
        "paper": Settings(mode="paper", prior="blur", step=1e-4, **common),
    }


def cut(network: nn.Module, layer: str) -> nn.Sequential:
    """The network as far as a layer."""
    parts = [(name, part) for name, part in network.named_children()]
    return nn.Sequential(*(part for _, part in parts[: [name for name, _ in parts].index(layer) + 1]))


def bare(network: nn.Module, images: Tensor, iterations: int) -> None:
    """As many forwards and backwards, and a last forward, as a search takes."""
    leaf = images.clone().requires_grad_()
    for _ in range(iterations):
        torch.autograd.grad(network(leaf).square().sum(), leaf)
    network(leaf)


if __name__ == "__main__":
    main()
