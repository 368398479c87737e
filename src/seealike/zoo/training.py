"""Trains the networks of the zoo and writes each with its card.

python -m seealike.zoo.training vit resnet
python -m seealike.zoo.training vit-cifar10 --train parquet:cifar10-train.parquet --test parquet:cifar10-test.parquet
"""

import argparse
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.layers.config import set_fused_attn
from torch import Tensor, nn
from tqdm import tqdm

from seealike.images.loading import load
from seealike.images.order import batches
from seealike.images.preprocessing import plain
from seealike.images.sources import Images, open_images
from seealike.zoo import FOLDER
from seealike.zoo.networks import NETWORKS

READ = 500  # images at a time
SHIFT = 4  # pixels that an image is moved by at most
WARM = 0.15  # of the steps, in which the rate rises
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)


@dataclass(frozen=True)
class Recipe:
    """How a network of the zoo is trained.

    A rate that rises and falls once, label smoothing, random shifts and mirror images. Matrices inside the network are
    trained by Muon where `muon` is their rate (Jordan et al. 2024), all else by AdamW.
    """

    network: str
    options: Mapping[str, Any]
    epochs: int
    train: str = "scenes:50000"
    test: str = "scenes:5000"
    rate: float = 2e-3
    muon: float = 0.0
    batch: int = 128
    decay: float = 0.05
    seed: int = 0
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)


