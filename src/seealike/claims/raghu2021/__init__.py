"""The claims of Raghu et al. 2021, *Do Vision Transformers See Like Convolutional Neural Networks?*

Written from the paper and from METHODS before they were first run. Where the paper gives no number ("less", "nearly"),
ours is in the sentence.
"""

from seealike.claims.claim import Claim
from seealike.claims.raghu2021 import accuracy, attention, fields, probes, scale, skips, structure

CLAIMS: tuple[Claim, ...] = tuple(
    claim for topic in (structure, accuracy, attention, fields, skips, probes, scale) for claim in topic.CLAIMS
)
