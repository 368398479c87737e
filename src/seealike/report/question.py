"""What was asked, in one sentence an answer."""

from collections.abc import Sequence
from typing import Any

from seealike.report.gathering import Answer
from seealike.report.naming import counted, model_of, names

# measure -> the question in words; any other measure is told by its own first line
ALIKE = ("cka", "mutual_knn", "rsa")
PAIRED = dict.fromkeys(ALIKE, "how alike {a} and {b} see the images") | {
    "imbalance": "how little {a} know of {b}, and the reverse",
    "procrustes": "how far {a} and {b} are apart in how they see the images",
}
WITHIN = dict.fromkeys(ALIKE, "how alike {a} see the images") | {
    "imbalance": "how little {a} know of each other",
    "procrustes": "how far {a} are apart in how they see the images",
}
SINGLE = {
    "accuracy": "how often the class that each of {models} ranks first is the label of the image",
    "attention_distance": "how far each attention head of {models} looks",
    "skip_ratio": "how much of each token of {models} its skip connections carry, against the branches beside them",
    "drift": "how alike each layer of {others} and the same layer of {reference} see the images",
    "head_cka": "how alike the heads of {a}, from the most local to all, and {b} see the images",
    "receptive_field": "which part of the image the centre of each layer of {models} depends on",
    "localization": "which patch of the image each token of {models} is most like",
    "image_statistics": "how much each layer of {models} tells of the image's low-level statistics",
    "jacobian": "how many directions of an image each layer of {models} sees, and how evenly",
    "inversion": "which pictures each layer of {models} cannot tell from an image",
    "trajectory": "how the layers of {models} lead from image to output: how long, straight, even and smooth a path",
    "probe": "how well a linear probe on each layer of {models} tells the classes",
}
VIEWED = {"mean": "averaged over places", "cls": "of the class token", "tokens": "token by token"}


def sentence(answer: Answer) -> str:
    """`cka: how alike the 12 layers of vit and the 16 layers of resnet see the images`."""
    return f"{answer.measure or answer.name}: {_words(answer)}{_manner(answer)}"


def meaning(answer: Answer) -> str:
    """What the numbers mean, as the measure itself says it."""
    return str(answer.attrs.get("meaning", ""))


def _words(answer: Answer) -> str:
    data = answer.data
    if "layer_a" in data.dims and "layer_b" in data.dims and answer.measure not in SINGLE:
        a, b = names(data.layer_a, 0), names(data.layer_b, 0)
        asked = _asked(answer, "a") or _asked(answer, "layers")
        if a == b:
            return WITHIN.get(answer.measure, "{a} against each other").format(a=_side(a, asked))
        others = _side(b, _asked(answer, "b"))
        return PAIRED.get(answer.measure, "{a} against {b}").format(a=_side(a, asked), b=others)
    if answer.measure in SINGLE:
        return SINGLE[answer.measure].format_map(_named(answer))
    return _keys(answer) if answer.attrs.get("question") else f"asked of {_models(answer)}"


def _side(layers: Sequence[str], asked: str) -> str:
    """`every layer of vit (152)` where all were asked for, else `the 12 layers vit:@block`."""
    models = " and ".join(dict.fromkeys(filter(None, map(model_of, layers))))
    if asked and all(pattern.endswith(":**") for pattern in asked.split(", ")):
        return f"every layer of {models}" if len(layers) == 1 else f"all {len(layers)} layers of {models}"
    plural = counted(len(layers), "layer")
    return f"the {plural} {asked}" if asked else f"the {plural} of {models}" if models else f"the {plural}"


def _asked(answer: Answer, key: str) -> str:
    """The patterns that the study wrote under a key."""
    found = (answer.attrs.get("question") or {}).get(key) or ()
    return ", ".join([found] if isinstance(found, str) else map(str, found))


def _manner(answer: Answer) -> str:
    """What departs from the default: another view, the biased estimator."""
    question: dict[str, Any] = answer.attrs.get("question") or {}
    view = str(question.get("view", "flatten"))
    said = [] if view == "flatten" else [f"features {VIEWED.get(view, f'on a {view} grid')}"]
    said += ["biased estimator"] if question.get("estimator") == "biased" else []
    said += ["as published"] if question.get("mode") == "paper" else []
    said += [f"prior {question['prior']}"] if question.get("prior", "none") != "none" else []
    return f" ({', '.join(said)})" if said else ""


def _models(answer: Answer) -> str:
    return " and ".join(answer.models) or "the models"


def _named(answer: Answer) -> dict[str, str]:
    """What the sentences speak of."""
    reference = str(answer.attrs.get("reference") or "the reference")
    others = [name for name in answer.models if name != reference]
    question = answer.attrs.get("question") or {}
    asked = ":".join(filter(None, (str(question.get("model") or ""), str(question.get("block") or ""))))
    a = str(answer.attrs.get("attention") or asked)
    b = _side(names(answer.data.layer_b, 0), _asked(answer, "b")) if "layer_b" in answer.data else "the other model"
    named = {"models": _models(answer), "reference": reference, "others": " and ".join(others) or "the models"}
    return named | {"a": a or "the first block", "b": b}


def _keys(answer: Answer) -> str:
    """What the study wrote, key by key."""
    return ", ".join(f"{key} {_asked(answer, key)}" for key in written(answer))


def written(answer: Answer) -> dict[str, Any]:
    """The keys of the question that say something, without what was found while binding it."""
    question = answer.attrs.get("question") or {}
    return {k: v for k, v in question.items() if not k.startswith("bound") and v not in (None, "", [], (), {})}
