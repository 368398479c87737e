"""What all forward analyses of one ViT and one ResNet cost together, beside the bare forward passes of both.

    python bench/study.py --photographs DATA.parquet [--runs 3] [--threads 2] [--only skip_ratio ...]
    python bench/study.py --memory

One pass answers them all: CKA of all blocks, attention distances, heads against the ResNet, skip against branch,
localisation, and the sums of the linear probes. Gradients (receptive fields) and the solving of probes are no part of
the forward, and are left out. `--memory` compares the peak at 4,096 images with that at 256. As in bench/cka.py every
figure comes from a process of its own, tools take turns, decoding, building and tracing are not counted.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

WARM = 8  # images of a first, uncounted pass
ASKS = ("cka", "attention_distance", "head_cka", "skip_ratio", "localization", "probe")
LARGE, SMALL = ("vit_small_patch16_224", "resnet50"), ("vit_tiny_patch16_224", "resnet18")


def main() -> None:
    arguments = parse()
    if arguments.tool:
        print(json.dumps(measure(arguments)))
    elif arguments.memory:
        memory(arguments)
    else:
        costs(arguments)


def parse() -> argparse.Namespace:
    beside = Path(__file__).parents[1].parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", default=str(beside / "imagenet-sample.parquet"))
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="*", choices=ASKS, default=ASKS)
    parser.add_argument("--each", action="store_true", help="also every analysis by itself")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--models", nargs=2, default=LARGE, help=argparse.SUPPRESS)
    parser.add_argument("--tool", help=argparse.SUPPRESS)
    return parser.parse_args()


def costs(arguments: argparse.Namespace) -> None:
    together = " ".join(arguments.only)
    tools = ["bare", together, *(arguments.only if arguments.each and len(arguments.only) > 1 else ())]
    runs: dict[str, list[dict]] = {tool: [] for tool in tools}
    for _ in range(arguments.runs):
        for tool in tools:
            runs[tool].append(spawn(tool))
    print(f"{' and '.join(arguments.models)}, {arguments.count} photographs, batch {arguments.batch}")
    for tool, found in runs.items():
        ratios = [r["seconds"] / b["seconds"] for r, b in zip(found, runs["bare"], strict=True)]
        seconds, peak = (statistics.median(r[key] for r in found) for key in ("seconds", "peak_mb"))
        print(f"  {tool:75} {seconds:7.1f} s  {statistics.median(ratios):5.2f} x bare  {peak:6.0f} MB", flush=True)


def memory(arguments: argparse.Namespace) -> None:
    small = ["--models", *SMALL, "--batch", "16"]  # so that 256 images already fill all 16 groups of batches
    # the C library's own threshold grows with what is freed, and the peak with it by chance (50 MB between two runs)
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(1 << 20)
    few, many = (spawn(" ".join(arguments.only), *small, "--count", str(n)) for n in (256, 4096))
    print(f"peak memory: {few['peak_mb']:.0f} MB at 256 images, {many['peak_mb']:.0f} MB at 4,096", flush=True)
    print(f"  {many['peak_mb'] / few['peak_mb'] - 1:+.1%}; {many['seconds']:.0f} s", flush=True)


def spawn(tool: str, *more: str) -> dict:
    command = [sys.executable, "-P", __file__, *sys.argv[1:], *more, "--tool", tool]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{tool} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace) -> dict:
    import timm
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    models = {kind: timm.create_model(n).eval() for kind, n in zip(("vit", "resnet"), arguments.models, strict=True)}
    images = Noise(arguments.count) if arguments.memory else photographs(arguments)
    action = (bare if arguments.tool == "bare" else ours)(models, images, arguments)
    action(images[:WARM], WARM)
    start = time.perf_counter()
    action(images, arguments.batch)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


class Noise:
    """Images that are made when they are read, so that none is held."""

    classes = tuple(f"class {i}" for i in range(10))

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index):
        import torch

        if isinstance(index, slice):
            return Noise(len(range(*index.indices(self.count))))
        if index >= self.count:
            raise IndexError(index)
        return torch.randn(3, 224, 224, generator=torch.Generator().manual_seed(index)), index % 10


class Held(Noise):
    """Images held in memory, each with a label."""

    def __init__(self, images):
        self.images, self.count = images, len(images)

    def __getitem__(self, index):
        return Held(self.images[index]) if isinstance(index, slice) else (self.images[index], index % 10)


def photographs(arguments: argparse.Namespace) -> Held:
    """The first `count`, again from the start where there are fewer."""
    import torch

    from seealike.images.preprocessing import plain
    from seealike.images.sources import open_images

    images, transform = open_images(f"parquet:{arguments.photographs}"), plain(224, (0.5,) * 3, (0.25,) * 3).transform
    found = [transform(images.read(i)) for i in range(min(arguments.count, len(images)))]
    return Held(torch.stack(found).repeat(-(-arguments.count // len(found)), 1, 1, 1)[: arguments.count])


def bare(models, images, arguments):
    import torch

    def action(images, batch):
        with torch.inference_mode():
            for start in range(0, len(images), batch):
                x = torch.stack([images[i][0] for i in range(start, min(start + batch, len(images)))])
                for model in models.values():
                    model.to(arguments.device)(x.to(arguments.device))
        wait(arguments.device)

    return action


def ours(models, images, arguments):
    """The pass of a study that asks all, and nothing of what comes after it."""
    from dataclasses import replace

    from seealike.images.sources import open_images
    from seealike.kernel import fold
    from seealike.plan import make_plan
    from seealike.plan.machine import Machine
    from seealike.plan.passes import ImageSet
    from seealike.study import ImagesSource, Study

    sets = {"images": ImagesSource(images), "test": ImagesSource(images[:16])}
    study = Study(models, sets, asks(arguments.tool.split()), batch=arguments.batch)
    planned = next(p for p in make_plan(study, None, Machine(arguments.device)).passes if p.run.images.name == "images")

    def action(images, batch):
        taken = ImageSet.of("images", open_images(images), None, 0)
        fold(planned.statistics, replace(planned.run, images=taken, batch=batch, failed=[]))
        wait(arguments.device)

    return action


def asks(names: list[str]):
    from seealike.measures import MEASURES
    from seealike.study import Ask

    both = ("vit", "resnet")
    questions = {
        "cka": [("cka", {"layers": ("vit:@block", "resnet:@block")})],
        "attention_distance": [("attention_distance", {"model": "vit"})],
        "head_cka": [("head_cka", {"model": "vit", "b": "resnet:@block"})],
        "skip_ratio": [("skip_ratio", {"model": m}) for m in both],
        "localization": [("localization", {"model": m}) for m in both],
        "probe": [("probe", {"model": m, "train": "images"}) for m in both],
    }
    made = [(f"{name}-{i}", kind, keys) for name in names for i, (kind, keys) in enumerate(questions[name])]
    return {n: Ask(MEASURES[kind](**keys), images="test" if kind == "probe" else "images") for n, kind, keys in made}


def wait(device: str) -> None:
    import torch

    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
