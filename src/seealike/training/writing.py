"""The result of a training: weights, and the card beside them that says what they are."""

import hashlib
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from seealike.results import aside
from seealike.training.recipe import Recipe
from seealike.training.toml import as_read, text, written
from seealike.training.toml import recipe as read


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a training.

    `accuracy` is the share of the `tested` images that are named right. Of a contrastive training there is `agreement`
    in its place: the share of their views that are nearest, of all in a batch, to the other view of their image.
    """

    accuracy: float | None = None
    agreement: float | None = None
    tested: str
    trained: str
    images_seen: int
    parameters: int
    seconds: float


@dataclass(frozen=True)
class Trained:
    """The files of a trained network, and what it can do."""

    weights: Path
    card: Path
    result: Result


def mark(recipe: Recipe, *more: str) -> str:
    """A digest of a recipe, of the weights that it begins with, and of `more`."""
    return hashlib.sha256("\n".join([text(as_read(recipe)), begun(recipe), *more]).encode()).hexdigest()


def begun(recipe: Recipe) -> str:
    """A digest of the weights that training begins with, where they are from a file."""
    if recipe.model.checkpoint is None:
        return ""
    path = Path(recipe.folder) / Path(recipe.model.checkpoint).expanduser()
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def state(module: nn.Module, half: bool) -> dict[str, Tensor]:
    """The weights as they are written."""
    kept = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    return {key: value.half() if half and value.is_floating_point() else value.clone() for key, value in kept.items()}


def write(weights: Path, card: Path, recipe: Recipe, result: Result, values: dict[str, Tensor]) -> Trained:
    """Weights first, then the card: where there is a card there are its weights."""
    card.unlink(missing_ok=True)
    with aside(weights) as unfinished:
        save_file(values, unfinished, {"format": "pt", "recipe": text(recipe), "begun": begun(recipe)})
    held = {f.name: getattr(result, f.name) for f in fields(Result)}
    lines = [f"{key} = {written(value)}" for key, value in held.items() if value is not None]
    with aside(card) as unfinished:
        unfinished.write_text("\n".join([text(recipe), "[result]", *lines, ""]), "utf8")
    return Trained(weights, card, result)


def there(weights: Path, card: Path, recipe: Recipe) -> Trained | None:
    """What a training by this very recipe has left."""
    try:
        result = tomllib.loads(card.read_text("utf8"))["result"]
        with safe_open(weights, "pt") as file:
            made = file.metadata() or {}
        same = read(tomllib.loads(made["recipe"])) == as_read(recipe) and made.get("begun", "") == begun(recipe)
        return Trained(weights, card, Result(**result)) if same else None
    except Exception:  # nothing there, or not ours
        return None
