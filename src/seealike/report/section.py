"""One answer on the page: what was asked, its figures, what can be read off them, and where it comes from."""

from collections.abc import Mapping
from urllib.parse import quote

import numpy as np
import xarray as xr

from seealike.listing import without_errors
from seealike.report import drawing
from seealike.report.alike import Pair
from seealike.report.facts import facts
from seealike.report.fitting import Panel, fitting
from seealike.report.gathering import Answer
from seealike.report.markup import Html, data, element, joined, lines, table
from seealike.report.naming import called, counted, names, unit
from seealike.report.origin import origin
from seealike.report.pictures import gallery
from seealike.report.question import meaning, sentence
from seealike.report.values import said

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
    """Figures or a table for each variable, what was asked for first; a standard error belongs to its variable.

    A coordinate that says what it means, such as the penalty of a probe, is shown as a variable is.
    """
    told = {name: array for name, array in answer.data.coords.items() if array.attrs.get("long_name")}
    data_vars = {str(name): array for name, array in [*answer.data.data_vars.items(), *told.items()]}
    ordered = sorted(without_errors(data_vars).items(), key=lambda item: item[0] != answer.measure)
    drawn = [(name, array, data_vars.get(f"{name}_se")) for name, array in ordered]
    found = {name: fitting(array, error, scales.get(name), answer.data) for name, array, error in drawn}
    kept = [array for name, array, _ in drawn if not found[name] and "image" in array.dims]
    rest = [(array, error) for name, array, error in drawn if not found[name] and "image" not in array.dims]
    return [
        gallery(answer.data),
        *(shown(f"{answer.anchor}-{name}", panel) for name, panels in found.items() for panel in panels),
        *_tables([(array, error) for array, error in rest if array.ndim == 1 and array.size <= ROWS]),
        _told([(array, error) for array, error in rest if array.ndim != 1 or array.size > ROWS]),
        _kept(kept, answer.path.name),
    ]


def shown(identity: str, panel: Panel) -> Html:
    """The figure, the place where the cursor's reading is told, and the facts beside."""
    figure, its_unit = panel.figure, unit(panel.array)
    identity += f"-{quote(panel.key, safe='', errors='backslashreplace')}" if panel.key else ""
    label = f"{called(panel.array)}{f', {its_unit}' if its_unit else ''}"
    plot = element(
        "div",
        class_="plot",
        tabindex=0,
        role="application",
        aria_roledescription={"heatmap": "heatmap", "maps": "maps"}.get(figure["kind"], "chart"),
        aria_label=f"{label}. {_sides(figure)}. Arrow keys read the values.",
        data_figure=f"{identity}-figure",
    )
    reading = element("p", class_="reading", role="status", aria_live="polite")
    found = facts(panel.array, panel.error) if figure["kind"] != "path" else []  # of which only distances mean anything
    beside = lines([_fact(*fact) for fact in found], class_="facts")
    what = element("p", panel.what, class_="which") if panel.what else Html()
    left_out = element("p", panel.left_out, class_="left-out") if panel.left_out else Html()
    caption = element("figcaption", element("h3", label), what, beside, left_out)
    drawn = element("div", _legend(figure), plot, reading, class_="drawn")
    kind = f"panel {figure['kind']}"
    whole = element("figure", joined(drawn, caption, data(figure, f"{identity}-figure")), class_=kind)
    head, *rows = map(list, panel.table or [()])
    return joined(whole, table(head, rows)) if rows else whole


def _legend(figure: drawing.Figure) -> Html:
    """The lines by name; of many, some. Their colours are the page's, light or dark."""
    rows = figure.get("legend", ())
    called_so = figure.get("kinds") or (figure["rows"]["names"] if rows else ())
    listed = [element("li", called_so[row], data_row=row) for row in rows]
    return element("ul", *listed, class_="legend") if listed else Html()


def _fact(what: str, where: str, much: str) -> tuple[str, Html]:
    return what, joined(*([where, " "] if where else []), element("span", much, class_="much"))


def _sides(figure: drawing.Figure) -> str:
    if figure["kind"] == "maps":
        high, wide = figure["size"]
        return f"{len(figure['names'])} maps over the image, {high} by {wide} cells each; page keys change the map"
    rows, columns = figure["rows"], figure["columns"]
    if figure["kind"] == "path":
        return f"{len(columns['names'])} layers on a plane, joined in the order of their network"
    if figure["kind"] == "curve":
        along = f"{len(columns['names'])} values along {figure.get('along') or columns['title']}"
        return f"{len(rows['names'])} lines, {along}" if len(rows["names"]) > 1 else along
    return f"{len(rows['names'])} rows, {rows['title']}, by {len(columns['names'])} columns, {columns['title']}"


def _tables(variables: list[Pair]) -> list[Html]:
    """One table a dimension; one that has many columns is folded away."""
    dims = dict.fromkeys(array.dims[0] for array, _ in variables)
    return [_by([pair for pair in variables if pair[0].dims[0] == dim]) for dim in dims]


def _by(variables: list[Pair]) -> Html:
    """One row an element, and a column each."""
    first, dim = variables[0][0], str(variables[0][0].dims[0])
    cells = [[_cell(array, error, (i,)) for array, error in variables] for i in range(first.size)]
    rows = [[name, *cell] for name, cell in zip(names(first, 0), cells, strict=True)]
    if len(variables) == 1:
        return table([dim, called(first)], rows)
    what = element("summary", f"{counted(len(variables), 'more variable')} by {dim}")
    heads = [f"{array.name}: {called(array)}" for array, _ in variables]
    return element("details", what, table([dim, *heads], rows, class_="wide"))


def _told(variables: list[tuple[xr.DataArray, xr.DataArray | None]]) -> Html:
    """Single values, and what of larger variables can be said in a line."""
    rows = [[called(array), _cell(array, error) if array.ndim == 0 else _extent(array)] for array, error in variables]
    return table(["variable", "value"], rows) if rows else Html()


def _kept(variables: list[xr.DataArray], file: str) -> Html:
    """What is known of each image, by name: too much for a page."""
    if not variables:
        return Html()
    rows = [[str(array.name), called(array), _extent(array)] for array in variables]
    what = f"{counted(len(variables), 'variable')} of single images, kept in "
    return element(
        "details", element("summary", what, element("code", file)), table(["variable", "what it is", "size"], rows)
    )


def _cell(array: xr.DataArray, error: xr.DataArray | None, index: tuple[int, ...] = ()) -> str:
    value = array.values[index]
    if array.dtype.kind not in "fiu":
        return str(value)
    return said(float(value), None if error is None else float(error.values[index]), unit(array))


def _extent(array: xr.DataArray) -> str:
    sizes = " × ".join(f"{size} {dim}" for dim, size in array.sizes.items())
    finite = array.values[np.isfinite(array.values)] if array.dtype.kind in "fiu" else np.empty(0)
    kept = "" if "image" in array.dims else "; not drawn here"
    if not finite.size:
        return f"{sizes}{_counts(array)}{kept}"
    least, most = (said(float(value), unit=unit(array)) for value in (finite.min(), finite.max()))
    return f"{sizes}, from {least} to {most}{kept}"


def _counts(array: xr.DataArray) -> str:
    """`: 9 non-unique, 15 not shown`, of words that come again and again."""
    words, counts = np.unique(array.values.astype(str), return_counts=True)
    listed = ", ".join(f"{count:,} {word}" for word, count in zip(words, counts, strict=True))
    return f": {listed}" if array.dtype.kind in "UO" and len(words) <= FEW + 1 else ""
