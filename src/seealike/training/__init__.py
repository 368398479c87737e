"""Networks trained by recipe: `train(load_recipe("vit.toml"), "out", "vit")`."""

from dataclasses import asdict
from pathlib import Path

from seealike import zoo
from seealike.errors import StudyError
from seealike.training.recipe import Examples, Recipe, Settings
from seealike.training.toml import load_recipe
from seealike.training.writing import Result, Trained

__all__ = ["Examples", "Recipe", "Result", "Settings", "Trained", "load_recipe", "train"]


def train(
    recipe: Recipe,
    out: str | Path,
    name: str,
    *,
    device: str = "cpu",
    workers: int = 0,
    every: int | None = None,
) -> Trained:
    """Train by a recipe: `out/name.safetensors` with the weights, `out/name.toml` with the recipe and the result.

    What a training by the same recipe was killed at is carried on from its last checkpoint, kept once a minute or
    `every` so many steps; what is done already is not done again.
    """
    from seealike.training.writing import there

    out = Path(out)
    weights, card = out / f"{name}.safetensors", out / f"{name}.toml"
    done = there(weights, card, recipe)
    if done is not None:
        print(f"{weights}: made by this recipe already, {told(done.result)}")
        return done
    try:
        import lightning  # noqa: F401
    except ImportError as error:
        raise StudyError('training needs Lightning: pip install "seealike[train]"') from error
    from seealike.training.running import run

    out.mkdir(parents=True, exist_ok=True)
    trained = run(recipe, weights, card, device, workers, every)
    print(f"{weights}: {told(trained.result)}")
    return trained


def told(result: Result) -> str:
    return zoo.told(asdict(result))
