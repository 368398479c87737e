"""How each network of the zoo is trained: the recipes of `make zoo`, by name.

A further seed of `vit` is `vit-s1`. What a name says after the architecture is what was done to it: read from the mean
of all tokens (`gap`), trained without the skips of a block (`without-skip-3`), on a share of the images in per cent
(`data-10`), on noise (`noise`), on some of the factors of scenes (`pre`), fine-tuned from that on others (`near`,
`far`), trained without labels (`ssl`), fine-tuned from that to name classes (`tuned`).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seealike import zoo
from seealike.models.sources import ModelSource
from seealike.study import ImagesSource
from seealike.training.recipe import Examples, Recipe, Settings

FOLDER = str(Path(zoo.__file__).parent)
CIFAR = "hub:uoft-cs/cifar10"
GREY = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
COLOURS = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.247, 0.2435, 0.2616)}

# What scenes are like that a network learns first; then near it, but for the colour, and far from it.
SOME = {"hue": (0.0, 0.5), "texture": (0.0, 0.5), "clutter": (0, 2), "background": (0, 0)}
NEAR = {**SOME, "hue": (0.5, 1.0)}
FAR = {"hue": (0.5, 1.0), "texture": (0.5, 1.0), "clutter": (4, 6), "background": (1, 1)}

COMMON = Settings(
    batch=128,
    warmup=0.15,
    label_smoothing=0.1,
    augment=("shift", "mirror"),
    precision="bf16",
    half=True,
)
MUON = replace(COMMON, optimizer="muon", rate=2e-3, muon_rate=0.02, epochs=10, schedule="linear")
QUICK = replace(MUON, epochs=4, schedule="cosine")  # a Mixer needs no more
ADAM = replace(COMMON, rate=5e-3, epochs=4)
TUNING = replace(MUON, rate=5e-4, muon_rate=5e-3, epochs=6)
# Without labels, to know two views of an image among those of others: the views of Chen et al. 2020, of small images.
CONTRASTIVE = {"objective": "contrastive", "augment": ("crop", "mirror", "colour"), "label_smoothing": 0.0, "epochs": 5}
TUNED = {"new_head": True, "epochs": 3}
BY_HEART = {"augment": (), "label_smoothing": 0.0, "epochs": 50}
THRICE = ("vit", "resnet", "vit-without-skip-3")
EPOCHS = {1: 250, 3: 100, 10: 50, 30: 25}  # of a share of the images, in per cent: fewer steps, but not as many fewer


def _model(network: str, colours: Mapping[str, Any], **options: Any) -> ModelSource:
    return ModelSource(f"networks.py:{network}", pretrained=False, options=options, size=32, **colours)


def _scenes(count: int, split: str, within: Mapping[str, Any] | None = None) -> Examples:
    return Examples(ImagesSource(f"scenes:{count}", split=split, within=within))


def _on_scenes(model: ModelSource, training: Settings, within: Mapping[str, Any] | None = None) -> Recipe:
    return Recipe(model, _scenes(50_000, "train", within), _scenes(5_000, "test", within), training, 0, FOLDER)


def _on_cifar(model: ModelSource, training: Settings) -> Recipe:
    train, test = (Examples(ImagesSource(CIFAR, split=split)) for split in ("train", "test"))
    return Recipe(model, train, test, training, 0, FOLDER)


def _without_skip(recipe: Recipe, block: int) -> Recipe:
    return replace(recipe, model=replace(recipe.model, edit=(f"without_skip(blocks.{block})",)))


def _less(recipe: Recipe, percent: int) -> Recipe:
    training = replace(recipe.training, epochs=EPOCHS[percent] * recipe.training.epochs / 10)
    return replace(recipe, train=replace(recipe.train, fraction=percent / 100), training=training)


def _on_noise(recipe: Recipe, count: int) -> Recipe:
    """Tested on what it was trained on: there is nothing else to learn."""
    noise = Examples(ImagesSource(f"noise:{count}", split="train"))
    return replace(recipe, train=noise, test=noise, training=replace(recipe.training, **BY_HEART))


def _tuned(within: Mapping[str, Any]) -> Recipe:
    begun = ModelSource("zoo:vit-pre")
    return Recipe(begun, _scenes(10_000, "train", within), _scenes(5_000, "test", within), TUNING, 0, FOLDER)


def _without_labels(recipe: Recipe) -> Recipe:
    """Its last linear layer gives a place among 64 numbers, not a class."""
    model = replace(recipe.model, options={**recipe.model.options, "classes": 64})
    return replace(recipe, model=model, training=replace(recipe.training, **CONTRASTIVE))


def _made_classifier(begun: str, recipe: Recipe) -> Recipe:
    training = replace(recipe.training, rate=recipe.training.rate / 4, muon_rate=5e-3, **TUNED)
    return replace(recipe, model=ModelSource(f"zoo:{begun}", options={"classes": 10}), training=training)


def _first_seed() -> dict[str, Recipe]:
    vit = _on_scenes(_model("vit", GREY, width=36, depth=6, heads=3), MUON)
    resnet = _on_scenes(_model("resnet", GREY, channels=(8, 16, 32, 64), blocks=(2, 2, 2, 1)), ADAM)
    small = {"vit": vit, "resnet": resnet}
    return {
        **small,
        "vit-gap": _on_scenes(_model("vit", GREY, width=36, depth=6, heads=3, gap=True), MUON),
        "mixer": _on_scenes(_model("mixer", GREY, width=36, depth=8), QUICK),
        **{f"vit-without-skip-{block}": _without_skip(vit, block) for block in (1, 3, 5)},
        **{f"{name}-data-{percent}": _less(small[name], percent) for percent in EPOCHS for name in small},
        "vit-pre": _on_scenes(vit.model, MUON, SOME),
        "vit-near": _tuned(NEAR),
        "vit-far": _tuned(FAR),
        **{f"{name}-noise": _on_noise(small[name], 2_000) for name in small},
        **{f"{name}-ssl": _without_labels(small[name]) for name in small},
        **{f"{name}-tuned": _made_classifier(f"{name}-ssl", small[name]) for name in small},
    }


def _on_cifar10() -> dict[str, Recipe]:
    training = replace(MUON, rate=2e-3, epochs=12)
    vit = _on_cifar(_model("vit", COLOURS, width=64, depth=6, heads=4), training)
    design = _model("resnet", COLOURS, channels=(16, 32, 64, 128), blocks=(1, 1, 1, 1))
    resnet = _on_cifar(design, replace(ADAM, rate=4e-3, epochs=12, schedule="linear"))
    named = {
        "vit": vit,
        "resnet": resnet,
        "vit-gap": _on_cifar(_model("vit", COLOURS, width=64, depth=6, heads=4, gap=True), training),
        "vit-without-skip-3": _without_skip(vit, 3),
        "mixer": _on_cifar(_model("mixer", COLOURS, width=64, depth=8), training),
        "vit-data-10": _less(vit, 10),
        "resnet-noise": _on_noise(resnet, 2_000),
        "vit-noise": _on_noise(vit, 2_000),
        "vit-ssl": _without_labels(vit),
        "vit-tuned": _made_classifier("vit-ssl-cifar10", vit),
    }
    return {f"{name}-cifar10": recipe for name, recipe in named.items()}


def seeded(recipe: Recipe, seed: int) -> Recipe:
    """The same with another seed; what is fine-tuned begins from the network of that seed."""
    begun = recipe.model.source
    model = replace(recipe.model, source=f"{begun}-s{seed}") if begun.startswith("zoo:") else recipe.model
    return replace(recipe, model=model, seed=seed)


def _with_seeds(first: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """Three seeds of the two that all others are compared with, and of what two leave undecided; two of the others."""
    found: dict[str, Recipe] = {}
    for name, recipe in first.items():
        found[name] = recipe
        for seed in range(1, 3 if name in THRICE else 2):
            found[f"{name}-s{seed}"] = seeded(recipe, seed)
    return found


RECIPES: dict[str, Recipe] = {**_with_seeds(_first_seed()), **_on_cifar10()}
