"""The claims of Badger 2022/23, *Depth and Representation in Vision Models*.

Of the paper the abstract and the author's code and pages are at hand. How the claims are measured is ours, from
METHODS, written before they were first run: means over many images and starts, of networks with several seeds.
"""

from seealike.claims.badger2022 import causes, clarity, training
from seealike.claims.claim import Claim

CLAIMS: tuple[Claim, ...] = tuple(claim for topic in (clarity, causes, training) for claim in topic.CLAIMS)
