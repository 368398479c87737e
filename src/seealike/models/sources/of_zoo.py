"""The small networks that come with the package: `zoo:vit`."""

from safetensors.torch import load_file

from seealike import zoo
from seealike.errors import StudyError
from seealike.images.preprocessing import plain
from seealike.models.sources.built import CHANNELS, Built, Wanted, refuse_colours


def build(wanted: Wanted) -> Built:
    """The network of a card with its weights, or without them where they are not wanted."""
    card = zoo.card(wanted.name)
    if wanted.options:
        raise StudyError(f"{wanted.said} takes no options: it comes as its card says, {dict(card.options)}.")
    own = plain(wanted.size or card.size, card.mean, card.std)
    refuse_colours(wanted, own)
    module = card.made()
    if wanted.pretrained:
        module.load_state_dict(load_file(card.weights))
    return Built(module, own, CHANNELS, card.words if wanted.pretrained else "untrained")
