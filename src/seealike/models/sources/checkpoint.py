"""Weights from a file into a network: strictly, and never by running what the file says."""

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from seealike.errors import StudyError
from seealike.images.paths import missing, possible
from seealike.models.sources.fitting import fitted

# What training scripts call the weights of the network in their files, the one to prefer first.
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights")
AVERAGED = ("model_ema", "state_dict_ema", "ema_state_dict", "ema")
PAIRED = ("student", "teacher")
DEPTH = 8  # dicts in dicts around the weights
SAVE = "Save the weights alone: torch.save(model.state_dict(), FILE) or safetensors.torch.save_model(model, FILE)."


def load_checkpoint(module: nn.Module, path: str | Path, name: str, new: str = "") -> str:
    """Fill `module` with the weights of a file; what was taken of it, in words for the record.

    Nothing may be missing or left over, but for the counts of batches that BatchNorm keeps, and the layer `new`, which
    keeps the weights that it has.
    """
    path = Path(path)
    weights, taken = _unwrapped(_read(path), path)
    fit, prefix = fitted(weights, module, str(path), name, new)
    try:
        with torch.no_grad():
            module.load_state_dict(fit, strict=False)
    except (RuntimeError, NotImplementedError, TypeError) as error:
        said = " ".join(str(error).split())[:300]
        raise StudyError(f"checkpoint {path}: its weights cannot be copied into {name} ({said}). {SAVE}") from error
    notes = [*([taken] if taken else []), *([f"without the prefix {prefix}"] if prefix else [])]
    notes += [f"without {new}, which is new"] if new else []
    return f" ({', '.join(notes)})" if notes else ""


def _read(path: Path) -> Any:
    if not possible(path).is_file():
        raise StudyError(f"checkpoint {path}: {'this is a folder.' if path.is_dir() else missing(path)}")
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise StudyError(f"checkpoint {path} is only a pointer of git-lfs to the file: fetch it with `git lfs pull`.")
    return _safetensors(path) if path.suffix == ".safetensors" else _pickled(path, start)


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise StudyError(f"checkpoint {path} is truncated or no safetensors file: {error}.") from error
    except Exception as error:  # types of numbers that torch has no name for, paths that cannot be opened
        raise StudyError(f"checkpoint {path} cannot be read ({type(error).__name__}: {error}).") from error


def _pickled(path: Path, start: bytes) -> Any:
    _refuse_packed(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formats that it then refuses
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # whatever a broken file makes of the reader
        if _runs_code(start, error):
            what = re.search(r"GLOBAL ([\w.]+)", str(error))
            holds = f" ({what.group(1)})" if what else ""
            raise StudyError(
                f"checkpoint {path}: it holds more than weights{holds} and would run code, so it was not read. {SAVE}"
            ) from error
        raise StudyError(
            f"checkpoint {path} is truncated or no checkpoint: neither PyTorch nor its older format can read it "
            f"({type(error).__name__}). Copy or save it again; safetensors files need the ending .safetensors."
        ) from error


def _refuse_packed(path: Path) -> None:
    """PyTorch packs nothing: what is packed may be a thousand times as large when it is opened."""
    try:
        with zipfile.ZipFile(path) as opened:
            packed = [each for each in opened.infolist() if each.compress_type != zipfile.ZIP_STORED]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # no zip, or one that PyTorch refuses in its own words
    if packed:
        raise StudyError(
            f"checkpoint {path} is a compressed zip ({packed[0].filename}), which PyTorch does not write. Unpack it "
            f"and name the checkpoint inside. {SAVE}"
        )


def _runs_code(start: bytes, error: Exception) -> bool:
    if "TorchScript" in str(error) or "GLOBAL" in str(error):
        return True
    return isinstance(error, UnpicklingError) and start.startswith(b"\x80")


def _unwrapped(content: Any, path: Path) -> tuple[Mapping[str, Any], str]:
    """The state dict inside what a training script saved, and the key it was under."""
    taken: list[str] = []
    while isinstance(content, Mapping) and (key := _wrapper(content, path)) is not None:
        if len(taken) == DEPTH:
            raise StudyError(f"checkpoint {path} holds dicts in dicts without an end. {SAVE}")
        beside = [other for other in AVERAGED if other in content and other != key]
        taken.append(f"its {key}" + (f", not its {beside[0]}" if beside else ""))
        content = content[key]
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise StudyError(f"checkpoint {path} holds no state dict, but {_described(content)}. {SAVE}")
    weights = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    for key, value in weights.items():
        if value.layout != torch.strided or value.is_quantized or value.is_meta or value.is_complex():
            raise StudyError(f"checkpoint {path}: {key} is no plain tensor of numbers ({_kind(value)}). {SAVE}")
    return weights, ", ".join(taken)


def _kind(tensor: Tensor) -> str:
    return "without values" if tensor.is_meta else f"{tensor.layout}, {tensor.dtype}".replace("torch.", "")


def _described(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"one {type(content).__name__}"
    return f"the keys {', '.join(map(str, list(content)[:5]))}" if content else "nothing"


def _wrapper(content: Mapping[Any, Any], path: Path) -> str | None:
    inner = [key for key, value in content.items() if isinstance(value, Mapping)]
    for key in (*WRAPPERS, *AVERAGED):
        if key in inner:
            return key
    paired = [key for key in PAIRED if key in inner]
    if len(paired) > 1:
        raise StudyError(f"checkpoint {path} holds two networks, {' and '.join(paired)}: save the one you mean alone.")
    return paired[0] if paired else None
