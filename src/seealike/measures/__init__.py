"""Every question by its name. A new measure is one file and one line here."""

from seealike.measures.attention_distance import AttentionDistance
from seealike.measures.cka import CKA

MEASURES = {measure.name: measure for measure in (CKA, AttentionDistance)}
