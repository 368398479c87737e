"""What probes on every token of every block cost in time and memory: ViT-S/16, 10,000 images.

    python bench/probe.py --train cifar10-train.parquet --test cifar10-test.parquet [--count 10000] [--memory 4GB]
    python bench/probe.py --blocks blocks.11 --classes 1000

The images of CIFAR-10, as large as the network takes them; with `--classes` their labels are numbers of that many
classes without a meaning. The network is untrained: it costs what a trained one does. Two lines are printed: the whole,
reading of images and both rounds included, and the peak memory of the process beside that before the first pass.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import timm
import torch

import seealike
from seealike.images.sources import open_images
from seealike.measures.probe import Probe
from seealike.study import Ask, ImagesSource, Study


class Numbered:
    """The same images under other labels."""

    def __init__(self, source: str, classes: int):
        self.images, self.classes = open_images(source), tuple(f"class {i}" for i in range(classes))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        if index >= len(self.images):
            raise IndexError(index)
        return self.images.read(index), index % len(self.classes)


def main() -> None:
    beside = Path(__file__).parents[1].parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", default=str(beside / "cifar10-train.parquet"))
    parser.add_argument("--test", default=str(beside / "cifar10-test.parquet"))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--tested", type=int, default=1_000)
    parser.add_argument("--model", default="vit_small_patch16_224")
    parser.add_argument("--blocks", default="@block")
    parser.add_argument("--classes", type=int, default=0)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--memory", default="4GB")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    sources = [f"parquet:{path}" for path in (arguments.train, arguments.test)]
    given = [Numbered(s, arguments.classes) for s in sources] if arguments.classes else sources
    sets = {
        "test": ImagesSource(given[1], take=arguments.tested),
        "train": ImagesSource(given[0], take=arguments.count),
    }
    ask = Probe(model="vit", layers=(arguments.blocks,), view="tokens", train="train")
    study = Study({"vit": timm.create_model(arguments.model).eval()}, sets, {"probe": Ask(ask)}, batch=arguments.batch)
    before, start = peak(), time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        answer = seealike.run(study, out, memory=arguments.memory)["probe"]
    seconds = time.perf_counter() - start
    print(f"{dict(answer.accuracy.sizes)}: {seconds / 60:.1f} min, mean accuracy {float(answer.accuracy.mean()):.3f}")
    print(f"peak memory {peak():.1f} GB, before the passes {before:.1f} GB")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


if __name__ == "__main__":
    main()
