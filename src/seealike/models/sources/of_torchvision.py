"""Models of torchvision, by name: `torchvision:resnet50`."""

import copy
import inspect
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from seealike.errors import SeealikeError, StudyError, closest
from seealike.images.preprocessing import Preprocessing, from_torchvision, plain
from seealike.models.sources.built import CHANNELS, Built, Size, Wanted, misfit, pair, refuse_colours
from seealike.models.sources.fetching import downloading, silenced


def build(wanted: Wanted) -> Built:
    """The model as torchvision makes it, with the transform of its best weights, trained or not."""
    with silenced():
        from torchvision import models

        known = models.list_models()
        if wanted.name not in known:
            raise StudyError(f"{wanted.said}: torchvision has no model {wanted.name!r}. {closest(wanted.name, known)}")
        weights = models.get_model_weights(wanted.name).DEFAULT  # pyright: ignore[reportAttributeAccessIssue]
        with _fetched(wanted, weights.url):
            try:
                module = models.get_model(wanted.name, **_trained(wanted, weights), **wanted.options)
            except SeealikeError:
                raise
            except (TypeError, ValueError, RuntimeError, AssertionError, KeyError) as error:
                raise misfit(wanted, error) from error
    # A transformer is made for one size, and untrained not always for that of the weights.
    made_for = wanted.option_size("image_size", "input_size") or getattr(module, "image_size", None)
    own = _preprocessing(weights.transforms(), wanted.size or made_for)
    refuse_colours(wanted, own)
    return Built(module, own, CHANNELS, f"pretrained: torchvision {weights.name}" if wanted.pretrained else "untrained")


def _trained(wanted: Wanted, weights: Any) -> dict[str, Any]:
    from torchvision import models

    if wanted.pretrained:
        return {"weights": weights, "progress": False}
    # Models built on another network fetch that one's weights unless told not to.
    takes = inspect.signature(models.get_model_builder(wanted.name)).parameters
    return {"weights": None, **({"weights_backbone": None} if "weights_backbone" in takes else {})}


def _fetched(wanted: Wanted, url: str):
    cached = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(url).path).name)
    if not wanted.pretrained or cached.exists():
        return nullcontext()
    return downloading(f"the pretrained weights of {wanted.said}", url)


def _preprocessing(transform: Any, size: Size | None) -> Preprocessing:
    if size is None:
        return from_torchvision(transform)
    if not hasattr(transform, "crop_size"):
        return plain(size, transform.mean, transform.std)
    scale = max(pair(size)) / transform.crop_size[0]
    resized = copy.deepcopy(transform)
    resized.crop_size, resized.resize_size = list(pair(size)), [round(transform.resize_size[0] * scale)]
    return from_torchvision(resized)
