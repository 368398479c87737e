"""Small models of many families, and batches held in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field

import timm
import torch
from torch import Tensor, nn

from seealike.kernel import IMAGES, Given, Tap
from seealike.models.graph import Graph
from seealike.models.run import run


@dataclass(frozen=True)
class Family:
    """A small model, and what its source says it holds.

    `residuals` and `attentions` count, from the module tree, what the forward of that family adds and attends.
    """

    size: tuple[int, int, int]
    make: Callable[[], nn.Module]
    residuals: Callable[[nn.Module], int]
    attentions: Callable[[nn.Module], dict[str, int]] = lambda module: {}
    projected: Callable[[nn.Module], int] = lambda module: 0
    unplaced: frozenset[str] = frozenset()


def count(module: nn.Module, *kinds: str) -> int:
    return sum(type(m).__name__ in kinds for m in module.modules())


def twice(*kinds: str) -> Callable[[nn.Module], int]:
    """Attention and MLP are each added to the stream."""
    return lambda module: 2 * count(module, *kinds)


def once(*kinds: str) -> Callable[[nn.Module], int]:
    return lambda module: count(module, *kinds)


def per(kind: str, *blocks: str) -> Callable[[nn.Module], dict[str, int]]:
    return lambda module: {kind: count(module, *blocks)}


def timm_model(name: str, **options) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=5, **options)


TINY = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 3}


def tv_swin():
    from torchvision.models.swin_transformer import SwinTransformer

    # a grid of 10 x 10 in windows of 4: padded
    return SwinTransformer([4, 4], 12, [2, 2], [2, 4], [4, 4], num_classes=5)


def tv_resnet():
    from torchvision.models.resnet import Bottleneck, ResNet

    return ResNet(Bottleneck, [2, 1, 1, 1], num_classes=5, width_per_group=8)


def tv_vit():
    from torchvision.models.vision_transformer import VisionTransformer

    return VisionTransformer(32, 8, 2, 3, 24, 48, num_classes=5)


def res2net():
    from timm.models.res2net import Bottle2neck
    from timm.models.resnet import ResNet

    sizes = {"base_width": 32, "channels": (8, 16, 16, 32), "block_args": {"scale": 4}}
    return ResNet(Bottle2neck, (2, 1, 1, 1), num_classes=5, **sizes)


def mixer():
    from timm.models.mlp_mixer import MlpMixer

    return MlpMixer(num_classes=5, img_size=32, patch_size=8, num_blocks=2, embed_dim=32)


def vgg():
    from timm.models.vgg import VGG

    return VGG([8, "M", 16, 16, "M"], num_classes=5, mlp_ratio=0.01)


def maxvit():
    from timm.models.maxxvit import MaxxVit, MaxxVitCfg, MaxxVitTransformerCfg

    windows = MaxxVitTransformerCfg(dim_head=8, window_size=(4, 4), grid_size=(4, 4))
    shape = {"embed_dim": (16, 32), "depths": (1, 1), "block_type": ("M", "M"), "stem_width": 16}
    return MaxxVit(MaxxVitCfg(**shape, transformer_cfg=windows), img_size=64, num_classes=5)


HF = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 32, "patch_size": 8}


def hf_vit():
    from transformers import ViTConfig, ViTForImageClassification

    return ViTForImageClassification(ViTConfig(**HF, intermediate_size=48))


def hf_dinov2_registers():
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    return Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**HF, mlp_ratio=2, num_register_tokens=4))


def downsampled(module: nn.Module) -> int:
    """ResNet blocks whose skip goes through a projection."""
    return sum(getattr(m, "downsample", None) is not None for m in module.modules())


FAMILIES = {
    "vit": Family((3, 32, 32), timm_model("vit_tiny_patch16_224", **TINY), twice("Block"), per("token", "Block")),
    # the average of its two heads is an addition too, and no residual
    "deit_distilled": Family(
        (3, 32, 32), timm_model("deit_tiny_distilled_patch16_224", **TINY), twice("Block"), per("token", "Block")
    ),
    # so are the two terms of its rotary embedding
    "eva02": Family(
        (3, 28, 28),
        timm_model("eva02_tiny_patch14_224", **TINY | {"img_size": 28, "patch_size": 7}),
        twice("EvaBlock"),
        per("token", "EvaBlock"),
    ),
    "swin": Family(
        (3, 56, 56),
        timm_model("swin_tiny_patch4_window7_224", img_size=56, depths=(2, 2), embed_dim=12, num_heads=(2, 4)),
        twice("SwinTransformerBlock"),
        per("token", "SwinTransformerBlock"),
    ),
    "tv_swin": Family((3, 40, 40), tv_swin, twice("SwinTransformerBlock"), per("token", "SwinTransformerBlock")),
    "resnet18": Family((3, 32, 32), timm_model("resnet18"), once("BasicBlock"), projected=downsampled),
    "tv_resnet": Family((3, 32, 32), tv_resnet, once("Bottleneck"), projected=downsampled),
    # the pieces that it adds up inside a block are parts of a tensor, and no skips of it
    "res2net": Family((3, 32, 32), res2net, once("Bottle2neck"), projected=downsampled),
    "resnest": Family(
        (3, 32, 32), timm_model("resnest14d"), once("ResNestBottleneck"), per("split", "SplitAttn"), downsampled
    ),
    "convnext": Family(
        (3, 64, 64), timm_model("convnext_atto", depths=(1, 1, 2, 1), dims=(8, 16, 24, 32)), once("ConvNeXtBlock")
    ),
    "mixer": Family((3, 32, 32), mixer, twice("MixerBlock")),
    "cait": Family(
        (3, 32, 32),
        timm_model("cait_xxs24_224", **TINY),
        twice("LayerScaleBlock", "LayerScaleBlockClassAttn"),
        lambda m: {"talking heads": count(m, "LayerScaleBlock"), "class": count(m, "LayerScaleBlockClassAttn")},
    ),
    # channel attention, local patch interaction and MLP are each added; class attention and its MLP
    "xcit": Family(
        (3, 32, 32),
        timm_model("xcit_nano_12_p8_224", img_size=32, depth=2, embed_dim=24, num_heads=3),
        lambda m: 3 * count(m, "XCABlock") + 2 * count(m, "ClassAttentionBlock"),
        lambda m: {"channel": count(m, "XCABlock"), "class": count(m, "ClassAttentionBlock")},
        # channels by channels
        unplaced=frozenset(f"blocks.{i}.attn.{x}" for i in (0, 1) for x in ("matmul", "mul", "attn_drop")),
    ),
    "densenet": Family((3, 32, 32), timm_model("densenet121", block_config=(2, 2), growth_rate=8), lambda module: 0),
    "vgg": Family((3, 28, 28), vgg, lambda module: 0),
    "pvt": Family(
        (3, 64, 64),
        timm_model("pvt_v2_b0", depths=(1, 1, 1, 1), embed_dims=(8, 16, 24, 32), num_heads=(1, 2, 3, 4)),
        twice("Block"),
        per("token", "Block"),
    ),
    # an MBConv, then attention and MLP in windows, then both on a grid
    "maxvit": Family(
        (3, 64, 64),
        maxvit,
        lambda m: count(m, "MbConvBlock") + 2 * count(m, "PartitionAttentionCl"),
        per("token", "PartitionAttentionCl"),
        lambda m: sum(
            type(b).__name__ == "MbConvBlock" and not isinstance(b.shortcut, nn.Identity) for b in m.modules()
        ),
    ),
    "mobilenet": Family(
        (3, 64, 64),
        timm_model("mobilenetv3_small_050"),
        lambda m: sum(getattr(b, "has_skip", False) for b in m.modules()),
    ),
    # a normalised skip is one; the sum of a 3 x 3 and a 1 x 1 convolution is a merge
    "repvgg": Family(
        (3, 32, 32),
        timm_model("repvgg_a0"),
        lambda m: sum(getattr(b, "identity", None) is not None for b in m.modules()),
        projected=lambda m: sum(getattr(b, "identity", None) is not None for b in m.modules()),
    ),
    "tv_vit": Family((3, 32, 32), tv_vit, twice("EncoderBlock"), per("token", "EncoderBlock")),
    "hf_vit": Family((3, 32, 32), hf_vit, twice("ViTLayer"), per("token", "ViTLayer")),
    "hf_dinov2_registers": Family(
        (3, 32, 32), hf_dinov2_registers, twice("Dinov2WithRegistersLayer"), per("token", "Dinov2WithRegistersLayer")
    ),
}


def build(name: str) -> nn.Module:
    """The same weights each time: some draws leave a channel of a small model without any light."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return stirred(FAMILIES[name].make())


