"""Depth in operations: torch's own count of an eager forward, in all and at every block on the way."""

import math

import pytest
import torch
from small import build, images
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from seealike import surgery
from seealike.kernel import Sources
from seealike.models import work
from seealike.models.graph import Graph
from seealike.selection import Models
from seealike.zoo.networks import mixer, resnet, vit

NETWORKS = {
    "vit": lambda: vit(width=12, depth=2, heads=3),
    "gap": lambda: vit(width=12, depth=2, heads=3, gap=True),
    "resnet": lambda: resnet((4, 8, 8, 8), (1, 1, 1, 1)),
    "mixer": lambda: mixer(width=12, depth=2),
}


class Several(nn.Module):
    """Products that torch takes apart before it counts them: grouped and transposed convolutions, einsum, matmul."""

    def __init__(self):
        nn.Module.__init__(self)
        self.conv, self.up = nn.Conv2d(3, 6, 3, groups=3), nn.ConvTranspose2d(6, 4, 2, stride=2, groups=2)
        self.table = nn.Parameter(torch.randn(4, 5))

    def forward(self, x):
        x = self.up(self.conv(x))
        x = torch.einsum("nchw,cd->ndhw", x, self.table).flatten(2)
        y = torch.einsum("nct,ndt->ncd", x, x) @ torch.tensordot(self.table, self.table, ([0], [0]))  # type: ignore[arg-type]
        return nn.functional.scaled_dot_product_attention(y[:, None], y[:, None], y[:, None]).flatten(1)


def counted(module, size, *names):
    """What torch has counted of a forward of one image when each of these modules has ended, and in all."""
    then = {}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for name in names:
            module.get_submodule(name).register_forward_hook(
                lambda *_, name=name: then.__setitem__(name, counter.get_total_flops())
            )
        module.eval()(images(1, size))
    return then, counter.get_total_flops()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_operations_done_are_those_that_torch_counts(name):
    module = NETWORKS[name]()
    blocks = [f"layer{k}.0" for k in (1, 2, 3, 4)] if name == "resnet" else ["blocks.0", "blocks.1"]
    models = Models({"net": Graph.of(module, (3, 32, 32), "net")})
    then, total = counted(module, (3, 32, 32), *blocks)
    assert isinstance(models, Sources)
    assert sum(map(work.operations, models.graphs["net"].module.graph.nodes)) == total
    assert [models.work("net", block) for block in blocks] == [then[block] / total for block in blocks]
    head = "fc" if name == "resnet" else "head"
    assert models.work("net", "input") == 0 and models.work("net", head) == 1


def test_what_torch_takes_apart_is_counted_as_it_counts_the_parts():
    module = Several()
    graph = Graph.of(module, (3, 9, 8), "net")
    assert sum(map(work.operations, graph.module.graph.nodes)) == counted(module, (3, 9, 8))[1]


def test_windows_that_lie_among_the_images_are_those_of_one():
    """In Swin the batch is a product of images and windows."""
    module = build("tv_swin")
    graph = Graph.of(module, (3, 40, 40), "swin")
    assert sum(map(work.operations, graph.module.graph.nodes)) == counted(module, (3, 40, 40))[1]


def test_work_only_grows_and_an_edit_changes_what_is_left():
    graph = Graph.of(NETWORKS["vit"](), (3, 32, 32), "vit")
    shares = [graph.work[layer.node] for layer in graph.layers]
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] == 1
    edited = surgery.edited(graph, [surgery.parse("without_skip(blocks.0)")])
    assert edited.work[edited.by_name["blocks.0"].node] == graph.work[graph.by_name["blocks.0"].node]


def test_a_network_that_multiplies_nothing_has_no_share():
    graph = Graph.of(nn.Sequential(nn.ReLU(), nn.Flatten()), (3, 4, 4), "net")
    assert math.isnan(graph.work[graph.by_name["0"].node])
