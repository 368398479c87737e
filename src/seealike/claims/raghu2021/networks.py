"""The networks that the paper speaks of, by their tags."""

from seealike.claims.claim import role

TRANSFORMER = role(family="transformer")
CNN = role(family="CNN")
MIXER = role(family="mixer")
WITH_CLS = role(family="transformer", read_out="cls")
WITH_GAP = role(family="transformer", read_out="gap")
LARGE = role(family="transformer", size="large")
LARGE_WITH_LESS_DATA = role(family="transformer", size="large", data=...)
BASE = role(family="transformer", size="base")
BASE_WITH_LESS_DATA = role(family="transformer", size="base", data=...)
WITH_LESS_DATA = role(family="transformer", data=...)
OF_NO_SIZE = role(family="transformer", size=None)
OF_NO_SIZE_WITH_LESS_DATA = role(family="transformer", size=None, data=...)
WITHOUT_SKIP = role(family="transformer", without_skip=...)
FINE_TUNED_NEAR = role(family="transformer", finetuned="near")
FINE_TUNED_FAR = role(family="transformer", finetuned="far")
