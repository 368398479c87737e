"""How much memory a study needs for a million images, beside what it needs for ten thousand, and how fast it is.

    python bench/stream.py [--sources noise dataset generator tars] [--counts 10000 1000000] [--size 16] [--batch 256]
    python bench/stream.py --counts 2000 20000      # a quick look

A small convolutional network sees every image: CKA of all its layers, its accuracy, its skips against its branches, and
the sums of linear probes. `noise` (images made by number) and `dataset` (an object with a length and an index) have an
index, in a seeded order; `generator` gives batches of tensors, and is read once; `tars` are streamed. Every tar is the
same one of 10,000 images, linked under as many names as are needed: a stream does not know, and a disk need not hold
them. `indexed` looks the images of these tars up, for which it keeps where each lies.

Each count of each source has a process of its own. The peak is of resident memory, from the start of the process on.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLASSES = 10
IN_A_TAR = 10_000
UNLABELLED = ("generator", "tars")  # streams: how many classes they have is not known beforehand


def main() -> None:
    arguments = parse()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.counts[0], arguments)))
        return
    print(f"images of {arguments.size} x {arguments.size}, batches of {arguments.batch}", flush=True)
    for source in arguments.sources:
        found = {count: spawn(source, count) for count in arguments.counts}
        for count, one in found.items():
            rate = count / one["seconds"]
            print(f"{source:10} {count:9,} images  peak {one['peak']:7.1f} MB  {rate:7.0f} images/s", flush=True)
        few, many = min(found), max(found)
        if few < many:
            more = found[many]["peak"] - found[few]["peak"]
            print(f"{source:10} {more:+9.1f} MB, {more * 2**20 / (many - few):+.1f} bytes an image", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", nargs="*", choices=SOURCES, default=["noise", "dataset", "generator", "tars"])
    parser.add_argument("--counts", nargs="+", type=int, default=[10_000, 1_000_000])
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", choices=SOURCES, help=argparse.SUPPRESS)
    return parser.parse_args()


def spawn(source: str, count: int) -> dict:
    # the C library's own threshold grows with what is freed, and the peak with it by chance
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
    command = [sys.executable, "-P", __file__, *sys.argv[1:], "--one", source, "--counts", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{source} of {count} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(source: str, count: int, arguments: argparse.Namespace) -> dict:
    import torch

    import seealike
    from seealike.study import ImagesSource, Study

    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        images = SOURCES[source](count, arguments.size, Path(folder))
        test = ImagesSource("noise:1000", split="test", size=arguments.size)
        study = Study({"net": network()}, {"images": images, "test": test}, asks(source), batch=arguments.batch)
        start = time.perf_counter()
        results = seealike.run(study, Path(folder) / "out")
        seconds = time.perf_counter() - start
        seen = {name: results[name].attrs["images_seen"] for name in results if name != "probe"}
        assert set(seen.values()) == {count}, f"not all images were seen: {seen}"
    return {"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def network():
    import torch
    from torch import nn

    class Skipped(nn.Module):
        def __init__(self, width: int):
            super().__init__()
            self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

        def forward(self, x):
            return x + self.second(self.first(x).relu())

    torch.manual_seed(0)
    stem = (nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(*stem, Skipped(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)).eval()


def asks(source: str):
    from seealike.measures import MEASURES
    from seealike.study import Ask

    asked = {"cka": {"layers": ("net:**",)}, "skip_ratio": {"model": "net"}}
    if source not in UNLABELLED:
        asked |= {"accuracy": {}, "probe": {"model": "net", "train": "images"}}
    return {n: Ask(MEASURES[n](**keys), images="test" if n == "probe" else None) for n, keys in asked.items()}


def noise(count: int, size: int, folder: Path):
    from seealike.study import ImagesSource

    return ImagesSource(f"noise:{count}", size=size)


def dataset(count: int, size: int, folder: Path):
    from seealike.study import ImagesSource

    return ImagesSource(Made(count, size))


def generator(count: int, size: int, folder: Path):
    from seealike.study import ImagesSource

    return ImagesSource(batches(count, size))


def tars(count: int, size: int, folder: Path):
    from seealike.study import ImagesSource

    return ImagesSource(f"webdataset:{linked(count, size, folder)}", stream=True, take=count)


def indexed(count: int, size: int, folder: Path):
    from seealike.study import ImagesSource

    return ImagesSource(f"webdataset:{linked(count, size, folder)}", take=count)


class Made:
    """Images that are made when they are read, so that none is held."""

    classes = tuple(map(str, range(CLASSES)))

    def __init__(self, count: int, size: int):
        self.count, self.size = count, size

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int):
        import torch

        own = torch.Generator().manual_seed(index)
        return torch.randn(3, self.size, self.size, generator=own), index % CLASSES


def batches(count: int, size: int):
    import torch

    own = torch.Generator().manual_seed(0)
    for start in range(0, count, 1000):
        yield torch.randn(min(1000, count - start), 3, size, size, generator=own)


def linked(count: int, size: int, folder: Path) -> Path:
    """A folder of tars that hold `count` images or more: one tar, under several names."""
    shards = folder / "tars"
    shards.mkdir()
    whole = folder / "whole"
    write(whole, min(count, IN_A_TAR), size)
    for shard in range(-(-count // IN_A_TAR)):
        (shards / f"train-{shard:04}.tar").symlink_to(whole)
    return shards


def write(path: Path, count: int, size: int) -> None:
    import io
    import tarfile

    from seealike.images.noise import Noise

    images = Noise(str(count), size=size)
    with tarfile.open(path, "w") as tar:
        for index in range(count):
            file = io.BytesIO()
            images.read(index).save(file, "png", compress_level=1)
            for ending, content in {"png": file.getvalue(), "cls": str(images.label(index)).encode()}.items():
                member = tarfile.TarInfo(f"{index:05}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


SOURCES = {"noise": noise, "dataset": dataset, "generator": generator, "tars": tars, "indexed": indexed}


if __name__ == "__main__":
    main()
