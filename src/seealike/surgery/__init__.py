"""A network without a skip, a head or a normalisation: edits of its graph, to be run and to be trained.

>>> from seealike.surgery import parse, without_heads, without_skip
>>> str(without_heads("blocks.3.attn", 0, 2))
'without_heads(blocks.3.attn, 0, 2)'
>>> parse("without_skip(blocks.3)") == without_skip("blocks.3")
True
"""

from seealike.surgery.edit import Edit, parse, without_heads, without_norm, without_skip
from seealike.surgery.editing import edited
from seealike.surgery.trainable import Trainable, trainable

__all__ = ["Edit", "Trainable", "edited", "parse", "trainable", "without_heads", "without_norm", "without_skip"]
