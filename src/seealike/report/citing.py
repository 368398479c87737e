"""The works that the answers rest on."""

from collections.abc import Iterable

from seealike.report.gathering import Answer

FULL = {
    "Kornblith et al. 2019": (
        "S. Kornblith, M. Norouzi, H. Lee, G. Hinton. Similarity of Neural Network Representations Revisited. "
        "ICML 2019. arXiv:1905.00414."
    ),
    "Nguyen et al. 2021": (
        "T. Nguyen, M. Raghu, S. Kornblith. Do Wide and Deep Networks Learn the Same Things? Uncovering How Neural "
        "Network Representations Vary with Width and Depth. ICLR 2021. arXiv:2010.15327."
    ),
    "Dosovitskiy et al. 2021": (
        "A. Dosovitskiy, L. Beyer, A. Kolesnikov, D. Weissenborn, X. Zhai et al. An Image is Worth 16x16 Words: "
        "Transformers for Image Recognition at Scale. ICLR 2021. arXiv:2010.11929."
    ),
    "Raghu et al. 2021": (
        "M. Raghu, T. Unterthiner, S. Kornblith, C. Zhang, A. Dosovitskiy. Do Vision Transformers See Like "
        "Convolutional Neural Networks? NeurIPS 2021. arXiv:2108.08810."
    ),
}


def citations(answers: Iterable[Answer]) -> list[tuple[str, str]]:
    """Each work once, as the measures cite it, in full where it is known here."""
    cited = (part.strip() for a in answers for part in str(a.attrs.get("citation", "")).split(";"))
    return [(short, _full(short)) for short in dict.fromkeys(cited) if short]


def _full(short: str) -> str:
    return next((full for known, full in FULL.items() if short.startswith(known)), "")
