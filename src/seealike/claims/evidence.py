"""The answers of a folder as claims see them: those of one question about some networks, and nothing else of them."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from seealike.claims.claim import Need
from seealike.errors import RunError
from seealike.maths.jackknife import deviations
from seealike.results import Results

BY_DEFAULT = {"localization": "@block"}  # what measures take where a study names no layers
BOTH_WAYS = (
    ("layer_a", "layer_b"),
    ("depth_a", "depth_b"),
    ("imbalance", "imbalance_reverse"),
    ("imbalance_rescaled", "imbalance_rescaled_reverse"),
)
TURNED = {one: other for pair in BOTH_WAYS for one, other in (pair, pair[::-1])}


@dataclass(frozen=True, eq=False)
class Answer:
    """One answer, and its readings with each group of batches left out (None: too few groups)."""

    name: str
    whole: xr.Dataset
    left_out: xr.Dataset | None = None

    @property
    def models(self) -> Mapping[str, Mapping[str, Any]]:
        return self.whole.attrs.get("models") or {}

    @property
    def images(self) -> int:
        return int((self.whole.attrs.get("images") or {}).get("count") or 0)

    @property
    def complete(self) -> bool:
        """Is every number of it known with each group of batches left out?"""
        averages = self.whole.drop_dims("image", errors="ignore")  # what is known of each image has no error
        numbers = {name for name, v in averages.data_vars.items() if v.dtype.kind in "fiu" and not _is_error(name)}
        return self.left_out is not None and numbers <= set(self.left_out.data_vars)

    @cached_property
    def run(self) -> tuple:
        """What makes two answers read from the same batches: the images in their order, batch, seed, group sizes."""
        attrs = self.whole.attrs
        images = attrs.get("images") or {}
        which = tuple(str(images.get(key)) for key in ("fingerprint", "count", "order", "chosen"))
        sizes = () if self.left_out is None else tuple(self.left_out["images"].values.tolist())
        return (*which, attrs.get("batch"), attrs.get("seed"), sizes)

    def of(self, need: Need, models: tuple[str, ...]) -> "Answer | None":
        """What this answers of a need, of these networks alone; None: it answers something else."""
        if not _asked(self.whole.attrs, need, models):
            return None
        whole = _narrowed(self.whole, models)
        if whole is None or self.left_out is None:
            return None if whole is None else Answer(self.name, whole)
        coordinates = {name: c for name, c in self.whole.coords.items() if name != "group"}
        left_out = self.left_out.assign_coords(coordinates).assign_attrs(self.whole.attrs)
        return Answer(self.name, whole, _narrowed(left_out, models))

    def without(self, group: int) -> xr.Dataset:
        """The answer from all batches but those of a group; a variable that was too large for that is missing."""
        return self._texts.assign({name: (dims, values[group]) for name, dims, values in self._numbers})

    def moved(self, steps: np.ndarray) -> xr.Dataset:
        """The answer as other images might have it: moved by a normal number of standard errors for each group.

        The variance of what that gives is the jackknife's, and so are the covariances of any two numbers.
        """
        return self._texts.assign(
            {
                name: (dims, self.whole[name].transpose(*dims).values + np.tensordot(steps, one, 1))
                for name, dims, one in self._deviations
            }
        )

    @cached_property
    def _deviations(self) -> list[tuple[Hashable, tuple[Hashable, ...], np.ndarray]]:
        assert self.left_out is not None
        sizes = self.left_out["images"].values.tolist()
        wholes = {name: self.whole[name].transpose(*dims).values for name, dims, _ in self._numbers}
        return [(name, dims, deviations(wholes[name], list(values), sizes)) for name, dims, values in self._numbers]

    @cached_property
    def _texts(self) -> xr.Dataset:
        return self.whole.drop_vars([n for n, v in self.whole.data_vars.items() if v.dtype.kind in "fiu"])

    @cached_property
    def _numbers(self) -> list[tuple[Hashable, tuple[Hashable, ...], np.ndarray]]:
        assert self.left_out is not None
        found = {n: v.transpose("group", ...) for n, v in self.left_out.data_vars.items() if n != "images"}
        return [(name, v.dims[1:], v.values) for name, v in found.items()]


def gather(results: Results) -> list[Answer]:
    """Every answer that can be read."""
    found = []
    for name in results:
        try:
            found.append(Answer(name, results[name], results.left_out(name)))
        except RunError:
            continue
    return found


def best(answers: Iterable[Answer], need: Need, models: tuple[str, ...]) -> Answer | None:
    """The answer to a need that was read from most images; of such, one with an interval, and with most values."""
    found = [seen for answer in answers if (seen := answer.of(need, models)) is not None]
    return max(found, key=lambda seen: (seen.images, seen.complete, seen.whole.nbytes), default=None)


def _is_error(name: Any) -> bool:
    return str(name).endswith("_se")


def _asked(attrs: Mapping[str, Any], need: Need, models: tuple[str, ...]) -> bool:
    """Is this the measure, asked of these networks, with the layers and the view that are needed?"""
    question = attrs.get("question") or {}
    images = str((attrs.get("images") or {}).get("source")).partition(":")[0]
    if (images == "noise") != (need.images == "noise"):
        return False
    if attrs.get("measure") != need.measure or not set(models) <= set(attrs.get("models") or {}):
        return False
    if question.get("model", models[0]) != models[0] or question.get("block"):
        return False
    if need.distance and question.get("distance", "cka") != need.distance:
        return False
    if need.view and (question.get("view") or _usual_view(need.measure, question)) != need.view:
        return False
    return need.layers == "*" or all(_selected(need, question, model) for model in models)


def _usual_view(measure: str, question: Mapping[str, Any]) -> str:
    """What is seen of a layer where a question does not say it."""
    far = measure == "trajectory" and question.get("distance", "cka") != "cka"
    return "mean" if far or measure == "image_statistics" else "flatten"


def _selected(need: Need, question: Mapping[str, Any], model: str) -> bool:
    """Are a model's layers those that are needed, and no others?"""
    usual = {BY_DEFAULT[need.measure]} if need.measure in BY_DEFAULT else set()
    return (_patterns(question, model) or usual) == ({need.layers} if need.layers else set())


