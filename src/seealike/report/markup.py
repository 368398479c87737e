"""HTML by functions: text is escaped, markup stays as it is, so that no name of a user's can become markup."""

import json
from html import escape
from typing import Any

VOID = ("meta", "br", "hr", "img", "input")  # elements without an end


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(tag: str, *children: Any, **attributes: Any) -> Html:
    """One element. An attribute that is None is left out; `class_` is `class`, `aria_label` is `aria-label`.

    >>> element("p", "a < b", element("b", "c"), class_="note", id=None)
    '<p class="note">a &lt; b<b>c</b></p>'
    """
    named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    opening = "".join(f' {name}="{escape(str(value))}"' for name, value in named.items())
    return Html(f"<{tag}{opening}>" if tag in VOID else f"<{tag}{opening}>{joined(*children)}</{tag}>")


def joined(*children: Any) -> Html:
    """Pieces one after the other; what is no markup is escaped.

    >>> joined("<script>", element("br"))
    '&lt;script&gt;<br>'
    """
    return Html("".join(child if isinstance(child, Html) else escape(str(child)) for child in children))


def data(value: Any, identity: str) -> Html:
    """JSON for the page's own code; no text in it can end the element.

    >>> data(["</script>"], "names")
    '<script type="application/json" id="names">["\\\\u003c/script\\\\u003e"]</script>'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return element("script", Html(text), type="application/json", id=identity)


def code(*sources: str) -> Html:
    """Code of ours or of Plotly's, such that nothing in it reads as an end or a start of a script element."""
    text = "\n".join(sources).replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return element("script", Html(text))


def lines(pairs: list[tuple[Any, Any]], **attributes: Any) -> Html:
    """A list of terms and what is said of each."""
    found = (element("div", element("dt", term), element("dd", text)) for term, text in pairs)
    return element("dl", *found, **attributes)


def table(head: list[str], rows: list[list[Any]], **attributes: Any) -> Html:
    """A table that scrolls by itself where the window is narrow."""
    first = element("thead", element("tr", *(element("th", text, scope="col") for text in head)))
    others = (
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    )
    whole = element("table", first, element("tbody", *others), **attributes)
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=f"table: {', '.join(head)}")
