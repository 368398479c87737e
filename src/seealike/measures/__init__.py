"""Every question by its name. A new measure is one file and one line here."""

from seealike.measures.accuracy import Accuracy
from seealike.measures.attention_distance import AttentionDistance
from seealike.measures.cka import CKA
from seealike.measures.drift import Drift
from seealike.measures.head_cka import HeadCKA
from seealike.measures.localization import Localization
from seealike.measures.probe import Probe
from seealike.measures.receptive_field import ReceptiveField
from seealike.measures.skip_ratio import SkipRatio

MEASURES = {
    measure.name: measure
    for measure in (CKA, AttentionDistance, Drift, SkipRatio, HeadCKA, Localization, ReceptiveField, Probe, Accuracy)
}
