"""Trains networks of the zoo by their recipes, into the user's cache.

python -m seealike.training.making                      all that are not there yet
python -m seealike.training.making vit-s1 mixer --out DIR
python -m seealike.training.making vit-cifar10 --train parquet:cifar10-train.parquet --test parquet:cifar10-test.parquet
"""

import argparse
from dataclasses import replace
from pathlib import Path

from seealike import zoo
from seealike.study import ImagesSource
from seealike.training import train
from seealike.training.recipe import Examples
from seealike.training.recipes import CIFAR, RECIPES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all networks of the zoo if none is named")
    parser.add_argument("--train", help="where the training images of CIFAR-10 are, in place of the hub")
    parser.add_argument("--test", help="where its test images are")
    parser.add_argument("--out", type=Path, default=zoo.cache())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0)
    arguments = parser.parse_args()
    for unknown in sorted({*arguments.names} - {*RECIPES}):
        parser.error(f"the zoo has no recipe {unknown!r}: there are {', '.join(RECIPES)}")
    for name in arguments.names or RECIPES:
        make(name, arguments.out, arguments.train, arguments.test, arguments.device, arguments.workers)


def make(name: str, out: Path, train_on: str | None, test_on: str | None, device: str = "cpu", workers: int = 0) -> None:
    """One network, or nothing where it is made already."""
    recipe = RECIPES[name]
    there = replace(recipe, train=_elsewhere(recipe.train, train_on), test=_elsewhere(recipe.test, test_on))
    train(there, out, name, device=device, workers=workers)


def _elsewhere(examples: Examples, source: str | None) -> Examples:
    """CIFAR-10 from a file of the user's."""
    if source is None or examples.images.source != CIFAR:
        return examples
    return replace(examples, images=ImagesSource(source))


if __name__ == "__main__":
    main()
