"""What the answers conclude: the claims of a paper with their verdicts, where a study asks for them."""

from collections.abc import Mapping, Sequence

from seealike import claims
from seealike.claims import Decided
from seealike.claims.telling import claimed, effect
from seealike.claims.verdict import FAILS, HOLDS, NOT_ASKED, UNDECIDED
from seealike.report.gathering import Gathered
from seealike.report.markup import Html, element, joined, table
from seealike.report.naming import counted
from seealike.results import Results

FEW = 3  # answers of a claim that are listed at once
HOW = (
    "Each claim was written down before it was first run. It holds where the whole 95\u00a0% interval of its effect is "
    "on the claimed side, fails where it is on the other, and is undecided otherwise. An interval over images says "
    "what other images would change for these networks, not what other networks would."
)


def concluded(gathered: Gathered) -> Html:
    """One row a claim and the networks it was asked of; what was not asked is folded away."""
    papers = claims.named(answer.attrs for answer in gathered.answers)
    if not papers:
        return Html()
    results = Results(gathered.folder)
    decided = claims.judge(papers, [claims.Answer(a.name, a.data, results.left_out(a.name)) for a in gathered.answers])
    asked = [one for one in decided if one.verdict != NOT_ASKED]
    others = [one for one in decided if one.verdict == NOT_ASKED]
    anchors = {answer.name: answer.anchor for answer in gathered.answers}
    inside = (_summary(asked), element("p", HOW, class_="meaning"), _table(asked, anchors), _folded(others))
    title = f"Claims of {' and '.join(claims.TITLES[paper] for paper in papers)}"
    return element("section", element("h2", title, id="claims"), *inside, class_="claims", aria_labelledby="claims")


def _summary(asked: list[Decided]) -> Html:
    """`5 hold, 1 fails, 2 undecided`."""
    several = {HOLDS: "hold", FAILS: "fail", UNDECIDED: UNDECIDED}
    counts = {verdict: sum(one.verdict == verdict for one in asked) for verdict in several}
    told = [f"{n} {verdict if n == 1 else several[verdict]}" for verdict, n in counts.items() if n]
    return element("p", ", ".join(told) or "None of them was asked about.", class_="asked")


def _table(asked: list[Decided], anchors: Mapping[str, str]) -> Html:
    head = ["claim", "verdict", "effect", "claimed", "networks", "answers"]
    return table(head, [_row(one, anchors) for one in asked]) if asked else Html()


def _row(one: Decided, anchors: Mapping[str, str]) -> list:
    what = joined(one.claim.sentence, " ", element("span", one.claim.figure, class_="of"))
    verdict = element("span", one.words, class_=f"verdict {one.verdict}")
    return [what, verdict, effect(one), claimed(one), ", ".join(one.models), _linked(one.answers, anchors)]


def _linked(answers: Sequence[str], anchors: Mapping[str, str]) -> Html:
    """One a line; many, as of several seeds, are folded away."""
    links = (element("a", name, href=f"#{anchors[name]}") if name in anchors else name for name in answers)
    listed = joined(*(part for link in links for part in (link, element("br"))))
    few = len(answers) <= FEW
    return listed if few else element("details", element("summary", counted(len(answers), "answer")), listed)


def _folded(others: list[Decided]) -> Html:
    """What was not asked, with what would answer it."""
    if not others:
        return Html()
    rows = [
        [joined(one.claim.sentence, " ", element("span", one.claim.figure, class_="of")), one.reason] for one in others
    ]
    summary = element("summary", f"{counted(len(others), 'claim')} not asked")
    return element("details", summary, table(["claim", "what would answer it"], rows))
