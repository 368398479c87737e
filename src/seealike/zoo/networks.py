"""The architectures of the zoo: timm's own classes, made for images of 32 x 32 pixels."""

from collections.abc import Sequence
from typing import Any

from torch import nn


def vit(
    width: int, depth: int, heads: int, patch: int = 4, gap: bool = False, classes: int = 10, size: int = 32
) -> nn.Module:
    """A Vision Transformer (Dosovitskiy et al. 2021), read from a CLS token or, with `gap`, from the mean of tokens."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=size,
        patch_size=patch,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        num_classes=classes,
        class_token=not gap,
        global_pool="avg" if gap else "token",
    )


def mixer(width: int, depth: int, patch: int = 4, classes: int = 10, size: int = 32) -> nn.Module:
    """An MLP-Mixer (Tolstikhin et al. 2021)."""
    from timm.models.mlp_mixer import MlpMixer

    return MlpMixer(img_size=size, patch_size=patch, embed_dim=width, num_blocks=depth, num_classes=classes)


def resnet(channels: Sequence[int], blocks: Sequence[int], classes: int = 10, zero_init_last: bool = True) -> nn.Module:
    """A ResNet of basic blocks (He et al. 2016); its stem keeps the resolution, as is usual for 32 x 32 pixels.

    With `zero_init_last`, as timm has it, the branches give 0 until they are trained.
    """
    from timm.models.resnet import BasicBlock, ResNet

    width = channels[0]
    block: Any = BasicBlock
    network: Any = ResNet(
        block,
        tuple(blocks),
        num_classes=classes,
        channels=tuple(channels),
        stem_width=width,
        zero_init_last=zero_init_last,
    )
    network.conv1, network.bn1 = nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
    network.maxpool = nn.Identity()
    # timm's stem has 64 channels whatever is asked, so it made the first block for 64
    network.layer1[0].conv1, network.layer1[0].downsample = nn.Conv2d(width, width, 3, padding=1, bias=False), None
    return network
