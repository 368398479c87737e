"""The page: a list of parts, top to bottom, in one file that asks for nothing outside itself."""

from collections.abc import Callable
from importlib.resources import files

from seealike.report.citing import citations
from seealike.report.comparing import comparisons, headings
from seealike.report.concluding import concluded
from seealike.report.drawing import palette, shared_scales
from seealike.report.gathering import Answer, Gathered
from seealike.report.markup import Html, code, data, element, joined, lines, table
from seealike.report.naming import counted
from seealike.report.question import sentence
from seealike.report.section import section

CONTENTS_FROM = 4  # answers
MOST = 12  # warnings; the others are folded away
HINT = (
    "Point at a figure, or focus it and use the arrow keys, to read names, values and standard errors. "
    "Drag to zoom in; double-click or press Escape to return."
)
# the browser itself refuses whatever would leave the page
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
SCRIPTS = ("values.js", "figures.js", "maps.js", "reading.js", "pictures.js", "page.js")


def page(gathered: Gathered) -> str:
    """The whole file."""
    contents = _contents(gathered)
    main = element("main", *(part(gathered) for part in PARTS), id="main")
    body = element(
        "body",
        element("a", "Skip to the answers", href="#main", class_="skip"),
        _header(gathered),
        element("noscript", element("p", "Without JavaScript there are no figures; all else is here.")),
        element("div", contents, main, class_="columns" if contents else "column"),
        data({"magma": palette()}, "palette"),
        code(_plotly()),
        code('"use strict";(() => {', *(_web(name) for name in SCRIPTS), "})();"),
    )
    return f"<!doctype html>\n{element('html', _head(gathered), body, lang='en')}\n"


def _head(gathered: Gathered) -> Html:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", gathered.title),
        element("style", Html(_web("page.css"))),
    )


def _header(gathered: Gathered) -> Html:
    """The title, and the size of it all in one line."""
    answers = gathered.answers
    models = {name for answer in answers for name in answer.models}
    told = [counted(len(answers), "answer"), counted(len(models), "model") if models else ""]
    told += [text for text, *_ in _image_sets(answers)] if len(_image_sets(answers)) == 1 else []
    dates = [str(answer.attrs.get("created", ""))[:10] for answer in answers]
    told += [max(dates)] if any(dates) else []
    switch = element("button", "Dark", type="button", id="theme", aria_pressed="false", hidden="")
    summary = element("p", " · ".join(filter(None, told)), class_="summary")
    return element("header", element("div", element("h1", gathered.title), summary), switch)


def _contents(gathered: Gathered) -> Html:
    """The answers by name, where there are more than a look can hold."""
    if len(gathered.answers) < CONTENTS_FROM:
        return Html()
    parts = [*headings(gathered), *((answer.name, answer.anchor) for answer in gathered.answers)]
    links = (element("li", element("a", name, href=f"#{anchor}")) for name, anchor in parts)
    return element("nav", element("h2", "Answers"), element("ol", *links), aria_label="Answers")


def _asked(gathered: Gathered) -> Html:
    """What was asked of which models on which images, in plain words."""
    links = [(element("a", a.name, href=f"#{a.anchor}"), sentence(a)) for a in gathered.answers]
    images = (element("p", *told, class_="images") for told in _image_sets(gathered.answers))
    inside = (_models(gathered.answers), *images, lines(links, class_="asks"))
    return element("section", element("h2", "What was asked", id="asked"), *inside, aria_labelledby="asked")


def _models(answers: tuple[Answer, ...]) -> Html:
    """One row a model; two, where answers of one folder mean different weights by one name."""
    rows = {str((name, facts)): _row(name, facts) for answer in answers for name, facts in answer.models.items()}
    return table(["model", "source", "weights", "parameters", "input"], list(rows.values())) if rows else Html()


def _row(name: str, facts) -> list:
    parameters, size = facts.get("parameters"), facts.get("input") or ()
    count = f"{parameters:,}" if isinstance(parameters, int) else ""
    return [name, element("code", facts.get("source", "")), facts.get("weights", ""), count, " × ".join(map(str, size))]


def _image_sets(answers: tuple[Answer, ...]) -> list[tuple]:
    """`2,048 images from folder:photographs`, each set once."""
    told = {}
    for images in filter(None, (answer.images for answer in answers)):
        count = counted(images["count"], "image") if images.get("count") is not None else "images"
        source = images.get("source", "")
        told[count, source] = (count, *((" from ", element("code", source)) if source else ()))
    return list(told.values())


def _warnings(gathered: Gathered) -> Html:
    """What a reader must know before the first figure: every note once, with the answers it is about."""
    about: dict[str, list[str]] = {}
    for answer in gathered.answers:
        for note in answer.notes:
            about.setdefault(note, []).append(answer.name)
    everywhere = len(gathered.answers)
    pairs = [(note, "" if len(of) == everywhere > 1 else f" ({', '.join(of)})") for note, of in about.items()]
    items = [*((message, "") for message in gathered.unreadable), *pairs]
    if not items:
        return Html()
    listed = [element("li", note, element("span", of, class_="of")) for note, of in items]
    inside = [element("h2", "Mind this", id="warnings"), element("ul", *listed[:MOST])]
    if listed[MOST:]:
        more = element("summary", f"{len(listed) - MOST:,} more")
        inside.append(element("details", more, element("ul", *listed[MOST:])))
    return element("section", *inside, class_="warnings", aria_labelledby="warnings")


def _answers(gathered: Gathered) -> Html:
    scales = shared_scales(gathered.answers)
    hint = element("p", HINT, class_="hint") if gathered.answers else ""
    return joined(hint, comparisons(gathered), *(section(answer, scales) for answer in gathered.answers))


def _made(gathered: Gathered) -> Html:
    """The commands that gave these answers, and the works they rest on."""
    commands = dict.fromkeys(str(a.attrs["command"]) for a in gathered.answers if a.attrs.get("command"))
    cited = citations(gathered.answers)
    parts = [
        element("h2", "Made with", id="made") if commands else "",
        *(element("pre", element("code", command)) for command in commands),
        element("h2", "Literature", id="cited") if cited else "",
        lines(cited, class_="cited") if cited else "",
    ]
    return element("footer", *parts)


def _plotly() -> str:
    """Plotly's own library, as its package brings it; of the package nothing else is used."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def _web(name: str) -> str:
    return (files("seealike.report") / "web" / name).read_text("utf8")


# top to bottom; what is concluded from the answers stands first
PARTS: tuple[Callable[[Gathered], Html], ...] = (concluded, _asked, _warnings, _answers, _made)
