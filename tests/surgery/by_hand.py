"""Small networks of timm's own classes, and the same written without a skip, a head or a normalisation."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType

import torch
from small import stirred
from torch import nn

from seealike.zoo.networks import resnet


def _patched(module: nn.Module, forward: Callable) -> None:
    module.forward = MethodType(forward, module)


def transformer_block(block: nn.Module) -> None:
    def forward(self, x, attn_mask=None, is_causal=False):
        x = self.drop_path1(self.ls1(self.attn(self.norm1(x))))
        return self.drop_path2(self.ls2(self.mlp(self.norm2(x))))

    _patched(block, forward)


def second_of_a_transformer_block(block: nn.Module) -> None:
    def forward(self, x, attn_mask=None, is_causal=False):
        x = x + self.drop_path1(self.ls1(self.attn(self.norm1(x))))
        return self.drop_path2(self.ls2(self.mlp(self.norm2(x))))

    _patched(block, forward)


def swin_block(block: nn.Module) -> None:
    def forward(self, x):
        x = self.drop_path1(self._attn(self.norm1(x)))
        return self.drop_path2(self.mlp(self.norm2(x.flatten(1, 2)))).reshape(x.shape)

    _patched(block, forward)


def mixer_block(block: nn.Module) -> None:
    def forward(self, x):
        x = self.drop_path(self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2))
        return self.drop_path(self.mlp_channels(self.norm2(x)))

    _patched(block, forward)


def basic_block(block: nn.Module) -> None:
    def forward(self, x):
        x = self.act1(self.bn1(self.conv1(x)))
        return self.act2(self.bn2(self.conv2(x)))

    block.downsample = None
    _patched(block, forward)


def convnext_block(block: nn.Module) -> None:
    def forward(self, x):
        x = self.mlp(self.norm(self.conv_dw(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return self.drop_path(x.mul(self.gamma.reshape(1, -1, 1, 1)))

    _patched(block, forward)


def heads(attention: nn.Module, *silent: int) -> None:
    """What a head hands on is what the projection reads of it."""
    width = attention.proj.in_features // attention.num_heads
    kept = torch.ones(attention.num_heads, width, dtype=torch.float64)
    kept[list(silent)] = 0
    attention.proj.register_forward_pre_hook(lambda module, x: (x[0] * kept.flatten(),))


def no_norm(*names: str) -> Callable[[nn.Module], None]:
    def remove(network: nn.Module) -> None:
        for name in names:
            network.set_submodule(name, nn.Identity())

    return remove


def vit() -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    shape = {"img_size": 16, "patch_size": 4, "embed_dim": 12, "depth": 2, "num_heads": 3, "num_classes": 5}
    return VisionTransformer(**shape, drop_path_rate=0.2, proj_drop_rate=0.1, init_values=0.5)


def swin() -> nn.Module:
    from timm.models.swin_transformer import SwinTransformer

    shape = {"img_size": 16, "patch_size": 2, "window_size": 4, "embed_dim": 12, "depths": (2,), "num_heads": (3,)}
    return SwinTransformer(**shape, num_classes=5, drop_path_rate=0.2)


def mixer() -> nn.Module:
    from timm.models.mlp_mixer import MlpMixer

    return MlpMixer(num_classes=5, img_size=16, patch_size=4, num_blocks=2, embed_dim=12, drop_path_rate=0.2)


def convnext() -> nn.Module:
    from timm.models.convnext import ConvNeXt

    return ConvNeXt(num_classes=5, depths=(1, 1, 1, 1), dims=(8, 8, 12, 12), drop_path_rate=0.2)


def small_resnet() -> nn.Module:
    return resnet((8, 8, 12, 12), (2, 1, 1, 1), classes=5)


@dataclass(frozen=True)
class Case:
    """Edits of a network, each with what it is by hand."""

    make: Callable[[], nn.Module]
    size: int
    edits: dict[str, Callable[[nn.Module], None]]


CASES = {
    "vit": Case(
        vit,
        16,
        {
            "without_skip(blocks.1)": lambda m: transformer_block(m.blocks[1]),
            "without_skip(blocks.0.add@1)": lambda m: second_of_a_transformer_block(m.blocks[0]),
            "without_heads(blocks.0.attn, 0, 2)": lambda m: heads(m.blocks[0].attn, 0, 2),
            "without_norm(blocks.1.norm1)": no_norm("blocks.1.norm1"),
        },
    ),
    "resnet": Case(
        small_resnet,
        16,
        {
            "without_skip(layer1.1)": lambda m: basic_block(m.layer1[1]),
            "without_skip(layer2.0.add)": lambda m: basic_block(m.layer2[0]),  # a projected one
            "without_norm(layer1.0.bn1)": no_norm("layer1.0.bn1"),
        },
    ),
    "convnext": Case(
        convnext,
        32,
        {
            "without_skip(stages.2.blocks.0)": lambda m: convnext_block(m.stages[2].blocks[0]),
            "without_norm(stages.1.blocks.0.norm)": no_norm("stages.1.blocks.0.norm"),
        },
    ),
    "swin": Case(
        swin,
        16,
        {
            "without_skip(layers.0.blocks.0)": lambda m: swin_block(m.layers[0].blocks[0]),
            "without_heads(layers.0.blocks.1.attn, 1)": lambda m: heads(m.layers[0].blocks[1].attn, 1),
            "without_norm(layers.0.blocks.1)": no_norm("layers.0.blocks.1.norm1", "layers.0.blocks.1.norm2"),
        },
    ),
    "mixer": Case(
        mixer,
        16,
        {
            "without_skip(blocks.1)": lambda m: mixer_block(m.blocks[1]),
            "without_norm(blocks.0.norm2)": no_norm("blocks.0.norm2"),
        },
    ),
}
PAIRS = [(name, text) for name, case in CASES.items() for text in case.edits]


def made(name: str) -> nn.Module:
    """A network in float64, no weight at a special value."""
    torch.manual_seed(0)
    return stirred(CASES[name].make()).double()


def written(name: str, *texts: str, of: nn.Module) -> nn.Module:
    """The same network with the same weights, written without what the edits take out."""
    network = copy.deepcopy(of)
    for text in texts:
        CASES[name].edits[text](network)
    return network
