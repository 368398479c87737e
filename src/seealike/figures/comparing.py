"""Which inversions can be compared, and which of their networks are repeats, of one family, trained or not."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from seealike.figures.repeats import DEPARTURES, lines

TRAINED, UNTRAINED, OTHERWISE = "trained", "untrained", "trained otherwise"
# what a question says of the search, all of which moves the distance; how long a step is, it may find for itself
SEARCH = ("mode", "prior", "weight", "optimizer", "iterations", "starts", "shift")


@dataclass(frozen=True, eq=False)
class Kind:
    """Answers about repeats of one network; `state` is how it was trained."""

    label: str
    state: str
    answers: tuple[str, ...]

    @property
    def name(self) -> str:
        """`vit (3)` where there are three repeats."""
        return f"{self.label} ({len(self.answers)})" if len(self.answers) > 1 else self.label


@dataclass(frozen=True, eq=False)
class Family:
    """What has a panel: networks of one family, by their tags."""

    name: str
    kinds: tuple[Kind, ...]

    @property
    def answers(self) -> tuple[tuple[int, Kind, str], ...]:
        """Each with the number of its kind."""
        return tuple((i, kind, answer) for i, kind in enumerate(self.kinds) for answer in kind.answers)


def comparable(datasets: Mapping[str, xr.Dataset]) -> dict[str, dict[str, xr.Dataset]]:
    """Answers to `inversion` that can be compared, two or more together: `inversions`, or `inversions-NAME` by images.

    They are about the same images, of the same size, and were searched in the same way.
    """
    several = [group for group in alike(datasets) if len(group) > 1]
    if len(several) == 1:
        return {"inversions": several[0]}
    firsts = [next(iter(group.values())).attrs for group in several]
    names = [_file_name(images(attrs)) for attrs in firsts]
    longer = [f"{name}-{_file_name(*searched(attrs))}" for name, attrs in zip(names, firsts, strict=True)]
    names = [more if names.count(name) > 1 else name for name, more in zip(names, longer, strict=True)]
    names = [f"{name}-{i + 1}" if names.count(name) > 1 else name for i, name in enumerate(names)]
    return {f"inversions-{name}": group for name, group in zip(names, several, strict=True)}


def alike(datasets: Mapping[str, xr.Dataset]) -> list[dict[str, xr.Dataset]]:
    """All answers to `inversion`, those together that can be compared."""
    groups: dict[str, dict[str, xr.Dataset]] = {}
    for name, data in datasets.items():
        whole = data.attrs.get("measure") == "inversion" and {"mean_m_i", "depth", "i_r"} <= set(data.variables)
        if whole and bool(np.isfinite(data["depth"]).all()):
            groups.setdefault(_about(data), {})[name] = data
    return list(groups.values())


def images(attrs: Mapping[str, Any]) -> str:
    """What the images are called in the study, or where they come from."""
    found = attrs.get("images")
    return str(found.get("name") or found.get("source") or "") if isinstance(found, Mapping) else ""


def searched(attrs: Mapping[str, Any]) -> list[str]:
    """`strict, prior none, 500 iterations`, in parts: as much of it as the answer says."""
    asked = attrs.get("question") or {}
    how = [str(asked[key]) if key == "mode" else f"prior {asked[key]}" for key in ("mode", "prior") if asked.get(key)]
    return how + ([f"{asked['iterations']} iterations"] if asked.get("iterations") else [])


def families(datasets: Mapping[str, xr.Dataset]) -> list[Family]:
    """The networks of these answers by family, of each first the trained, then the untrained; without one, `others`.

    >>> vit, cnn = {"family": "transformer"}, {"family": "CNN"}
    >>> seeds = {"vit": vit | {"seed": "0"}, "s1": vit | {"seed": "1"}}
    >>> tags = seeds | {"cnn": cnn, "bare": vit | {"control": "untrained"}}
    >>> datasets = {name: xr.Dataset(attrs={"models": {name: {"tags": tags[name]}}}) for name in tags}
    >>> [(family.name, [(kind.name, kind.state) for kind in family.kinds]) for family in families(datasets)]
    [('transformer', [('vit (2)', 'trained'), ('bare', 'untrained')]), ('CNN', [('cnn', 'trained')])]
    """
    models = {name: model(data) for name, data in datasets.items()}
    facts = {name: (data.attrs.get("models") or {}).get(models[name], {}) for name, data in datasets.items()}
    found = lines(facts)
    labels = [models[line.label] for line in found]
    panels: dict[str, list[Kind]] = {}
    for line, label in zip(found, labels, strict=True):
        own = label if labels.count(label) == 1 else line.label  # one name for two networks says nothing
        family = str((facts[line.label].get("tags") or {}).get("family", ""))
        panels.setdefault(family, []).append(Kind(own, _state(facts[line.label]), line.models))
    other = "others" if len(panels) > 1 else ""
    order = (TRAINED, UNTRAINED, OTHERWISE)
    ordered = {name: sorted(kinds, key=lambda kind: order.index(kind.state)) for name, kinds in panels.items()}
    return [Family(name or other, tuple(kinds)) for name, kinds in ordered.items()]


def table(datasets: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The numbers of a comparison: a row a layer of an answer."""
    parts: list[dict[str, np.ndarray]] = []
    for name, data in datasets.items():
        each = np.ones(data.sizes["layer"])
        error = data["mean_m_i_se"].values if "mean_m_i_se" in data else np.nan * each
        names = {"answer": np.full(each.shape, name), "model": np.full(each.shape, model(data))}
        names["layer"] = data["layer"].values.astype(str)
        numbers = {"depth": data["depth"].values, "mean_m_i": data["mean_m_i"].values, "mean_m_i_se": error}
        parts.append(names | numbers | {"i_r": float(data["i_r"].mean()) * each})
    return xr.Dataset({key: ("row", np.concatenate([part[key] for part in parts])) for key in parts[0]})


def _about(data: xr.Dataset) -> str:
    """Alike for answers whose distances can be compared."""
    told, question = data.attrs.get("images"), data.attrs.get("question") or {}
    told = told if isinstance(told, Mapping) else {"source": str(told)}
    size = [data.sizes.get(side) for side in ("channel", "y", "x")]
    own = [told.get("fingerprint") or told.get("source"), data["image"].values.tolist() if "image" in data else []]
    return json.dumps([own, size, [question.get(key) for key in SEARCH]], default=str)


def model(data: xr.Dataset) -> str:
    """The network that was inverted; an answer may know of another, which judges the pictures."""
    first = str(data["layer"].values[0]) if data.sizes.get("layer") else ""
    return first.rpartition(":")[0].partition(":")[0] or next(iter(data.attrs.get("models") or ()), "")


def _state(facts: Mapping[str, Any]) -> str:
    tags = facts.get("tags") or {}
    if tags.get("control") == UNTRAINED or UNTRAINED in str(facts.get("weights", "")):
        return UNTRAINED
    return OTHERWISE if any(tag in tags for tag in ("trained_on", "control", *DEPARTURES)) else TRAINED


def _file_name(*parts: str) -> str:
    """Texts as a part of a file's name.

    >>> _file_name("a/b c"), _file_name("paper", "prior blur"), _file_name("")
    ('a-b-c', 'paper-prior-blur', 'images')
    """
    return re.sub(r"[^\w.]+", "-", "-".join(parts)).strip("-.") or "images"
