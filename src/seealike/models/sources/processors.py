"""The preprocessing of transformers models: their processor's, or a plain one where they bring none."""

from dataclasses import replace
from typing import Any

from seealike.errors import StudyError
from seealike.images.preprocessing import Preprocessing, from_huggingface, plain
from seealike.models.sources.built import Size, Wanted, pair, refuse_colours
from seealike.models.sources.fetching import CONNECTED, Unfetchable

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def preprocessing(wanted: Wanted, where: str, made_for: Any, unreachable: str | None) -> Preprocessing:
    """What the processor beside a model does; `made_for` is the size in the model's configuration."""
    from transformers import AutoImageProcessor

    size = wanted.size or wanted.option_size("image_size")
    try:
        processor = AutoImageProcessor.from_pretrained(where)
    except (OSError, ValueError) as error:
        if unreachable and wanted.mean is None:
            instead = f"{CONNECTED}; mean and std in the model's table"
            raise Unfetchable(f"the preprocessing of {wanted.said}", unreachable, instead) from error
        return _plain(wanted, size or _size(made_for))
    own = from_huggingface(processor)
    refuse_colours(wanted, own)
    return own if size is None or own.size == pair(size) else _resized(wanted.said, processor, pair(size))


def _size(made_for: Any) -> Size | None:
    if isinstance(made_for, list | tuple):
        return made_for[0], made_for[1]
    return made_for if isinstance(made_for, int) else None


def _plain(wanted: Wanted, size: Size | None) -> Preprocessing:
    if wanted.mean is not None or wanted.std is not None:
        return plain(size, wanted.mean, wanted.std)
    guessed = plain(size, **IMAGENET)
    return replace(guessed, text=f"no processor beside the model, so the mean and std of ImageNet; {guessed.text}")


def _resized(said: str, processor: Any, size: tuple[int, int]) -> Preprocessing:
    settings = processor.to_dict()
    made = from_huggingface(type(processor).from_dict({**settings, **_scaled(settings, size)}))
    if made.size != size:
        kind, wanted = type(processor).__name__, f"{size[0]}x{size[1]}"
        raise StudyError(f"{said}: its {kind} cannot be told to give images of {wanted}. Leave size out.")
    return made


def _scaled(settings: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """The processor's sizes for another output: what it crops stays the same part of the image."""
    exact = {"height": size[0], "width": size[1]}
    sides, crop = dict(settings.get("size") or {}), settings.get("crop_size")
    if settings.get("do_center_crop") and crop:
        scale = max(size) / min(crop["height"], crop["width"])
        return {"size": {key: round(value * scale) for key, value in sides.items() if value}, "crop_size": exact}
    return {"size": {"shortest_edge": size[0]} if sides.get("shortest_edge") and size[0] == size[1] else exact}
