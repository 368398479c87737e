"""Small trained networks: `zoo:NAME`. Some come with the package; `make zoo` trains the others into the user's cache.

Beside the weights, in half precision, lies a card: the recipe that made them, and how well the network does.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seealike.errors import StudyError, closest

HOME = Path(__file__).parent
FOLDER = HOME / "weights"


def cache() -> Path:
    """Where `make zoo` puts what it trains."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seealike" / "zoo"


@dataclass(frozen=True)
class Card:
    """What is known of a network of the zoo: the recipe's table `[model]`, and what came of the training."""

    name: str
    model: Mapping[str, Any]
    result: Mapping[str, Any]
    weights: Path

    @property
    def accuracy(self) -> float:
        """The share of the images it was tested on that it names right; refused where it names none."""
        if self.result.get("accuracy") is None:
            raise StudyError(f"zoo:{self.name} was trained without classes, and names none: {told(self.result)}.")
        return float(self.result["accuracy"])

    @property
    def words(self) -> str:
        """For the record of an answer."""
        return f"zoo: trained on {self.result['trained']}; {told(self.result)}"


def told(result: Mapping[str, Any]) -> str:
    """What a network can do, from the table `[result]` of its card.

    >>> told({"accuracy": 0.976, "tested": "5,000 images of scenes:5000"})
    '97.6% right of 5,000 images of scenes:5000'
    """
    if result.get("accuracy") is not None:
        return f"{result['accuracy']:.1%} right of {result['tested']}"
    return f"{result['agreement']:.1%} of views nearest to the other view of their image, of {result['tested']}"


def names() -> list[str]:
    """All networks of the zoo that are here."""
    return sorted({card.stem for folder in (FOLDER, cache()) for card in folder.glob("*.toml")})


def card(name: str) -> Card:
    """The card of a network by name: that of the package, else that of the cache.

    >>> card("vit").model["source"]
    'networks.py:vit'
    """
    path = next((p for folder in (FOLDER, cache()) if (p := folder / f"{name}.toml").is_file()), None)
    if path is None:
        raise StudyError(
            f"zoo:{name}: the zoo has no network {name!r} here. {closest(name, names())} "
            f"If it is one that the package does not bring, train it: {making([name])}"
        )
    written = tomllib.loads(path.read_text("utf8"))
    return Card(name, written["model"], written["result"], path.with_suffix(".safetensors"))


def making(names: Sequence[str]) -> str:
    """The command that trains networks of the zoo.

    >>> making(["mixer-s1"]), making(["vit-s3", "mixer-s1"])
    ('make zoo NAME=mixer-s1', 'make zoo NAME="vit-s3 mixer-s1"')
    """
    return f'make zoo NAME="{" ".join(names)}"' if len(names) > 1 else f"make zoo NAME={names[0]}"
