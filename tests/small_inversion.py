"""An answer of `inversion` as its file holds it, made up: for what reads and draws it."""

import numpy as np
import xarray as xr
from small_answers import attributes

WORST = '<script>alert("1")</script>'  # a layer's name that must not become markup


def inversion(
    images: int = 3, layers: int = 4, starts: int = 2, channels: int = 3, side: int = 8, last: str = "", **more
) -> xr.Dataset:
    """Deeper layers give worse pictures; the second start always comes nearer in the layer. `last` names a layer."""
    rng, shape = np.random.default_rng(0), (images, layers, starts)
    depth = np.linspace(0.1, 1, layers)
    original = rng.random((images, channels, side, side))
    far = 10 * depth[None, :, None] + rng.random(shape)
    noise = rng.normal(size=(*shape, channels, side, side))
    searched = ("image", "layer", "start")
    picture = (*searched, "channel", "y", "x")
    found = {
        "m_g": (searched, np.broadcast_to([3.0, *[2.0] * (starts - 1)], shape) * (1 + depth[None, :, None])),
        "m_i": (searched, far, {"long_name": "distance of the picture"}),
        "i_r": (searched, np.full(shape, 3.0)),
        "rho_in": (searched, far / 3),
        "rho_out": (searched, far / 8),
        "norm": (searched[:2], rng.random(shape[:2])),
        "psnr": (searched, 30 - far, {"long_name": "PSNR of the picture", "units": "dB"}),
        "verdict": (searched, np.where(far >= 8, "not converged", np.where(far > 6, "non-unique", "not shown"))),
        "slope_original": (("image",), rng.normal(size=images)),
        "original": (("image", "channel", "y", "x"), original),
        "reconstruction": (
            picture,
            original[:, None, None] + depth[None, :, None, None, None, None] * noise,
            {"long_name": "nearest picture"},
        ),
    }
    iteration = np.array([0, 10, 20, 30, 40])
    fall = np.exp(-iteration[None] * (1.2 - depth[:, None]) / 4)
    means = {
        "mean_m_i": (("layer",), far.mean((0, 2)), {"long_name": "mean distance of the picture"}),
        "mean_psnr": (("layer",), 30 - far.mean((0, 2)), {"units": "dB"}),
        "mean_error": (("layer",), depth),
        "spread": (("layer",), depth / 2),
        "non_unique": (("layer",), ((far > 6) & (far < 8)).mean((0, 2))),
        "not_converged": (("layer",), (far >= 8).mean((0, 2))),
        "trace_error": (("layer", "point"), fall),
        "trace_m_i": (("layer", "point"), 10 - 3 * fall),
    }
    errors = {f"{name}_se": (dims, np.abs(values) / 20) for name, (dims, values, *_) in means.items()}
    names = [f"cnn:layer{i}" for i in range(layers)]
    coords = {
        "image": 10 + np.arange(images),
        "layer": [*names[:-1], f"cnn:{last}"] if last else names,
        "depth": ("layer", depth),
        "start": np.arange(starts),
        "iteration": ("point", iteration),
    }
    question = {"model": "cnn", "mode": "strict", "prior": "none", "iterations": 40}
    return xr.Dataset(found | means | errors, coords, attributes("inversion", ("cnn",), question=question, **more))
