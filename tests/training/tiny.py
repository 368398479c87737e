"""A tiny network and a tiny set of images to train it on, as a recipe in a folder."""

from pathlib import Path

NET = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        nn.Module.__init__(self)
        self.conv, self.norm = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.fc, self.drop = nn.Linear(width, width), nn.Dropout(0.2)

    def forward(self, x):
        x = x + self.norm(self.conv(x)).relu()
        return x + self.drop(self.fc(x.movedim(1, -1))).movedim(-1, 1)

class Net(nn.Module):
    def __init__(self, width=6, classes=3):
        nn.Module.__init__(self)
        self.stem, self.head = nn.Conv2d(3, width, 4, stride=4), nn.Linear(width, classes)
        self.blocks = nn.Sequential(Block(width), Block(width))

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))

class Images:
    '''Squares that are red, green or blue, on noise; `sides` of several make sets that cannot be kept.'''
    classes = ("red", "green", "blue")

    def __init__(self, count, sides, start):
        self.count, self.sides, self.start = count, sides, start

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        import numpy as np
        from PIL import Image
        if index >= self.count:
            raise IndexError(index)
        rng = np.random.default_rng(self.start + index)
        side = self.sides[index % len(self.sides)]
        pixels = rng.integers(0, 120, (side, side, 3), dtype=np.uint8)
        y, x = rng.integers(0, side // 2, 2)
        pixels[y : y + side // 2, x : x + side // 2, index % 3] += 120
        return Image.fromarray(pixels), index % 3

def net(width=6, classes=3):
    return Net(width, classes)

def train():
    return Images(42, (16,), 0)

def test():
    return Images(30, (16,), 1000)

def mixed():
    return Images(42, (16, 20, 13), 0)
"""

RECIPE = """
seed = {seed}
[model]
source = "net.py:net"
pretrained = false
size = 16
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
{model}
[images.train]
source = "net.py:{train}"
{images}
[images.test]
source = "net.py:test"
[training]
batch = 8
{training}
"""


def write(folder: Path, *, seed=0, train="train", model="", images="", training="epochs = 2", name="tiny.toml") -> Path:
    """The recipe's file, beside the network and images that it names."""
    (folder / "net.py").write_text(NET)
    path = folder / name
    if "\nrate = " not in training:
        training += "\nrate = 1e-2"
    path.write_text(RECIPE.format(seed=seed, train=train, model=model, images=images, training=training))
    return path
