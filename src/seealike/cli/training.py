"""The verb that makes networks."""

from pathlib import Path
from typing import Annotated

import typer

from seealike.cli.options import Device, Workers
from seealike.errors import StudyError


def train(
    recipe: Path,
    out: Annotated[Path, typer.Option(help="Folder for weights, card and logs.", file_okay=False)] = Path("out"),
    name: Annotated[str | None, typer.Option(help="Of the files; that of the recipe's file if not given.")] = None,
    device: Device = "cpu",
    workers: Workers = 0,
):
    """Train a network by a recipe; the same command again carries on from where it was stopped.

    Example: seealike train vit.toml --out networks
    """
    from seealike.training import load_recipe
    from seealike.training import train as trained

    wanted, name = load_recipe(recipe), name or recipe.stem
    if (out / f"{name}.toml").resolve() == recipe.resolve() and "[result]" not in recipe.read_text("utf8"):
        raise StudyError(f"{recipe}: the card of the network would be written over the recipe: give another --out.")
    trained(wanted, out, name, device=device, workers=workers)
