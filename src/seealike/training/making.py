"""Trains networks of the zoo by their recipes, into the user's cache.

python -m seealike.training.making                      all that neither the package nor the cache has
python -m seealike.training.making vit-s1 mixer --out DIR        these; what the package has too is compared with it
python -m seealike.training.making vit-cifar10 --train parquet:cifar10-train.parquet --test parquet:cifar10-test.parquet
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from seealike import zoo
from seealike.errors import SeealikeError
from seealike.study import ImagesSource
from seealike.training import train
from seealike.training.recipe import Examples
from seealike.training.recipes import CIFAR, RECIPES
from seealike.training.writing import Trained, there, write


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="if none is named, all that are not here")
    parser.add_argument("--train", help="where the training images of CIFAR-10 are, in place of the hub")
    parser.add_argument("--test", help="where its test images are")
    parser.add_argument("--out", type=Path, default=zoo.cache())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0)
    arguments = parser.parse_args()
    for unknown in sorted({*arguments.names} - {*RECIPES}):
        parser.error(f"the zoo has no recipe {unknown!r}: there are {', '.join(RECIPES)}")
    images = {key: getattr(arguments, key) for key in ("train", "test") if getattr(arguments, key)}
    torch.set_num_threads(1)  # another number rounds otherwise, and a network without skips comes out as another
    here, failed = zoo.names(), False
    for name in arguments.names or [name for name in RECIPES if name not in here]:
        try:
            made = make(name, arguments.out, images, arguments.device, arguments.workers)
        except SeealikeError as error:  # CIFAR-10 that cannot be fetched, for example: the others are made
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
        else:
            if (zoo.FOLDER / f"{name}.toml").is_file():
                print(beside(zoo.card(name), made))
    sys.exit(failed)


def make(name: str, out: Path, images: Mapping[str, str], device: str = "cpu", workers: int = 0) -> Trained:
    """One network, or nothing where it is made already; `images` are where its sets lie, if not where the recipe says.

    The card names the images by the recipe, where anybody finds them.
    """
    recipe = RECIPES[name]
    here = replace(recipe, **{key: _elsewhere(getattr(recipe, key), images.get(key)) for key in ("train", "test")})
    if here == recipe or there(out / f"{name}.safetensors", out / f"{name}.toml", recipe):
        return train(recipe, out, name, device=device, workers=workers)
    made = train(here, out, name, device=device, workers=workers)
    named = {"trained": _named(made.result.trained, recipe.train), "tested": _named(made.result.tested, recipe.test)}
    return write(made.weights, made.card, recipe, replace(made.result, **named), load_file(made.weights))


def beside(shipped: zoo.Card, made: Trained) -> str:
    """How far what was made is from the network of the package."""
    known, weights = load_file(shipped.weights), load_file(made.weights)
    same = weights.keys() == known.keys() and all(torch.equal(weights[key], known[key]) for key in known)
    before, now = _score(shipped.result), _score(asdict(made.result))
    far = "the same weights to the bit" if same else f"{100 * abs(now - before):.1f} points from it"
    return f"{shipped.name}: {now:.1%}, {before:.1%} in the package: {far}"


def _score(result: Mapping[str, Any]) -> float:
    return result["agreement"] if result.get("accuracy") is None else result["accuracy"]


def _elsewhere(examples: Examples, source: str | None) -> Examples:
    """CIFAR-10 from a file of the user's."""
    if source is None or examples.images.source != CIFAR:
        return examples
    return replace(examples, images=ImagesSource(source))


def _named(words: str, examples: Examples) -> str:
    """As many images, of the recipe's source."""
    return f"{words.partition(' of ')[0]} of {examples.images.source}, split {examples.images.split}"


if __name__ == "__main__":
    main()
