"""Claims of the papers, decided from the answers of a folder. Needs no torch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seealike.claims.badger2022 import CLAIMS as BADGER2022
from seealike.claims.claim import Claim
from seealike.claims.evidence import Answer, gather
from seealike.claims.mahaut2026 import CLAIMS as MAHAUT2026
from seealike.claims.raghu2021 import CLAIMS as RAGHU2021
from seealike.claims.telling import told
from seealike.claims.verdict import Decided, decided
from seealike.claims.writing import write
from seealike.errors import StudyError, closest
from seealike.results import Results

__all__ = ["PAPERS", "TITLES", "Answer", "Claim", "Decided", "decide", "judge", "named", "of_paper", "told", "write"]

PAPERS: dict[str, tuple[Claim, ...]] = {"raghu2021": RAGHU2021, "mahaut2026": MAHAUT2026, "badger2022": BADGER2022}
TITLES = {"raghu2021": "Raghu et al. 2021", "mahaut2026": "Mahaut & Baroni 2026", "badger2022": "Badger 2022"}


def of_paper(paper: str) -> tuple[Claim, ...]:
    """The claims of a paper by its short name.

    >>> of_paper("raghu2021")[0].key
    'raghu2021.uniform'
    """
    if paper not in PAPERS:
        raise StudyError(f'"{paper}": there are no claims of this paper. {closest(paper, PAPERS)}')
    return PAPERS[paper]


def decide(results: Results, papers: Sequence[str] | None = None) -> list[Decided]:
    """Every claim of the papers, decided from what a folder holds.

    Without `papers`: of those that the studies of the answers name, and of all if none names any.
    """
    answers = gather(results)
    if papers is None:
        papers = named(answer.whole.attrs for answer in answers) or tuple(PAPERS)
    return judge(papers, answers)


def judge(papers: Iterable[str], answers: Sequence[Answer]) -> list[Decided]:
    """Every claim of the papers, decided from these answers."""
    return decided([claim for paper in papers for claim in of_paper(paper)], answers)


def named(attributes: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The papers whose claims the studies of some answers ask to decide; those not known here are left out."""
    found = {paper for attrs in attributes for paper in attrs.get("claims") or ()}
    return tuple(paper for paper in PAPERS if paper in found)
