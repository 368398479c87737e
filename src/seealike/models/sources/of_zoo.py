"""The small networks that come with the package: `zoo:vit`."""

from dataclasses import replace

from safetensors.torch import load_file

from seealike import zoo
from seealike.errors import StudyError
from seealike.images.preprocessing import plain
from seealike.models.sources import of_file
from seealike.models.sources.built import Built, Wanted, refuse_colours


def build(wanted: Wanted) -> Built:
    """The network of a card with its weights, or without them where they are not wanted."""
    card = zoo.card(wanted.name)
    design = _design(card)
    if wanted.options:
        raise StudyError(f"{wanted.said} takes no options: it comes as its card says, {design['options']}.")
    own = plain(wanted.size or design["size"], tuple(design["mean"]), tuple(design["std"]))
    refuse_colours(wanted, own)
    built = of_file.build(replace(wanted, name=design["source"], options=design["options"]), zoo.HOME)
    if wanted.pretrained:
        built.module.load_state_dict(load_file(card.weights))
    words = card.words if wanted.pretrained else "untrained"
    return replace(built, preprocessing=own, weights=words, edits=tuple(card.model.get("edit", ())))


def _design(card: zoo.Card) -> dict:
    """The architecture: a network that was fine-tuned has that of the one it came from."""
    library, _, begun = card.model["source"].partition(":")
    return _design(zoo.card(begun)) if library == "zoo" else dict(card.model)
