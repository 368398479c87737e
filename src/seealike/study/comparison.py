"""The study behind `seealike compare`: CKA within and across two models."""

from seealike.measures.cka import CKA
from seealike.models.sources import ModelSource
from seealike.study import Ask, ImagesSource, Study


def comparison(
    model_a: str,
    model_b: str,
    images: str,
    take: int | None = None,
    batch: int | None = None,
    view: str = "flatten",
    layers: str = "**",
    size: int | None = None,
    pretrained: bool = True,
    seed: int = 0,
) -> Study:
    """Two models, three questions: each within itself, and one against the other, all in one pass."""
    a, b = _names(model_a, model_b)
    models = {a: ModelSource(model_a, pretrained, size=size), b: ModelSource(model_b, pretrained, size=size)}
    pairs = {"similarity": (a, b), f"within-{a}": (a, a), f"within-{b}": (b, b)}
    asks = {n: Ask(CKA(a=(f"{x}:{layers}",), b=(f"{y}:{layers}",), view=view)) for n, (x, y) in pairs.items()}
    title = f"{model_a} and {model_b}"
    return Study(models, {"images": ImagesSource(images, take)}, asks, title, batch, seed)


def _names(model_a: str, model_b: str) -> tuple[str, str]:
    """Short names for two sources: what follows the colon, told apart where they are the same."""
    a, b = (source.split(":")[-1].rstrip("/").rsplit("/", 1)[-1] for source in (model_a, model_b))
    return (a, b) if a != b else (f"{a}@0", f"{b}@1")
