"""The small networks that come with the package: `zoo:vit`."""

from dataclasses import replace

from seealike import zoo
from seealike.errors import StudyError
from seealike.images.preprocessing import plain
from seealike.models.sources import of_file
from seealike.models.sources.built import Built, Wanted, refuse_colours
from seealike.models.sources.checkpoint import load_checkpoint
from seealike.models.sources.head import head


def build(wanted: Wanted) -> Built:
    """The network of a card with its weights, or without them where they are not wanted."""
    card = zoo.card(wanted.name)
    design = _design(card)
    if wanted.options and wanted.pretrained and not wanted.new_head:
        raise StudyError(
            f"{wanted.said} takes no options: it comes as its card says, {design['options']}. "
            "Untrained (pretrained = false) it may have others."
        )
    own = plain(wanted.size or design["size"], tuple(design["mean"]), tuple(design["std"]))
    refuse_colours(wanted, own)
    options = {**design["options"], **wanted.options}
    built = of_file.build(replace(wanted, name=design["source"], options=options), zoo.HOME)
    words = "untrained"
    if wanted.pretrained:
        new = head(built.module, own.size, wanted.said) if wanted.new_head else ""
        words = card.words + load_checkpoint(built.module, card.weights, wanted.said, new)
    return replace(built, preprocessing=own, weights=words, edits=tuple(card.model.get("edit", ())))


def _design(card: zoo.Card) -> dict:
    """The architecture: a network that was fine-tuned has that of the one it came from, but for a new head."""
    library, _, begun = card.model["source"].partition(":")
    if library != "zoo":
        return dict(card.model)
    before = _design(zoo.card(begun))
    return {**before, "options": {**before["options"], **card.model.get("options", {})}}
