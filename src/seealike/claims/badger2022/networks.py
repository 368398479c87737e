"""The networks that the paper speaks of, by their tags."""

from seealike.claims.claim import Need, Role, role

FAMILIES = {"cnn": "CNN", "transformer": "transformer"}


def trained(family: str) -> Role:
    """Trained on natural images."""
    return role(family=family)


def untrained(family: str) -> Role:
    """With the weights that training begins from."""
    return role(family=family, control="untrained")


def of_noise(family: str) -> Role:
    """Trained to know images of noise by heart."""
    return role(family=family, trained_on="noise")


def inverted(network: Role, images: str = "") -> Need:
    """What was reconstructed from a network's layers, of natural images or of "noise"."""
    return Need("inversion", (network,), "*", images=images)
