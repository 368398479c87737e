"""Models of timm, by name: `timm:vit_tiny_patch16_224`, also with a tag or `hf-hub:`."""

from contextlib import nullcontext
from typing import Any

from torch import nn

from seealike.errors import SeealikeError, StudyError, closest
from seealike.images.preprocessing import Preprocessing, from_timm
from seealike.models.sources.built import CHANNELS, Built, Size, Wanted, misfit, pair, refuse_channels, refuse_colours
from seealike.models.sources.fetching import CONNECTED, Unfetchable, downloading, from_hub, silenced


def build(wanted: Wanted) -> Built:
    """The model as timm makes it, with the evaluation transform of its weights."""
    with silenced():
        import timm

        refuse_channels(wanted.said, wanted.options.get("in_chans"))
        elsewhere = ":" in wanted.name  # on the hub or in a folder: timm itself knows nothing of it
        cfg = None if elsewhere else _known(wanted)
        with _fetched(wanted, cfg, elsewhere):
            try:
                module = timm.create_model(wanted.name, pretrained=wanted.pretrained, **_options(wanted, cfg))
            except SeealikeError:
                raise
            except (TypeError, ValueError, RuntimeError, AssertionError, KeyError) as error:
                raise misfit(wanted, error) from error
    own = preprocessing(module, wanted.said, wanted.size or wanted.option_size("img_size"))
    refuse_colours(wanted, own)
    return Built(module, own, CHANNELS, _weights(module, wanted))


def preprocessing(module: nn.Module, said: str, size: Size | None = None) -> Preprocessing:
    """The evaluation transform that a timm model's own configuration describes, for another size if given."""
    from timm.data.config import resolve_data_config

    config = dict(resolve_data_config({}, pretrained_cfg=configuration(module)))
    refuse_channels(said, config["input_size"][0])
    seen = size or getattr(getattr(module, "patch_embed", None), "img_size", None)
    if seen is not None:
        config["input_size"] = (CHANNELS, *pair(seen))
    return from_timm(config)


def configuration(module: nn.Module) -> dict[str, Any] | None:
    """What timm models carry about their weights; None if there is nothing of the kind."""
    for key in ("pretrained_cfg", "default_cfg"):
        found = getattr(module, key, None)
        if isinstance(found, dict) and "input_size" in found:
            return found
    return None


def _known(wanted: Wanted) -> Any:
    """The configuration of the pretrained weights meant by a name, with or without its tag."""
    import timm

    architecture, _, tag = wanted.name.partition(".")
    if not timm.is_model(architecture):
        raise StudyError(
            f"{wanted.said}: timm has no model {architecture!r}. {closest(architecture, timm.list_models())}"
        )
    tags = [x.partition(".")[2] for x in timm.list_models(f"{architecture}.*", pretrained=True)]
    if tag and tag not in tags:
        raise StudyError(f"{wanted.said}: timm has no weights {tag!r} of {architecture}. {closest(tag, tags)}")
    return timm.get_pretrained_cfg(wanted.name, allow_unregistered=True)


def _fetched(wanted: Wanted, cfg: Any, elsewhere: bool):
    if elsewhere and not wanted.pretrained:
        return from_hub(f"the configuration of {wanted.said}", CONNECTED)
    if not wanted.pretrained:
        return nullcontext()
    what = f"the pretrained weights of {wanted.said}"
    if not elsewhere and not (cfg and cfg.has_weights):
        raise Unfetchable(what, "timm has none")
    if elsewhere or cfg.hf_hub_id:
        return from_hub(what)
    return downloading(what, cfg.url) if cfg.url else nullcontext()


def _options(wanted: Wanted, cfg: Any) -> dict[str, Any]:
    """The options; a model of a fixed size is made for the size that its images will have."""
    fixed = wanted.size is not None and cfg is not None and cfg.fixed_input_size
    return {**({"img_size": wanted.size} if fixed else {}), **wanted.options}


def _weights(module: nn.Module, wanted: Wanted) -> str:
    if not wanted.pretrained:
        return "untrained"
    config = configuration(module) or {}
    classes = wanted.options.get("num_classes") or config.get("num_classes")
    head = "" if classes == config.get("num_classes") else f", its head of {classes} classes untrained"
    return f"pretrained: timm {config.get('tag') or config.get('hf_hub_id') or wanted.name}{head}"
