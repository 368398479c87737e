"""Every question by its name. A new measure is one file and one line here."""

from seealike.measures.accuracy import Accuracy
from seealike.measures.attention_distance import AttentionDistance
from seealike.measures.cka import CKA
from seealike.measures.drift import Drift
from seealike.measures.head_cka import HeadCKA
from seealike.measures.image_statistics import ImageStatistics
from seealike.measures.imbalance import Imbalance
from seealike.measures.inversion import Inversion
from seealike.measures.jacobian import Jacobian
from seealike.measures.localization import Localization
from seealike.measures.mutual_knn import MutualKNN
from seealike.measures.probe import Probe
from seealike.measures.procrustes import Procrustes
from seealike.measures.receptive_field import ReceptiveField
from seealike.measures.rsa import RSA
from seealike.measures.skip_ratio import SkipRatio
from seealike.measures.trajectory import Trajectory

MEASURES = {
    measure.name: measure
    for measure in (
        CKA,
        AttentionDistance,
        Drift,
        SkipRatio,
        HeadCKA,
        Localization,
        ReceptiveField,
        Probe,
        Accuracy,
        Imbalance,
        MutualKNN,
        ImageStatistics,
        Procrustes,
        RSA,
        Trajectory,
        Inversion,
        Jacobian,
    )
}
