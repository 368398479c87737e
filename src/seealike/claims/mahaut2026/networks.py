"""The networks that the paper speaks of, by their tags, and those that are controls of these."""

from seealike.claims.claim import role

CLASSIFIER, OTHER = "classifier", "self-supervised"

TRANSFORMER = role(family="transformer", objective=CLASSIFIER)
CNN = role(family="CNN", objective=CLASSIFIER)
OTHER_TRANSFORMER = role(family="transformer", objective=OTHER)
OTHER_CNN = role(family="CNN", objective=OTHER)
# the self-supervised network, trained on as a classifier
MADE_CLASSIFIER = role(family="transformer", objective=CLASSIFIER, finetuned="classifier")
CNN_MADE_CLASSIFIER = role(family="CNN", objective=CLASSIFIER, finetuned="classifier")

# of each network: itself, shown another part of every image; one that differs in nothing but how its training was drawn
ANOTHER_CROP = role(family="transformer", objective=CLASSIFIER, control="crop")
ANOTHER_SEED = role(family="transformer", objective=CLASSIFIER, control="seed")
UNTRAINED = role(family="transformer", objective=CLASSIFIER, control="untrained")
UNTRAINED_CNN = role(family="CNN", objective=CLASSIFIER, control="untrained")
