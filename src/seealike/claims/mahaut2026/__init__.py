"""The claims of Mahaut & Baroni 2026, *Similarity of Processing Steps in Vision Model Representations*.

Of the paper only the abstract is at hand: three claims. How they are measured is ours, from METHODS, written before
they were first run; each is asked with several distances and several views of a layer, and beside controls.
"""

from seealike.claims.claim import Claim
from seealike.claims.mahaut2026 import positions, smoothness, statistics

CLAIMS: tuple[Claim, ...] = tuple(claim for topic in (positions, statistics, smoothness) for claim in topic.CLAIMS)
