"""With which distance, and with what of a layer standing for an image, a claim is asked."""

from dataclasses import dataclass

from seealike.claims.claim import Need, Role

TOLD = {
    "imbalance": "information imbalance",
    "cka": "the angle of CKA",
    "mutual_knn": "shared neighbours",
    "procrustes": "the angle of Procrustes",
    "rsa": "the angle of dissimilarities",
}
SEEN = {"mean": "means over places", "4x4": "means over a 4 x 4 grid", "flatten": "all numbers"}


@dataclass(frozen=True)
class Way:
    """A distance between layers, and the view of each layer that it is of."""

    distance: str
    view: str

    def __str__(self) -> str:
        return f"{self.distance}.{self.view}"

    @property
    def words(self) -> str:
        return f"by {TOLD[self.distance]} of {SEEN[self.view]}"

    def of(self, *roles: Role) -> Need:
        """The trajectories of these networks."""
        return Need("trajectory", roles, "*", self.view, self.distance)


MAIN = Way("imbalance", "mean")  # the paper's distance
WAYS = (
    MAIN,
    Way("imbalance", "4x4"),
    Way("cka", "flatten"),
    Way("cka", "mean"),
    Way("mutual_knn", "mean"),
    Way("procrustes", "mean"),
    Way("rsa", "mean"),
)
