"""A folder's inversions as their files hold them, made up: networks of two families, trained, untrained, of noise."""

import xarray as xr
from small_inversion import inversion

STATES = {"": {}, "-untrained": {"control": "untrained"}, "-noise": {"trained_on": "noise"}}
FAMILIES = {"vit": ("transformer", 4), "resnet": ("CNN", 6)}


def inverted(model: str, far: float = 1.0, layers: int = 4, tags=None, facts=None, **more) -> xr.Dataset:
    """The answer about one network; `far` is what its distances are multiplied by."""
    answer = inversion(layers=layers)
    for name in ("mean_m_i", "mean_m_i_se"):
        answer[name] = answer[name].copy(data=far * answer[name].values)
    answer["layer"] = [f"{model}:layer{i}" for i in range(layers)]
    models = {model: {"source": f"zoo:{model}", "weights": "pretrained", "tags": tags or {}} | (facts or {})}
    images = {"name": "scenes", "source": "scenes:64", "count": 64, "fingerprint": "f0"}
    question = {"model": model, "mode": "strict", "prior": "none", "iterations": 40}
    return answer.assign_attrs({"models": models, "images": images, "question": question} | more)


def study(seeds: int = 2) -> dict[str, xr.Dataset]:
    """Two families, three states, so many seeds of each; answers by name."""
    found = {}
    for model, (family, layers) in FAMILIES.items():
        for s, (ending, state) in enumerate(STATES.items()):
            for seed in range(seeds):
                name = f"{model}{ending}{f'-s{seed}' if seed else ''}"
                tags = {"family": family, "seed": str(seed), **state}
                found[f"pictures@{name}"] = inverted(name, 1 + 0.3 * s + 0.05 * seed, layers, tags)
    return found
