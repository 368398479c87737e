"""Reconstructing the input from a layer: what pictures a layer cannot tell from an image."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from seealike.errors import StudyError
from seealike.inversion import Settings
from seealike.inversion.search import REASONS, points
from seealike.inversion.settings import Step
from seealike.kernel import FOUND, SET, Earlier, Measure, Sources, State, Statistic, Tap
from seealike.measures.jacobian import LARGEST
from seealike.measures.judging import Judge, judge_of
from seealike.measures.manifolds import PICTURE, SIDE, become, judged, pictures_of, unseen
from seealike.measures.pictures import Pictures
from seealike.measures.reconstruction import Reconstruction, reconstructions, together
from seealike.measures.solutions import averages, ratios, solutions, verdicts
from seealike.statistics.judged import Judged
from seealike.statistics.rows import Rows
from seealike.statistics.spectra import Reached, Spectra
from seealike.views.pixels import Pixels

NAMES = {
    "m_g": "distance in the layer",
    "m_r": "distance in the layer, of the image with noise",
    "m_i": "distance of the picture",
    "i_r": "distance of the image with noise",
    "norm": "norm of the layer",
    "rho_out": "distance in the layer, relative to noise",
    "rho_in": "distance of the picture, relative to noise",
    "error": "distance in the layer, relative to its norm",
    "psnr": "PSNR of the picture",
    "ssim": "SSIM of the picture",
    "log_rho_in": "ln of the distance of the picture, relative to noise, of searches that converge",
    "spread": "distance of the pictures of two starts",
    "non_unique": "share of searches that find another picture",
    "not_converged": "share of searches that come no nearer than noise",
    "trace_error": "distance in the layer, relative to its norm",
    "trace_m_i": "distance of the picture",
    "reconstruction": "nearest picture",
    "slope": "slope of the amplitude spectrum",
    "nearest": "distance to the nearest training image",
    "agreement": "share of pictures called as the image is",
    "null_share": "share of the error to which the layer is blind",
}
UNITS = {"psnr": "dB"}
LAST = ("m_g", "m_i", "psnr", "ssim")  # known of the last picture too, beside the nearest
SOLVED = ("pairwise", "solution_mean", "solution_sd")
COLOURS = ("channel", "y", "x")


@dataclass(frozen=True)
class Inversion(Measure):
    """How far the pictures lie that a layer cannot tell from an image: found by descent on the picture, from noise.

    With O the layer, a an image, a' = a + N(0, `shift`) and a_g the nearest picture that a search came by:
    m_g = ||O(a) - O(a_g)||, m_r = ||O(a) - O(a')||, m_i = ||a - a_g||, i_r = ||a - a'||, of colours in [0, 1];
    rho_out = m_g / m_r, rho_in = m_i / i_r. Verdict: "non-unique" where rho_out < 1 and rho_in > 2: the layer tells a_g
    from a no better than a little noise, and a_g is another picture; "not converged" where rho_out >= 1; else "not
    shown", for failing to find another picture proves nothing. Badger 2022, sections on layers and non-uniqueness.

    All of these, `psnr`, `ssim` (of colours clipped to [0, 1]), `step`, `iterations`, `stopped` are (image, layer,
    start), those of the last picture end in `_last`; `reconstruction` adds (channel, y, x). `pairwise`, `solution_mean`
    and `solution_sd` are over the starts that converged. Means over images and starts, with standard errors over
    images, are (layer): `mean_m_i`, ..., `non_unique`, `not_converged`, `spread`, `log_rho_in` (of the
    searches that converge); `trace_error`, `trace_m_i` (layer, point) along the iterations. `mode`, `prior`,
    `optimizer`, `step` and the rest: `seealike.inversion.Settings`.
    `starts`: how many, from N(0.7, 1/20), or a list of "bright" (these), "grey" (N(0.5, 1/20)), "near" (the image and
    noise).

    What the pictures have become, (image, layer, start), of the images `..._original`, and means (layer): `slope` of
    the amplitude spectrum; with `train`, images trained on, `nearest`, the distance to the nearest of `among` of these;
    with `judge`, another network, `class`, and `agreement` (layer), how often it calls picture and image the same; with
    `null_space`, of small images, `null_share` of the squared error that the layer's derivative at the image ignores.

    >>> Inversion("vit", layers="@block", mode="paper", prior="blur").settings.steps
    (0.015, 0.015)
    """

    name: ClassVar[str] = "inversion"
    version: ClassVar[int] = 1
    citation: ClassVar[str] = "Badger 2022, Depth and Representation in Vision Models"

    model: str
    layers: str | tuple[str, ...] = "@block"
    mode: str = "strict"
    prior: str = "none"
    optimizer: str = "adam"
    iterations: int = 500
    step: Step = None
    starts: int | tuple[str, ...] = 3
    take: int = 32
    train: str | None = field(default=None, metadata={SET: True})
    among: int = 2000
    judge: str | None = None
    null_space: bool = False
    shift: float = 1 / 18
    tolerance: float = 1e-10
    weight: float = 0.01
    seed: int = 0
    bound: tuple[Reconstruction, ...] = field(default=(), metadata={FOUND: True})
    dimensions: tuple[int, ...] = field(default=(), metadata={FOUND: True})  # of the input, then of each layer
    judging: Judge | None = field(default=None, metadata={FOUND: True})
    known: xr.Dataset | None = field(default=None, metadata={FOUND: True}, repr=False, compare=False)
    training: xr.Dataset | None = field(default=None, metadata={FOUND: True}, repr=False, compare=False)

    def __post_init__(self):
        _ = self.settings  # refuses what cannot be
        if self.take < 1:
            raise StudyError(f"take = {self.take}: take at least 1 image.")
        if self.among < 1:
            raise StudyError(f"among = {self.among}: look for the nearest among at least 1 training image.")

    @property
    def settings(self) -> Settings:
        """How a picture is searched for."""
        starts = ("bright",) * self.starts if isinstance(self.starts, int) else self.starts
        own: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(Settings)}
        own["starts"] = starts
        return Settings(**own)

    @property
    def few(self) -> int:
        return self.take

    @property
    def sets(self) -> tuple[str | None, ...]:
        return (self.train,) if self.train else ()

    def bind(self, sources: Sources) -> "Inversion":
        bound = reconstructions(sources, self.model, self.layers, self.settings, self.take)
        layers = [sources.layer(self.model, one) for one in ("input", *(b.layer.tensor for b in bound))]
        sizes = tuple(int(np.prod(layer.shape)) for layer in layers)
        if self.null_space and self.mode == "paper":
            raise StudyError('null_space = true: that is known of mode = "strict" alone.')
        if self.null_space and sizes[0] > LARGEST:
            raise StudyError(
                f"null_space = true: {self.model} takes images of {sizes[0]} numbers, and all directions of at most "
                f"{LARGEST} can be looked at. Give it smaller images."
            )
        judging = judge_of(self.judge, layers[0].shape, sources) if self.judge else None
        return replace(self, model="", layers=(), bound=bound, dimensions=sizes, judge=None, judging=judging)

    def earlier(self) -> tuple[Earlier, ...]:
        found = tuple(Earlier(one) for one in self.bound)
        first = self.bound[0]
        pictures = Pictures(first.layer.source, self.among, SIDE, first.colours)
        return (*found, Earlier(pictures, self.train)) if self.train else found

    def knowing(self, *earlier: xr.Dataset) -> "Inversion":
        """With all that is known of each image, which is the same whatever others it is averaged with."""
        training = earlier[-1] if self.train else None
        known = together(earlier[: len(self.bound)])
        known = known.assign(ratios(known))
        solved = solutions(known["best"].values, known["rho_out"].values < 1)
        known = known.assign({name: (PICTURE[:2] + COLOURS[: v.ndim - 2], v) for name, v in solved.items()})
        pictures = become(known["best"].values, training)
        return replace(self, known=known.assign({n: (PICTURE, v) for n, v in pictures.items()}), training=training)

    def needs(self, *earlier: xr.Dataset) -> tuple[Statistic, ...]:
        first = self.bound[0]
        layers = [one.layer for one in self.bound]
        found = earlier[: len(layers)] or [None] * len(layers)
        reached = [Reached({} if one is None else pictures_of(one)) for one in found]
        judge = self.judging
        named = [Judged(judge.source, judge.tensor, tuple(reached), judge.colours)] if judge else []
        blind = [
            Spectra(s.source, s.tensor, colours=first.colours, reached=r)
            for s, r in zip(layers, reached, strict=True)
            if self.null_space
        ]
        return (Rows(Tap(first.layer.source, "input", Pixels(first.colours))), *named, *blind)

    def read(self, *totals: State) -> xr.Dataset:
        assert self.known is not None, "reconstructions come first"
        images, rest = totals[0], list(totals[1:])
        found, originals = self.known.sel(image=images["index"].numpy()), images["rows"].numpy()
        pictures = become(originals, self.training)
        answer = xr.Dataset(
            {
                **{name: (PICTURE, _whole(found, name)) for name in ("m_g", "m_r", "m_i", "i_r", "rho_out", "rho_in")},
                **{name: found[name] for name in ("norm", "error", "psnr", "ssim", "step", "iterations", "best_at")},
                **{f"{name}_last": found[f"{name}_last"] for name in LAST},
                "verdict": (PICTURE, verdicts(found["rho_out"].values, found["rho_in"].values)),
                "verdict_last": (PICTURE, verdicts(found["rho_out_last"].values, found["rho_in_last"].values)),
                "stopped": (PICTURE, np.array(REASONS)[found["reason"].values]),
                **{name: found[name] for name in (*SOLVED, *pictures)},
                "reconstruction": found["best"],
                "reconstruction_last": found["last"],
                "original": (("image", *COLOURS), originals),
                **{f"{name}_original": ("image", one) for name, one in pictures.items()},
                **{f"mean_{name}_original": ((), one.mean()) for name, one in pictures.items()},
                **averages(found, pictures),
                **(judged(rest.pop(0)) if self.judging else {}),
                **(unseen(rest) if self.null_space else {}),
            }
        )
        return _told(answer).assign_coords(self._coordinates(images["index"].numpy())).assign_attrs(self._notes())

    def _coordinates(self, index: np.ndarray) -> dict[str, tuple]:
        layers = [one.layer for one in self.bound]
        return {
            "image": ("image", index),
            "layer": ("layer", [str(s) for s in layers]),
            "depth": ("layer", [s.depth for s in layers]),
            "dimension": ("layer", list(self.dimensions[1:]), {"long_name": "numbers of the layer"}),
            "start": ("start", np.arange(len(self.settings.starts))),
            "kind": ("start", list(self.settings.starts)),
            "iteration": ("point", points(self.iterations)),
        }

    def _notes(self) -> dict[str, object]:
        notes = []
        if self.bound[0].colours is None:
            notes.append("colours are those of the network's input, as what brought them from [0, 1] is unknown")
        elif self.mode == "paper":
            notes.append("as published, the network is given colours in [0, 1] without its mean and std")
        return {"notes": notes, "input_dimension": self.dimensions[0]}


def _whole(found: xr.Dataset, name: str) -> np.ndarray:
    """With a value for every start, also where all have the same."""
    return found[name].broadcast_like(found["m_g"]).transpose(*PICTURE).values


def _told(answer: xr.Dataset) -> xr.Dataset:
    """With what each variable is called, and its unit."""
    for name, variable in answer.data_vars.items():
        plain = str(name).removeprefix("mean_").removesuffix("_last")
        mean = "mean " if str(name).startswith("mean_") else ""
        variable.attrs = {"long_name": f"{mean}{NAMES.get(plain, plain.replace('_', ' '))}"}
        variable.attrs["units"] = UNITS.get(plain, "1")
    return answer
