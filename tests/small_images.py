"""Small image sets in every layout, made from the same pictures."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("ape", "bee", "cat")


def picture(seed: int, size=(12, 10)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def png(seed: int) -> bytes:
    file = io.BytesIO()
    picture(seed).save(file, "png")
    return file.getvalue()


def key(index: int, count: int) -> str:
    """Classes one after the other, as a folder of subfolders is walked."""
    return f"{NAMES[index * len(NAMES) // count]}/{index:05}"


def folder(root: Path, count: int) -> Path:
    for index in range(count):
        file = root / f"{key(index, count)}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(index))
    return root


def tars(root: Path, count: int, shards: int = 3, broken: frozenset[int] = frozenset(), suffix: str = ".tar") -> Path:
    """The same images in the same order, cut into tars, each with its class and some numbers beside it."""
    root.mkdir(parents=True, exist_ok=True)
    cuts = [range(count)[k * count // shards : (k + 1) * count // shards] for k in range(shards)]
    for shard, part in enumerate(cuts):
        with tarfile.open(root / f"part-{shard:03}{suffix}", "w:gz" if suffix.endswith("gz") else "w") as tar:
            for index in part:
                name = key(index, count)
                files = {
                    "png": b"no image" if index in broken else png(index),
                    "cls": str(NAMES.index(name.split("/")[0])).encode(),
                    "json": json.dumps({"hue": index / 10, "kind": name[:3], "coarse": index % 2}).encode(),
                }
                for ending, content in files.items():
                    add(tar, f"{name}.{ending}", content)
    return root


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def tar(path: Path, **files: bytes) -> Path:
    """One tar of these files; `a__jpg` is written a.jpg."""
    with tarfile.open(path, "w") as opened:
        for name, content in files.items():
            add(opened, name.replace("__", ".", 1).replace("_S_", "/"), content)
    return path
