"""What a study names, made ready: sets of images opened, models built and traced for them."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from seealike.errors import StudyError, closest
from seealike.images.preprocessing import Preprocessing, shared
from seealike.images.sources import Stream, open_images
from seealike.models.graph import Graph
from seealike.models.sources import Built, ModelSource, build, built_from
from seealike.models.trace import like
from seealike.plan.machine import Machine
from seealike.plan.passes import ImageSet
from seealike.study import Study
from seealike.surgery import Edit, Trainable, edited, parse

PATHS = ("folder", "parquet", "webdataset")  # schemes that a path follows


def asked_of(name: str, study: Study) -> str:
    """The set of images that an ask is about."""
    ask = study.ask[name]
    own = ask.measure.asked_of
    if own is not None and ask.images not in (None, own):
        raise StudyError(f'ask.{name}: images = "{ask.images}", but the question is asked of "{own}". Leave one out.')
    return own or study.images_of(ask)


def image_set(name: str, study: Study) -> ImageSet:
    if name not in study.images:
        raise StudyError(f'images "{name}": the study has no such images. {closest(name, study.images)}')
    source = study.images[name]
    images = open_images(rooted(source.source, study.folder), **source.options)
    if isinstance(images, Stream):
        _stream(name, images, study)
    return ImageSet.of(name, images, source.take, study.seed, source.order)


def _stream(name: str, images: Stream, study: Study) -> None:
    """A stream is cut to the batch that is asked; what cannot be asked of it is refused."""
    instead = "Give the dataset in place of its batches, or leave"
    if study.images[name].take is not None:
        raise StudyError(f"{images.text} cannot be chosen from: it is read once, as it comes. {instead} take out.")
    asked = {ask.batch or study.batch for key, ask in study.ask.items() if asked_of(key, study) == name}
    if len(asked) > 1:
        raise StudyError(f"{images.text} cannot be cut in two ways: it is read once. {instead} all but one batch out.")
    images.batch = (asked.pop() if asked else study.batch) or images.batch


def rooted(source: Any, folder: str) -> Any:
    """A source written in a study's file, its path relative to that file."""
    if not isinstance(source, str):
        return source
    scheme, colon, rest = source.partition(":")
    if not colon or scheme.endswith(".py"):
        return str(Path(folder) / Path(scheme).expanduser()) + colon + rest
    there = Path(folder) / Path(rest).expanduser()
    if scheme == "hub" and (there.is_dir() or rest.startswith((".", "/", "~"))):
        return f"hub:{there.absolute()}"  # a relative path may look like a name on the hub
    return f"{scheme}:{there}" if scheme in PATHS and "://" not in rest else source


def built(name: str, study: Study, machine: Machine, untrained_if_unfetchable: bool) -> Built:
    source = study.models[name]
    if isinstance(source, Trainable):
        built = replace(built_from(source.network), edits=tuple(map(str, source.edits)))
    elif isinstance(source, nn.Module):
        built = built_from(source)
    else:
        source = source if isinstance(source, ModelSource) else ModelSource(source)
        _edits(name, source.edit)  # known to be wrong before anything is fetched
        fallback = untrained_if_unfetchable
        built = build(name, source, folder=study.folder, seed=study.seed, untrained_if_unfetchable=fallback)
    here = like(built.module).get("device", torch.device("cpu"))
    if here == torch.device(machine.device):
        return built
    return replace(built, module=copy.deepcopy(built.module).to(machine.device))


def _edits(name: str, texts: tuple[str, ...]) -> list[Edit]:
    try:
        return [parse(text) for text in texts]
    except StudyError as error:
        raise StudyError(f"models.{name}.edit: {error}") from None


def prepared(
    images: ImageSet, built: Mapping[str, Built], study: Study, graphs: dict[tuple, Graph]
) -> tuple[dict[str, Graph], dict[str, Preprocessing]]:
    """Every model traced for the size in which it will get these images."""
    tensor = images.as_given
    preprocessings, traced = {}, {}
    for name, model in tqdm(built.items(), desc="tracing models", leave=False, delay=2):
        own, corner = model.preprocessing, _corner(name, study, images)
        preprocessings[name] = shared(own, corner) if study.crop == "shared" and tensor is None else own
        size = tuple(tensor.shape) if tensor is not None else (model.channels, *_size(images, own))
        if (name, size) not in graphs:
            graph = Graph.of(model.module, size, name)
            graphs[name, size] = edited(graph, _edits(name, model.edits)) if model.edits else graph
        traced[name] = graphs[name, size]
    return traced, preprocessings


def _corner(name: str, study: Study, images: ImageSet) -> bool:
    """Does a model see the corner of these images in place of their centre? Of tensors nothing is cut."""
    source = study.models[name]
    corner = isinstance(source, ModelSource) and source.crop == "corner"
    if corner and images.as_given is not None:
        raise StudyError(
            f'models.{name}.crop = "corner": {images.images.text} holds tensors, which models are given as they are. '
            "Give pictures, or leave crop out."
        )
    return corner


def _size(images: ImageSet, preprocessing: Preprocessing) -> tuple[int, int]:
    if preprocessing.size is not None:
        return preprocessing.size
    width, height = images.example.size  # type: ignore[misc]  # a picture: tensors have their own size
    return height, width
