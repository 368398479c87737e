"""Questions are values, and equal values are computed once.

A `Tap` is one tensor of one source and what to keep of it; a `Statistic` is a sum over images, which knows how
two of its sums become one; a `Measure` is a question: it says which statistics it needs and reads its answer from
their totals. `fold` is the one loop. Every total is kept in groups of batches, so that the kernel can read the
answer with each group left out: that gives every reading its standard error.
"""

from seealike.kernel.bound import Added, Attended, Selected, Sources
from seealike.kernel.folding import FEWEST_GROUPS, GROUPS, Batch, Totals, fold, lift, merged
from seealike.kernel.joined import by_index, joined
from seealike.kernel.reading import Reading, read, reading
from seealike.kernel.values import FOUND, IMAGES, SET, Earlier, Given, Measure, State, Statistic, Sum, Tap, Trial, View

__all__ = [
    "FEWEST_GROUPS",
    "FOUND",
    "GROUPS",
    "IMAGES",
    "SET",
    "Added",
    "Attended",
    "Batch",
    "Earlier",
    "Given",
    "Measure",
    "Reading",
    "Selected",
    "Sources",
    "State",
    "Statistic",
    "Sum",
    "Tap",
    "Totals",
    "Trial",
    "View",
    "by_index",
    "fold",
    "joined",
    "lift",
    "merged",
    "read",
    "reading",
]
