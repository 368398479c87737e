"""Models of transformers: `hf:google/vit-base-patch16-224`, or a folder that `save_pretrained` wrote."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from seealike.errors import SeealikeError, StudyError, closest
from seealike.images.paths import missing
from seealike.models.sources.built import CHANNELS, Built, Wanted, misfit, refuse_channels
from seealike.models.sources.fetching import CONNECTED, fetching, hub, in_words, silenced
from seealike.models.sources.processors import preprocessing

AS_ARGUMENT = "attn_implementation"  # the one option that is no part of a configuration


def build(wanted: Wanted, folder: Path) -> Built:
    """The image model, or the part of a larger model that sees images, with what its processor does."""
    with silenced():
        _installed(wanted.said)
        where = _place(wanted, folder)
        local = Path(where).is_dir()
        with nullcontext(None) if local else hub() as reason:
            with fetching(f"the configuration of {wanted.said}", reason, CONNECTED):
                config, kind = _configured(wanted, where)
            refuse_channels(wanted.said, getattr(config, "num_channels", None))
            with fetching(f"the pretrained weights of {wanted.said}", reason):
                module, weights = _made(wanted, where, config, kind)
            own = preprocessing(wanted, where, getattr(config, "image_size", None), reason)
    return Built(module, own, CHANNELS, weights)


def _installed(said: str) -> None:
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise StudyError(f"{said} needs transformers ({in_words(error)}): install seealike[hf].") from error


def _place(wanted: Wanted, folder: Path) -> str:
    """A folder where there is one, else a repository of the hub."""
    path = folder / Path(wanted.name).expanduser()
    if path.is_dir():
        return str(path)
    if wanted.name.startswith((".", "/", "~")) or wanted.name.count("/") > 1:
        raise StudyError(f"{wanted.said}: {missing(path)}")
    return wanted.name


def _configured(wanted: Wanted, where: str) -> tuple[Any, Any]:
    """The configuration with the options in it, and the class of model to make of it."""
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS

    try:
        config = transformers.AutoConfig.from_pretrained(where)
    except (ValueError, KeyError) as error:
        raise misfit(wanted, error) from error
    named = {x for names in CLASSIFIERS.values() for x in ([names] if isinstance(names, str) else names)}
    if named & set(config.architectures or ()):
        return _with_options(wanted, config), transformers.AutoModelForImageClassification
    return _with_options(wanted, getattr(config, "vision_config", config)), transformers.AutoModel


def _with_options(wanted: Wanted, config: Any) -> Any:
    for key, value in wanted.options.items():
        if key == AS_ARGUMENT:
            continue
        if not hasattr(config, key):
            known = [x for x in (*config.to_dict(), "num_labels", AS_ARGUMENT) if not x.startswith("_")]
            raise StudyError(f"{wanted.said} has no option {key!r}. {closest(key, known)}")
        try:
            setattr(config, key, value)
        except (TypeError, ValueError) as error:
            raise misfit(wanted, error) from error
    return config


def _made(wanted: Wanted, where: str, config: Any, kind: Any) -> tuple[Any, str]:
    # Weights saved in half precision are computed with as all others are.
    how = {"dtype": torch.float32, **{k: v for k, v in wanted.options.items() if k == AS_ARGUMENT}}
    try:
        if not wanted.pretrained:
            return kind.from_config(config, **how), "untrained"
        replaced = "num_labels" in wanted.options
        module, seen = kind.from_pretrained(
            where, config=config, output_loading_info=True, ignore_mismatched_sizes=replaced, **how
        )
    except SeealikeError:
        raise
    except (TypeError, ValueError, RuntimeError, AssertionError, KeyError, ImportError) as error:
        raise misfit(wanted, error) from error
    return module, f"pretrained: hf {wanted.name}{_left_untrained(wanted, module, seen)}"


def _left_untrained(wanted: Wanted, module: Any, seen: dict[str, Any]) -> str:
    """Parts that the weights do not hold, such as the pooler of a classifier; most of a network is none such."""
    absent = {*seen["missing_keys"], *(key for key, *_ in seen["mismatched_keys"])}
    if 2 * len(absent) > len(module.state_dict()):
        raise StudyError(
            f"the weights of {wanted.said} are not those of a {type(module).__name__}, the model made for its images: "
            f"{len(absent)} of {len(module.state_dict())} tensors are missing. What would work: building the part that "
            'sees images in a file of your own, source = "FILE.py:FUNCTION".'
        )
    parts = sorted({key.rpartition(".")[0] for key in absent})
    return f", untrained: {', '.join(parts)}" if parts else ""
