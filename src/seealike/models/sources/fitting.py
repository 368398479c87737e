"""Whether weights are those of a network: by name and shape, after the prefixes that training frameworks add."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from seealike.errors import StudyError

# What wrappers of a network put before its names: DataParallel, compile, Lightning, self-supervised learning.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "encoder.", "student.", "teacher.")
UNCOUNTED = "num_batches_tracked"  # of BatchNorm; evaluation does not read it
SHOWN = 3


def fitted(
    weights: Mapping[str, Tensor], module: nn.Module, file: str, name: str, new: str = ""
) -> tuple[dict[str, Tensor], str]:
    """The weights under the network's own names, and the prefix they were rid of; refused unless all fit.

    A layer called `new` is none of them, whatever the file holds of it.
    """
    wanted = {key: value for key, value in module.state_dict().items() if isinstance(value, Tensor)}
    prefix = _prefix(weights, wanted)
    named = {key[len(prefix) :]: value for key, value in weights.items()}
    if new:
        wanted, named = ({k: v for k, v in each.items() if not k.startswith(f"{new}.")} for each in (wanted, named))
    reasons = _reasons(named, wanted, name)
    if reasons:
        raise StudyError(f"checkpoint {file} does not fit {name}: {'; '.join(reasons)}. {_works(named, wanted)}")
    return named, prefix


def _prefix(weights: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The prefixes that all names share, one within the other, without which most of them are the network's."""
    tried = [""]
    while more := next((p for p in PREFIXES if all(key.startswith(tried[-1] + p) for key in weights)), None):
        tried.append(tried[-1] + more)
    return max(tried, key=lambda prefix: sum(key[len(prefix) :] in wanted for key in weights))


def _reasons(named: dict[str, Tensor], wanted: dict[str, Tensor], name: str) -> list[str]:
    absent = [key for key in wanted if key not in named and not key.endswith(UNCOUNTED)]
    extra = [key for key in named if key not in wanted and not key.endswith(UNCOUNTED)]
    other = [_differing(key, named[key], wanted[key], name) for key in wanted if key in named]
    found = {"missing": absent, "unexpected": extra, "different": [text for text in other if text]}
    return [f"{len(keys)} {what}: {_few(keys)}" for what, keys in found.items() if keys]


def _differing(key: str, given: Tensor, own: Tensor, name: str) -> str | None:
    if given.shape != own.shape:
        return f"{key} is {_shape(given)} in the file and {_shape(own)} in {name}"
    if given.is_floating_point() != own.is_floating_point() and not key.endswith(UNCOUNTED):
        return f"{key} is of type {given.dtype} in the file and {own.dtype} in {name}"
    return None


def _works(named: dict[str, Tensor], wanted: dict[str, Tensor]) -> str:
    """What would make them fit; the number of classes can be read from the file."""
    heads = ("head.weight", "fc.weight", "classifier.weight")
    last = next((key for key in named if key.endswith(heads)), None)
    known = last is not None and (last not in wanted or named[last].shape != wanted[last].shape)
    classes = len(named[last]) if known and last is not None else 10
    return (
        "What would work: the source and options of the network that was saved, for example "
        f"options = {{ num_classes = {classes}, img_size = 32 }}."
    )


def _few(keys: list[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (", ..." if len(keys) > SHOWN else "")


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"