def stirred(module: nn.Module, seed: int = 0) -> nn.Module:
    """`module` in evaluation mode with no weight or buffer at a special value (zero, one) any more."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator))
        for name, b in module.named_buffers():
            if name.endswith("running_mean"):
                b.add_(0.1 * torch.randn(b.shape, generator=generator))
            if name.endswith("running_var"):
                b.mul_(0.5 + torch.rand(b.shape, generator=generator))
    return module.eval()


def images(n: int, size: tuple[int, ...] = (3, 32, 32), seed: int = 0) -> Tensor:
    return torch.randn(n, *size, generator=torch.Generator().manual_seed(seed))


@dataclass
class Batch:
    """Images in memory, shown to the taps of each graph; `values` are sources that are mere tensors."""

    index: int
    graphs: dict[str, Graph]
    images: Tensor
    first: int = 0
    values: dict[str, Tensor] = field(default_factory=dict)
    forwards: list[str] = field(default_factory=list)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(f"image {self.first + i}" for i in range(len(self.images)))

    def show(self, taps, receive) -> None:
        taps = list(taps)
        for tap in taps:
            if tap.source == IMAGES:
                receive(tap, torch.arange(self.first, self.first + len(self.images)))
            elif tap.source in self.values:
                receive(tap, self.values[tap.source])
        for name, graph in self.graphs.items():
            watches = [self._watch(graph, tap, receive) for tap in taps if tap.source == name]
            if watches:
                self.forwards.append(name)
                run(graph, self.images, watches)

    def given(self, source: str) -> Given:
        return Given(self.graphs[source], self.images, self.index, self.first + torch.arange(len(self.images)))

    def _watch(self, graph: Graph, tap: Tap, receive):
        def look(operation):
            receive(tap, operation.rows if tap.view is None else tap.view.see(operation))

        return graph.by_name[tap.tensor], tap.view.when if tap.view else "after", look


def batches(graphs: dict[str, Graph], x: Tensor, size: int) -> list[Batch]:
    return [Batch(k, graphs, part, k * size) for k, part in enumerate(x.split(size))]


def tensors(graph: Graph, x: Tensor, names=None) -> dict[str, Tensor]:
    """Copies of the layers' tensors, images first, each taken the moment it exists."""
    seen: dict[str, Tensor] = {}
    layers = [graph.by_name[n] for n in names] if names else [*graph.layers, *graph.parts]

    def keep(name):
        return lambda operation: seen.__setitem__(name, operation.rows.clone())

    run(graph, x, [(layer, "after", keep(layer.name)) for layer in layers])
    return seen
