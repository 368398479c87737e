"""Finding images that a layer cannot tell from a given one: descent on the image, from noise.

`search` is the loop; what it is told are `Settings`; a `Prior` says how an image is written and what is likely of it.
"""

from seealike.inversion.search import Found, Problem, search
from seealike.inversion.settings import Settings
from seealike.inversion.starts import draw, shifted

__all__ = ["Found", "Problem", "Settings", "draw", "search", "shifted"]
