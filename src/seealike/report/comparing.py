"""Answers that say more together than apart: the inversions of several networks, about the same images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from seealike.figures.choosing import evenly
from seealike.figures.compared import title
from seealike.figures.comparing import OTHERWISE, TRAINED, UNTRAINED, Family, comparable, families, model
from seealike.figures.curves import DEPTH
from seealike.report import drawing
from seealike.report.fitting import Panel
from seealike.report.gathering import Gathered
from seealike.report.markup import Html, element, joined
from seealike.report.naming import counted
from seealike.report.section import shown

DASHES = {TRAINED: "solid", UNTRAINED: "dot", OTHERWISE: "dash"}
WORDS = {TRAINED: "solid lines", UNTRAINED: "dotted lines", OTHERWISE: "dashed lines"}
NOISY = "image with noise"
WARNING = (
    "Networks have a colour each, and those that differ only in their seed one together. Grey is the distance of the "
    "image with a little noise. A distance says as much of the search as of the layer: see in each answer how many "
    "searches converged."
)


def headings(gathered: Gathered) -> list[tuple[str, str]]:
    """What the page calls each comparison, and where it holds it."""
    return [(_heading(name), f"compared-{name}") for name in _groups(gathered)]


def comparisons(gathered: Gathered) -> Html:
    """A section for every set of inversions that can be compared; nothing where there are none."""
    return joined(*(_section(name, group, gathered) for name, group in _groups(gathered).items()))


def _groups(gathered: Gathered) -> dict[str, dict[str, xr.Dataset]]:
    return comparable({answer.name: answer.data for answer in gathered.answers})


def _heading(name: str) -> str:
    """`Inversions compared: noise`, where there are other images too."""
    _, _, images = name.partition("-")
    return f"Inversions compared{f': {images}' if images else ''}"


def _section(name: str, group: Mapping[str, xr.Dataset], gathered: Gathered) -> Html:
    identity = f"compared-{name}"
    anchors = {answer.name: answer.anchor for answer in gathered.answers}
    panels = families(group)
    of = counted(len(group), "network")
    links = [joined(", " if i else "", element("a", one, href=f"#{anchors[one]}")) for i, one in enumerate(group)]
    states = {kind.state for family in panels for kind in family.kinds}
    dashes = "; ".join(f"{WORDS[state]}: {state}" for state in WORDS if state in states)
    return element(
        "section",
        element("h2", element("a", _heading(name), href=f"#{identity}"), id=f"{identity}-title"),
        element("p", f"inversion: how far from an image the pictures of {of} lie ({title(group)})", class_="asked"),
        element("p", f"{dashes[0].upper()}{dashes[1:]}. {WARNING}", class_="meaning"),
        *(shown(identity, _panel(family, group)) for family in panels),
        element("p", "Answers: ", *links, class_="left-out"),
        class_="answer",
        id=identity,
        aria_labelledby=f"{identity}-title",
    )


def _panel(family: Family, group: Mapping[str, xr.Dataset]) -> Panel:
    """One family, as live lines; all families of a comparison have one scale."""
    answers = [answer for *_, answer in family.answers]
    found = {answer: group[answer] for answer in answers}
    columns = _columns(found)
    rows = _row_names(found)
    values = xr.DataArray(
        np.stack([*(_placed(one, "mean_m_i", columns) for one in found.values()), _noise(found, columns)]),
        {"model": [*rows, NOISY], "layer": [layer for _, layer in columns]},
        ("model", "layer"),
        "mean_m_i",
        found[answers[0]]["mean_m_i"].attrs,
    )
    known = any("mean_m_i_se" in one for one in found.values())
    errors = [_placed(one, "mean_m_i_se", columns) for one in found.values()]
    error = values.copy(data=np.stack([*errors, np.full(len(columns), np.nan)])) if known else None
    at = xr.DataArray([depth for depth, _ in columns], dims="layer", name=DEPTH)
    figure: drawing.Figure = drawing.curve(values, error, at) | {"range": [0.0, _most(group)]}
    figure |= _strokes(family, found, columns)
    figure["columns"]["models"] = [["", 0, len(columns)]]  # a colon in a layer's name parts nothing here
    told = _told(found, rows, "mean_m_i")
    return Panel(figure, told, _told(found, rows, "mean_m_i_se") if known else None, family.name, family.name)


def _strokes(family: Family, found: Mapping[str, xr.Dataset], columns: list[tuple[float, str]]) -> drawing.Figure:
    """The colour, the dash and the columns of each line, and the lines that the legend names, by their kind."""
    strokes: list[dict[str, Any]] = []
    legend: list[int] = []
    for number, kind, answer in family.answers:
        if answer == kind.answers[0]:
            legend.append(len(strokes))
        own = [columns.index(place) for place in _places(found[answer])]
        strokes.append({"colour": number, "dash": DASHES[kind.state], "columns": own})
    strokes.append({"colour": None, "dash": "dash", "columns": list(range(len(columns)))})
    kinds = [kind.name for _, kind, _ in family.answers]
    some = [legend[i] for i in evenly(len(legend), drawing.NAMED)]
    return {"strokes": strokes, "legend": [*some, len(kinds)], "kinds": [*kinds, NOISY]}


def _places(data: xr.Dataset) -> list[tuple[float, str]]:
    """Depth and name of each layer, without its model's."""
    names = [str(layer) for layer in data["layer"].values]
    own = [layer.partition(":")[2] or layer for layer in names]
    return list(zip(data["depth"].values.astype(float).tolist(), own, strict=True))


def _columns(found: Mapping[str, xr.Dataset]) -> list[tuple[float, str]]:
    """Every place of a layer in these networks, by depth; those of repeats are the same."""
    places = dict.fromkeys(place for data in found.values() for place in _places(data))
    return sorted(places, key=lambda place: place[0])


def _placed(data: xr.Dataset, name: str, columns: list[tuple[float, str]]) -> np.ndarray:
    """A variable by layer, where these columns have its layers."""
    values = np.full(len(columns), np.nan)
    if name in data:
        values[[columns.index(place) for place in _places(data)]] = data[name].values
    return values


def _noise(found: Mapping[str, xr.Dataset], columns: list[tuple[float, str]]) -> np.ndarray:
    return np.full(len(columns), np.mean([float(data["i_r"].mean()) for data in found.values()]))


def _row_names(found: Mapping[str, xr.Dataset]) -> list[str]:
    """The networks; where one name comes twice, the answers."""
    models = [model(data) for data in found.values()]
    return [own if models.count(own) == 1 else answer for own, answer in zip(models, found, strict=True)]


def _told(found: Mapping[str, xr.Dataset], rows: list[str], name: str) -> xr.DataArray:
    """All values of a family one after the other, for the facts beside its lines."""
    parts = [_placed(data, name, _places(data)) for data in found.values()]
    layers = [f"{row}:{layer}" for row, data in zip(rows, found.values(), strict=True) for _, layer in _places(data)]
    attrs = next(iter(found.values()))["mean_m_i"].attrs
    return xr.DataArray(np.concatenate(parts), {"layer": layers}, ("layer",), "mean_m_i", attrs)


def _most(group: Mapping[str, xr.Dataset]) -> float:
    """The end of the scale: a little above the greatest value with its error, and the noise."""
    tops = []
    for data in group.values():
        error = data["mean_m_i_se"].fillna(0) if "mean_m_i_se" in data else 0.0
        tops += [(data["mean_m_i"] + error).values, np.atleast_1d(float(data["i_r"].mean()))]
    every = np.concatenate(tops)
    return 1.06 * float(every[np.isfinite(every)].max(initial=0.0)) or 1.0
