"""The architectures that the libraries have: of each family the smallest model, with weights drawn at random."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from seealike.models.sources import ModelSource

LARGEST = 140_000_000  # parameters: what one process can look at within a few GB
SIDE = 256  # pixels: models made for larger images take long, and those for more than twice as many are given these
# Families in whose smallest model no skip meets a branch.
WITHOUT_SKIPS = frozenset(
    f"{library}-{name}"
    for library, names in {
        "timm": ("densenet", "inception_v3", "inception_v4", "rdnet", "selecsls", "vgg", "vovnet"),
        "torchvision": ("alexnet", "densenet", "googlenet", "inception", "shufflenetv2", "squeezenet", "vgg"),
        "transformers": ("MobileNetV1ForImageClassification",),
    }.items()
    for name in names
)
# Softmaxes that are no attention of their own: how many, and why.
OTHER_SOFTMAXES = {
    "timm-convit": (10, "ten layers add two softmaxes, of content and of position, to one attention"),
    "timm-efficientvim": (7, "six weigh places, as a pool does, and one its heads"),
}
# Families that are rightly refused: what the message says, and why that is so.
REFUSED = {
    "timm-csatv2": (
        "the images of a batch reach each other at matmul",
        "its attention multiplies images x tokens by images x tokens",
    ),
}

SMALL = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3, "image_size": 64, "patch_size": 8}
STAGES = {"depths": [1, 1, 2, 1], "hidden_sizes": [16, 24, 32, 48]}
# class of the model -> class of its configuration, and what makes it small
CONFIGURATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "ViTForImageClassification": ("ViTConfig", {**SMALL, "intermediate_size": 96}),
    "Dinov2ForImageClassification": ("Dinov2Config", {**SMALL, "mlp_ratio": 2}),
    "ConvNextForImageClassification": ("ConvNextConfig", {**STAGES, "image_size": 64}),
    "SwinForImageClassification": (
        "SwinConfig",
        {"image_size": 64, "embed_dim": 24, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4},
    ),
    "CLIPVisionModel": ("CLIPVisionConfig", {**SMALL, "intermediate_size": 96}),
    "MobileNetV1ForImageClassification": ("MobileNetV1Config", {"image_size": 64, "depth_multiplier": 0.25}),
    "ResNetForImageClassification": ("ResNetConfig", {**STAGES, "embedding_size": 16}),
}


@dataclass(frozen=True)
class Model:
    """A model of a library: what a study calls it, how many parameters it has, and why it is not looked at, if so."""

    name: str
    source: ModelSource
    parameters: int

    @property
    def skipped(self) -> str:
        large = self.parameters > LARGEST
        return f"its smallest model has {self.parameters / 1e6:.0f} M parameters" if large else ""


@dataclass(frozen=True)
class Family:
    """Models that one module of timm or torchvision makes, or one class of transformers."""

    library: str
    name: str

    def __str__(self) -> str:
        return f"{self.library}-{self.name}"

    def smallest(self, folder: Path) -> Model:
        """`folder` is where a configuration may be written."""
        if self.library == "transformers":
            return _of_transformers(self.name, folder)
        _, parameters, name = min(_of_timm(self.name) if self.library == "timm" else _of_torchvision(self.name))
        large = self.library == "timm" and max(_size(name)) > 2 * SIDE
        source = ModelSource(f"{self.library}:{name}", pretrained=False, size=SIDE if large else None)
        return Model(name, source, parameters)


def families() -> list[Family]:
    """All of timm, all classifiers of torchvision, and some of transformers."""
    return [
        *(Family("timm", name) for name in timm.list_modules() if _names(name)),
        *(Family("torchvision", name) for name in sorted({_module(n) for n in _classifiers()})),
        *(Family("transformers", name) for name in CONFIGURATIONS),
    ]


def _names(module: str) -> list[str]:
    """Models of one module of timm, without those that it keeps for its own tests."""
    return [name for name in timm.list_models(module=module) if not name.startswith("test_")]


def _of_timm(module: str) -> Iterator[tuple[bool, int, str]]:
    """Those made for images of no more than 256 pixels a side, a multiple of 32, come first."""
    for name in _names(module):
        size = timm.get_pretrained_cfg(name).input_size[1:]
        yield (
            any(side % 32 or side > SIDE for side in size),
            _parameters(lambda name=name: timm.create_model(name)),
            name,
        )


def _size(name: str) -> tuple[int, int]:
    """Of the images that a model of timm is made for."""
    return timm.get_pretrained_cfg(name).input_size[1:]


def _classifiers() -> list[str]:
    return torchvision.models.list_models(module=torchvision.models)


def _module(name: str) -> str:
    return torchvision.models.get_model_builder(name).__module__.rpartition(".")[2]


def _of_torchvision(module: str) -> Iterator[tuple[bool, int, str]]:
    for name in _classifiers():
        if _module(name) == module:
            weights = torchvision.models.get_model_weights(name)
            yield False, weights.DEFAULT.meta["num_params"], name


def _parameters(make) -> int:
    """Counted without memory for them."""
    with torch.device("meta"):
        module: nn.Module = make()
    return sum(p.numel() for p in module.parameters())


def _of_transformers(name: str, folder: Path) -> Model:
    import transformers

    kind, options = CONFIGURATIONS[name]
    library: ModuleType | Any = transformers
    configuration = getattr(library, kind)(**options, architectures=[name])
    configuration.save_pretrained(folder)
    source = ModelSource(f"hf:{folder}", pretrained=False, size=options.get("image_size", 64))
    return Model(name, source, _parameters(lambda: getattr(library, name)(configuration)))


def awake(module: nn.Module, images: Tensor, seed: int = 0) -> nn.Module:
    """The module with no branch that begins at zero, and with the statistics of these images in its batch norms.

    As they are drawn, many networks hide what they compute: a branch times zero is the same for all images, and numbers
    that nothing normalises fade from layer to layer.
    """
    generator = torch.Generator().manual_seed(seed)
    norms = [m for m in module.eval().modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    with torch.no_grad():
        for p in module.parameters():
            if p.numel() and p.min() == p.max():
                each = p[0].numel() if p.ndim > 1 else 100
                p.add_(torch.randn(p.shape, generator=generator) / each**0.5)
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean of all that it sees
            norm.train()
        module(images)
    return module.eval()
