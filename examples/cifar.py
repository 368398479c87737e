"""A small ViT and a small ResNet, trained for a few minutes on CIFAR-10: checkpoints to compare.

    python examples/cifar.py vit DATA.parquet vit.safetensors --minutes 6
    python examples/cifar.py resnet DATA.parquet resnet.safetensors --minutes 6
    seealike run examples/cifar.toml --out out

DATA.parquet holds the training images as Hugging Face's `datasets` store them (columns `image` and `label`).
"""

import argparse
import time

import torch
import torch.nn.functional as F
from datasets import Image, load_dataset
from safetensors.torch import save_file
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from tqdm import tqdm

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def vit() -> nn.Module:
    """Eight blocks of width 128 on 4 x 4 patches, with a CLS token."""
    return VisionTransformer(img_size=32, patch_size=4, embed_dim=128, depth=8, num_heads=4, num_classes=10)


def resnet() -> nn.Module:
    """A ResNet-18 of half the width, its stem made for 32 x 32 pixels."""
    network = ResNet(BasicBlock, (2, 2, 2, 2), num_classes=10, channels=(32, 64, 128, 256), stem_width=32)
    network.conv1 = nn.Conv2d(3, 32, 3, padding=1, bias=False)
    network.bn1, network.maxpool = nn.BatchNorm2d(32), nn.Identity()
    network.layer1[0].conv1 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
    network.layer1[0].downsample = None
    return network


def pixels(parquet: str) -> tuple[torch.Tensor, torch.Tensor]:
    """All training images, normalised, and their labels."""
    rows = load_dataset("parquet", data_files=parquet, split="train").cast_column("image", Image(mode="RGB"))
    rows = rows.with_format("torch")
    images = torch.cat([torch.stack(list(batch["image"])) for batch in tqdm(rows.iter(2500), "decoding", leave=False)])
    mean, std = (torch.tensor(c)[:, None, None] for c in (MEAN, STD))
    return (images / 255 - mean) / std, torch.cat([batch["label"] for batch in rows.iter(10000)])


def augmented(images: torch.Tensor) -> torch.Tensor:
    """A random shift by up to four pixels, half of the batches mirrored."""
    dy, dx = torch.randint(9, (2,)).tolist()
    shifted = F.pad(images, (4, 4, 4, 4))[:, :, dy : dy + 32, dx : dx + 32]
    return shifted.flip(3) if torch.rand(()) < 0.5 else shifted


def train(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, minutes: float, batch: int = 128) -> None:
    """AdamW with a one-cycle rate over the time allowed."""
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    network.to(memory_format=torch.channels_last)
    start, peak = time.monotonic(), 2e-3
    bar = tqdm(total=100, unit="%")
    while (spent := (time.monotonic() - start) / (60 * minutes)) < 1:
        rate = peak * min(spent / 0.1, (1 - spent) / 0.9 + 1e-3)
        for group in optimiser.param_groups:
            group["lr"] = rate
        chosen = torch.randint(len(images), (batch,))
        seen = augmented(images[chosen]).to(memory_format=torch.channels_last)
        loss = F.cross_entropy(network(seen), labels[chosen], label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        bar.set_postfix(loss=f"{loss.item():.2f}")
        bar.update(100 * spent - bar.n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=["vit", "resnet"])
    parser.add_argument("parquet")
    parser.add_argument("checkpoint")
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--test", help="parquet of test images; their accuracy is printed")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    network = {"vit": vit, "resnet": resnet}[arguments.model]()
    train(network, *pixels(arguments.parquet), arguments.minutes)
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, arguments.checkpoint)
    if arguments.test:
        images, labels = pixels(arguments.test)
        with torch.inference_mode():
            guesses = torch.cat([network.eval()(x).argmax(1) for x in images.split(500)])
        print(f"{arguments.model}: {(guesses == labels).float().mean():.1%} of {len(labels)} test images")


if __name__ == "__main__":
    main()
