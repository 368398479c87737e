"""Small trained networks that come with the package: `zoo:NAME`, weights in half precision beside their cards.

A card says what the network is, what it was trained on and how, and how well it does.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import nn

from seealike.errors import StudyError, closest
from seealike.zoo.networks import NETWORKS

FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Card:
    """What is known of a network of the zoo. `accuracy` is that on the images `tested` names, 0 to 1."""

    name: str
    network: str
    options: Mapping[str, Any]
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    trained: str
    tested: str
    accuracy: float

    @property
    def weights(self) -> Path:
        return FOLDER / f"{self.name}.safetensors"

    @property
    def words(self) -> str:
        """For the record of an answer."""
        return f"zoo: trained on {self.trained}, {self.accuracy:.1%} right of {self.tested}"

    def made(self) -> nn.Module:
        """The network, its weights still to be loaded."""
        return NETWORKS[self.network](**self.options)


def names() -> list[str]:
    """All networks of the zoo."""
    return sorted(card.stem for card in FOLDER.glob("*.toml"))


def card(name: str) -> Card:
    """The card of a network by name.

    >>> card("vit").network
    'vit'
    """
    if name not in names():
        raise StudyError(f"zoo:{name}: the zoo has no network {name!r}. {closest(name, names())}")
    written = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    known: dict[str, Any] = {field.name: written[field.name] for field in fields(Card) if field.name in written}
    known |= {colour: tuple(known[colour]) for colour in ("mean", "std")}
    return Card(name, **known)