def _patterns(question: Mapping[str, Any], model: str) -> set[str]:
    """The patterns that asked for layers of a model, without the model's name."""
    written = [question.get(key) or () for key in ("layers", "a", "b")]
    texts = [text for some in written for text in ([some] if isinstance(some, str) else some)]
    parted = [text.rpartition(":") for text in texts]
    return {rest for name, colon, rest in parted if not colon or name == model}


def _narrowed(data: xr.Dataset, models: tuple[str, ...]) -> xr.Dataset | None:
    """Of every layer dimension what belongs to the networks: the first along `layer_a`, the last along `layer_b`."""
    kept = {name: facts for name, facts in (data.attrs.get("models") or {}).items() if name in models}
    data = data.assign_attrs(models=kept)
    if "model" in data.dims:
        if data.attrs.get("reference", models[-1]) != models[-1] or models[0] not in data["model"].values:
            return None
        data = data.sel(model=models[0])
        if "reference" in data.attrs:  # its layers are those of the reference, without a model's name
            return data
    sides = {"layer": models[0], "residual": models[0], "layer_a": models[0], "layer_b": models[-1]}
    kept = {dim: model for dim, model in sides.items() if dim in data.dims}
    found = _chosen(data, **kept)
    return _chosen(_turned(data), **kept) if found is None and {"layer_a", "layer_b"} <= set(kept) else found


def _chosen(data: xr.Dataset, **sides: str) -> xr.Dataset | None:
    """The elements of each dimension that belong to its model; None if a model has none."""
    kept = {}
    for dim, model in sides.items():
        kept[dim] = np.flatnonzero([str(name).startswith(f"{model}:") for name in data[dim].values])
        if not kept[dim].size:
            return None
    return data.isel(kept)


def _turned(data: xr.Dataset) -> xr.Dataset:
    """The same with its two sides exchanged."""
    turned = data.rename({old: new for old, new in TURNED.items() if old in data.variables or old in data.dims})
    return turned.transpose(..., "layer_a", "layer_b")
