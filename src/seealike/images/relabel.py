"""Random labels: what can be learned of images by heart only."""

import hashlib

from seealike.errors import StudyError


def random_label(id: str, classes: int, seed: int) -> int:
    """A label for the image of this id, drawn uniformly from 0 to `classes` - 1 whatever the image shows.

    A function of seed, id and number of classes alone (SHA-256), so it is the same on every machine, in every process
    and every epoch, and for an image in a part of a set the same as in the whole.

    >>> [random_label(f"train-{i}", 10, seed=0) for i in range(8)]
    [9, 8, 1, 3, 3, 7, 3, 8]
    """
    if classes < 1:
        raise StudyError(f"classes = {classes}: random labels need at least 1 class to draw from.")
    # names of files may hold bytes that are no text, which Python reads as lone surrogates
    digest = hashlib.sha256(f"{seed} {id}".encode("utf8", "surrogatepass")).digest()
    return int.from_bytes(digest, "big") % classes
