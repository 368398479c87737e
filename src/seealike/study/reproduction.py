"""The study behind `seealike reproduce`: a paper's own, on images of the user's where they say so."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seealike.errors import StudyError, closest
from seealike.study import ImagesSource, Study
from seealike.study.made import as_far_as_made
from seealike.study.toml import of_file, study

SPLIT = ("hub", "scenes")  # kinds of sources whose splits have the names that the papers' studies use


def reproduction(folder: Path, paper: str, scale: str, images: Sequence[str] = ()) -> tuple[Study, list[str]]:
    """The study `folder/PAPER-SCALE.toml`, and the networks of the zoo that it is asked without, as they are not here.

    Each of `images` is a source for all its sets, or NAME=SOURCE for one.
    """
    lacking: list[str] = []

    def made(table: Mapping[str, Any], of: str) -> Study:
        table, names = as_far_as_made(table)
        lacking.extend(names)
        return study(table, of)

    found = of_file(_path(folder, paper, scale), made)
    return replace(found, images=_replaced(found.images, images), folder=".") if images else found, lacking


def _path(folder: Path, paper: str, scale: str) -> Path:
    """A paper or a scale that is not there is refused by name."""
    there: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*-*.toml")):
        name, _, size = path.stem.partition("-")
        there.setdefault(name, []).append(size)
    if paper not in there:
        raise StudyError(f'"{paper}": there is no study of this paper. {closest(paper, there)}')
    if scale not in there[paper]:
        raise StudyError(f"--scale {scale}: {paper} has no study of this scale. {closest(scale, there[paper])}")
    return folder / f"{paper}-{scale}.toml"


def _replaced(sets: Mapping[str, ImagesSource], images: Sequence[str]) -> dict[str, ImagesSource]:
    """The sets with the sources of the user."""
    found = dict(sets)
    for written in images:
        for name, source in _meant(sets, written).items():
            found[name] = _from(source, sets[name])
    _refuse_one_for_two(found, sets)
    return found


def _meant(sets: Mapping[str, ImagesSource], written: str) -> dict[str, str]:
    """The source of each set that is meant."""
    named = re.fullmatch(r"([\w-]+)=(.+)", written)
    if not named:
        return dict.fromkeys(sets, written)
    name, source = named.groups()
    if name not in sets:
        raise StudyError(f'--images {written}: the study has no images "{name}". {closest(name, sets)}')
    return {name: source}


def _from(source: str, written: ImagesSource) -> ImagesSource:
    """As many images in the same order, and the same split where the source has such; columns are the source's own."""
    split = written.split if source.partition(":")[0] in SPLIT else None
    of_scenes = {"size": written.size, "within": written.within} if source.startswith("scenes:") else {}
    return ImagesSource(source, take=written.take, order=written.order, split=split, **of_scenes)


def _refuse_one_for_two(found: Mapping[str, ImagesSource], sets: Mapping[str, ImagesSource]) -> None:
    """What was trained on must not be tested on: two sets that were apart may not become one."""
    seen: dict[ImagesSource, str] = {}
    for name, images in found.items():
        other = seen.setdefault(replace(images, take=None, order=None), name)
        if other != name and sets[name] != sets[other]:
            raise StudyError(
                f"--images {images.source}: {other} and {name} would be the same images. "
                f"Name them apart: --images {other}=SOURCE --images {name}=SOURCE."
            )