RECIPES = {
    "vit": Recipe("vit", {"width": 36, "depth": 6, "heads": 3}, epochs=10, muon=0.02),
    "resnet": Recipe("resnet", {"channels": (8, 16, 32, 64), "blocks": (2, 2, 2, 1)}, epochs=6, rate=5e-3),
    "vit-cifar10": Recipe(
        "vit",
        {"width": 128, "depth": 8, "heads": 4},
        epochs=11,
        train="CIFAR-10",
        test="CIFAR-10",
        rate=1e-3,
        muon=0.02,
        mean=CIFAR_MEAN,
        std=CIFAR_STD,
    ),
    "resnet-cifar10": Recipe(
        "resnet",
        {"channels": (32, 64, 128, 256), "blocks": (1, 1, 1, 1)},
        epochs=12,
        train="CIFAR-10",
        test="CIFAR-10",
        rate=4e-3,
        mean=CIFAR_MEAN,
        std=CIFAR_STD,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=list(RECIPES))
    parser.add_argument("--train", help="images to train on, in place of the recipe's")
    parser.add_argument("--test", help="images to test on")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    for name in arguments.names:
        recipe = RECIPES[name]
        train, test = arguments.train or recipe.train, arguments.test or recipe.test
        network = trained(recipe, *pixels(train, "train", arguments.workers))
        network = network.half().float()  # as it is written
        share, count = tested(network, recipe, *pixels(test, "test", arguments.workers))
        write(arguments.out, name, recipe, network, share, count)
        print(f"{name}: {share:.1%} of {count:,} images of {recipe.test} that it was not trained on")


def pixels(source: str, split: str, workers: int = 0) -> tuple[Tensor, Tensor]:
    """All images of a source as they are, uint8, and their labels."""
    images = open_images(source, **({"split": split} if source.startswith("scenes:") else {}))
    assert isinstance(images, Images), "training takes images in any order: a stream has one"
    plan = batches(range(len(images)), READ)
    loaded = tqdm(load(images, plan, {"network": plain()}, workers), f"reading {source}", len(plan), leave=False)
    seen, labels = [], []
    for batch in filter(len, loaded):
        assert batch.labels is not None, f"{source} has no labels to train on"
        seen.append((batch.inputs["network"] * 255).round().byte())
        labels.append(batch.labels)
    return torch.cat(seen), torch.cat(labels)


def trained(recipe: Recipe, images: Tensor, labels: Tensor) -> nn.Module:
    """The network of a recipe, in evaluation mode."""
    set_fused_attn(False)  # its backward pass is slow on CPUs: written out, a small ViT trains twice as fast
    torch.manual_seed(recipe.seed)
    network = NETWORKS[recipe.network](**recipe.options).to(memory_format=torch.channels_last)
    optimisers = _optimisers(network, recipe)
    starts = [[group["lr"] for group in optimiser.param_groups] for optimiser in optimisers]
    total = math.ceil(recipe.epochs * len(images) / recipe.batch)
    bar = tqdm(_batches(len(images), recipe, total), recipe.network, total, unit_scale=recipe.batch, unit=" images")
    for step, chosen in enumerate(bar):
        share = _rate(step / total)
        for optimiser, rates in zip(optimisers, starts, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * share
        with torch.autocast("cpu", torch.bfloat16):
            guess = network(_normalised(_moved(images[chosen]), recipe))
        loss = F.cross_entropy(guess.float(), labels[chosen], label_smoothing=0.1)
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        if step % 20 == 0:
            bar.set_postfix(
                loss=f"{loss.item():.2f}", right=f"{(guess.argmax(1) == labels[chosen]).float().mean():.0%}"
            )
    return network.eval()


def _optimisers(network: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    inner = [p for name, p in network.named_parameters() if p.ndim == 2 and name.startswith("blocks.")]
    inner = inner if recipe.muon else []
    others = [p for p in network.parameters() if all(p is not q for q in inner)]
    found: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, recipe.rate, weight_decay=recipe.decay)]
    if inner:
        found.append(torch.optim.Muon(inner, recipe.muon, weight_decay=recipe.decay))
    return found


def _rate(done: float) -> float:
    """Up in the first part of the steps, then down to zero."""
    return done / WARM if done < WARM else (1 - done) / (1 - WARM)


def _batches(count: int, recipe: Recipe, total: int) -> Iterator[Tensor]:
    """Every image once an epoch, in a new order each time."""
    order = torch.empty(0, dtype=torch.long)
    for _ in range(total):
        if len(order) < recipe.batch:
            order = torch.cat([order, torch.randperm(count)])
        chosen, order = order[: recipe.batch], order[recipe.batch :]
        yield chosen


def _moved(images: Tensor) -> Tensor:
    """Each image shifted by its own few pixels, edges reflected, and half of them mirrored."""
    n, _, height, width = images.shape
    padded = F.pad(images.float(), (SHIFT,) * 4, mode="reflect").permute(0, 2, 3, 1)
    y, x = (torch.randint(2 * SHIFT + 1, (n, 1)) + torch.arange(side) for side in (height, width))
    x = torch.where(torch.rand(n, 1) < 0.5, x, x.flip(1))
    return padded[torch.arange(n)[:, None, None], y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def _normalised(images: Tensor, recipe: Recipe) -> Tensor:
    mean, std = (torch.tensor(colour)[:, None, None] for colour in (recipe.mean, recipe.std))
    return (images / 255 - mean) / std


@torch.inference_mode()
def tested(network: nn.Module, recipe: Recipe, images: Tensor, labels: Tensor) -> tuple[float, int]:
    """The share of images that the network names right, and how many it was shown."""
    guesses = torch.cat([network(_normalised(x.float(), recipe)).argmax(1) for x in images.split(500)])
    return float((guesses == labels).float().mean()), len(labels)


def write(folder: Path, name: str, recipe: Recipe, network: nn.Module, share: float, count: int) -> None:
    """The weights in half precision, and the card beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {key: _half(value).contiguous() for key, value in network.state_dict().items()}
    save_file(weights, folder / f"{name}.safetensors")
    (folder / f"{name}.toml").write_text(_card(recipe, network, share, count))


def _half(value: Tensor) -> Tensor:
    return value.half() if value.is_floating_point() else value


def _card(recipe: Recipe, network: nn.Module, share: float, count: int) -> str:
    options = ", ".join(f"{key} = {json.dumps(value)}" for key, value in recipe.options.items())
    lines = {
        "network": json.dumps(recipe.network),
        "options": f"{{ {options} }}",
        "size": "32",
        "mean": json.dumps(recipe.mean),
        "std": json.dumps(recipe.std),
        "trained": json.dumps(recipe.train),
        "tested": json.dumps(f"{count:,} held-out images of {recipe.test.partition(':')[0]}"),
        "accuracy": f"{share:.4f}",
        "parameters": str(sum(p.numel() for p in network.parameters())),
        "recipe": f"{{ epochs = {recipe.epochs}, batch = {recipe.batch}, rate = {recipe.rate}, muon = {recipe.muon}, "
        f"decay = {recipe.decay}, seed = {recipe.seed} }}",
    }
    return "".join(f"{key} = {value}\n" for key, value in lines.items())


if __name__ == "__main__":
    main()
