"""One answer on the page: what was asked, its figures, what can be read off them, and where it comes from."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from seealike.report import drawing
from seealike.report.facts import facts
from seealike.report.gathering import Answer
from seealike.report.markup import Html, data, element, joined, lines, table
from seealike.report.naming import called, counted, names, unit
from seealike.report.origin import origin
from seealike.report.question import meaning, sentence
from seealike.report.values import said

CELLS = 1_000_000  # a larger variable is described, not drawn: the page would not open
ROWS = 200  # of a table
FEW = 3  # notes


def section(answer: Answer, scales: Mapping[str, drawing.Scale]) -> Html:
    """The whole of one answer."""
    head = element("h2", element("a", answer.name, href=f"#{answer.anchor}"), id=f"{answer.anchor}-title")
    asked = element("p", sentence(answer), class_="asked")
    meant = element("p", meaning(answer), class_="meaning") if meaning(answer) else Html()
    return element(
        "section",
        *(head, asked, meant, notes(answer), *_panels(answer, scales), origin(answer)),
        class_="answer",
        id=answer.anchor,
        aria_labelledby=f"{answer.anchor}-title",
    )


def notes(answer: Answer) -> Html:
    """What the page has told at its top, once more where it matters; a long list is folded away."""
    listed = element("ul", *(element("li", note) for note in answer.notes), class_="notes") if answer.notes else Html()
    if len(answer.notes) <= FEW:
        return listed
    return element("details", element("summary", counted(len(answer.notes), "note")), listed)


def _panels(answer: Answer, scales: Mapping[str, drawing.Scale]) -> list[Html]:
    """A figure or a table for each variable; a standard error belongs to its variable."""
    data_vars = {str(name): array for name, array in answer.data.data_vars.items()}
    own = {name: array for name, array in data_vars.items() if not (name.endswith("_se") and name[:-3] in data_vars)}
    drawn = [(name, array, data_vars.get(f"{name}_se")) for name, array in own.items()]
    figures = [(name, figure, a, e) for name, a, e in drawn if (figure := _figure(a, e, scales.get(name))) is not None]
    shown = {name for name, *_ in figures}
    rest = [(array, error) for name, array, error in drawn if name not in shown]
    return [
        *(_panel(f"{answer.anchor}-{name}", figure, a, e) for name, figure, a, e in figures),
        *(_table(array, error) for array, error in rest if array.ndim == 1 and array.size <= ROWS),
        _told([(array, error) for array, error in rest if array.ndim != 1 or array.size > ROWS]),
    ]


def _figure(array: xr.DataArray, error: xr.DataArray | None, scale: drawing.Scale | None) -> drawing.Figure | None:
    """The figure that fits the dimensions; None where a table says more."""
    if array.dtype.kind not in "fiu" or not 0 < array.size <= CELLS:
        return None
    if set(array.dims) == {"layer", "head"}:
        return drawing.points(array, error)
    if array.ndim == 2:
        return drawing.heatmap(array, error, scale)
    if array.ndim == 1 and str(array.dims[0]).startswith("layer"):
        return drawing.curve(array, error)
    return None


def _panel(identity: str, figure: drawing.Figure, array: xr.DataArray, error: xr.DataArray | None) -> Html:
    """The figure, the place where the cursor's reading is told, and the facts beside."""
    label, kind = f"{called(array)}{f', {unit(array)}' if unit(array) else ''}", figure["kind"]
    plot = element(
        "div",
        class_="plot",
        tabindex=0,
        role="application",
        aria_roledescription={"heatmap": "heatmap"}.get(kind, "chart"),
        aria_label=f"{label}. {_sides(figure)}. Arrow keys read the values.",
        data_figure=f"{identity}-figure",
    )
    reading = element("p", class_="reading", role="status", aria_live="polite")
    turned = array.transpose("layer", "head") if kind == "points" else array
    errors = None if error is None else error.transpose(*turned.dims)
    beside = lines([_fact(*fact) for fact in facts(turned, errors)], class_="facts")
    caption = element("figcaption", element("h3", label), beside)
    drawn = element("div", plot, reading, class_="drawn")
    return element("figure", joined(drawn, caption, data(figure, f"{identity}-figure")), class_=f"panel {kind}")


def _fact(what: str, where: str, much: str) -> tuple[str, Html]:
    return what, joined(*([where, " "] if where else []), element("span", much, class_="much"))


def _sides(figure: drawing.Figure) -> str:
    columns = figure["columns"]
    if figure["kind"] == "curve":
        return f"{len(columns['names'])} values along {columns['title']}"
    rows = figure["rows"]
    return f"{len(rows['names'])} rows, {rows['title']}, by {len(columns['names'])} columns, {columns['title']}"


def _table(array: xr.DataArray, error: xr.DataArray | None) -> Html:
    """One row an element."""
    rows = [[name, _cell(array, error, (i,))] for i, name in enumerate(names(array, 0))]
    return table([str(array.dims[0]), called(array)], rows)


def _told(variables: list[tuple[xr.DataArray, xr.DataArray | None]]) -> Html:
    """Single values, and what of larger variables can be said in a line."""
    rows = [[called(array), _cell(array, error) if array.ndim == 0 else _extent(array)] for array, error in variables]
    return table(["variable", "value"], rows) if rows else Html()


def _cell(array: xr.DataArray, error: xr.DataArray | None, index: tuple[int, ...] = ()) -> str:
    value = array.values[index]
    if array.dtype.kind not in "fiu":
        return str(value)
    return said(float(value), None if error is None else float(error.values[index]), unit(array))


def _extent(array: xr.DataArray) -> str:
    sizes = " × ".join(f"{size} {dim}" for dim, size in array.sizes.items())
    finite = array.values[np.isfinite(array.values)] if array.dtype.kind in "fiu" else np.empty(0)
    if not finite.size:
        return f"{sizes}; not drawn here"
    least, most = (said(float(value), unit=unit(array)) for value in (finite.min(), finite.max()))
    return f"{sizes}, from {least} to {most}; not drawn here"
