"""Pictures that a layer cannot tell from an image, searched for each image and start."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure
from tqdm.auto import tqdm

from seealike.errors import not_finite
from seealike.inversion import Found, Problem, Settings, draw, search, shifted
from seealike.inversion.search import length
from seealike.kernel import Given, State, Trial, by_index
from seealike.maths.chance import seeded
from seealike.maths.colours import Colours, normalised, restored
from seealike.models.gradients import held, through
from seealike.models.graph import Layer

ROOM = 1 << 30  # bytes of activations held at a time
BRIEF = 4  # iterations, to foretell what all will take
WINDOW = 11  # pixels a side of the window of SSIM


@dataclass(frozen=True)
class Inverted(Trial):
    """{"index", ...}: one row an image, sorted by index; each of these has the starts as its second dimension.

    "best", "last": pictures in [0, 1]-colours, unclipped. "m_g", "m_i", with "_last": distances to the image, in the
    layer and of pictures; "m_r", "i_r" (no starts): those of the image with noise. "psnr", "ssim", with "_last": of
    pictures clipped to [0, 1]. "norm": of the layer at the image. "step", "iterations", "best_at", "reason"; "trace_g",
    "trace_i" x points.
    """

    grouped: ClassVar[bool] = False
    joins: ClassVar[bool] = True

    source: str
    tensor: str
    settings: Settings
    colours: Colours | None = None

    def run(self, given: Given) -> State:
        layer = given.graph.by_name[self.tensor]
        images = restored(given.images, self.colours)
        with torch.no_grad():
            targets, near = self._reference(given, layer, images)
        count = len(self.settings.starts)
        starts = [
            draw(kind, image, self.settings.shift, seeded(self.settings.seed, "start", start, index))
            for image, index in zip(images, given.indices.tolist(), strict=True)
            for start, kind in enumerate(self.settings.starts)
        ]
        begun = torch.stack(starts).contiguous(memory_format=given.graph.memory_format)
        found = self._found(given, layer, images, targets, begun)
        told = _told(found, images.repeat_interleave(count, 0))
        each = {key: one.cpu().unflatten(0, (len(images), count)) for key, one in told.items()}
        return by_index({"index": given.indices.cpu(), **near, **each})

    def brief(self) -> "tuple[Inverted, float]":
        few = replace(self.settings, iterations=BRIEF, step=self.settings.steps)
        return replace(self, settings=few), length(self.settings) / BRIEF

    def _reference(self, given: Given, layer: Layer, images: Tensor) -> tuple[Tensor, State]:
        """What the layer makes of the images, and how far from it an image with a little noise is."""
        shift = self.settings.shift
        noisy = [
            shifted(image, shift, seeded(self.settings.seed, "shift", index))
            for image, index in zip(images, given.indices.tolist(), strict=True)
        ]
        moved = torch.stack(noisy)
        targets, others = self._see(given, layer, images), self._see(given, layer, moved)
        if not targets.isfinite().all():
            raise not_finite(f"{self.source}:{self.tensor} holds")
        known = {"m_r": targets - others, "i_r": images - moved, "norm": targets}
        return targets, {key: one.flatten(1).norm(dim=1).cpu() for key, one in known.items()}

    def _see(self, given: Given, layer: Layer, pictures: Tensor) -> Tensor:
        """The layer of pictures; in the mode of the published code a network is given the colours themselves."""
        colours = None if self.settings.mode == "paper" else self.colours
        return through(given.graph, normalised(pictures, colours), [(layer, lambda output: output)])[0]

    def _found(self, given: Given, layer: Layer, images: Tensor, targets: Tensor, starts: Tensor) -> Found:
        """As many rows at a time as memory allows."""
        of = torch.arange(len(images), device=images.device).repeat_interleave(len(self.settings.starts))
        at_once = max(1, ROOM // (2 * held(given.graph, [layer])))
        what = f"{self.source}: reconstructing from {self.tensor}"
        parts = []
        with tqdm(
            total=len(of) * length(self.settings), desc=what, unit=" steps", unit_scale=True, leave=False, delay=2
        ) as bar:
            for some, begun in zip(of.split(at_once), starts.split(at_once), strict=True):
                problem = Problem(lambda p: self._see(given, layer, p), images[some], targets[some])
                parts.append(search(problem, begun, self.settings, bar.update))
        return Found.together(parts)


def _told(found: Found, images: Tensor) -> State:
    """What a search came to, and how like the images its pictures look."""
    return {
        "best": found.best,
        "last": found.last,
        "m_g": found.near,
        "m_g_last": found.near_last,
        "m_i": found.far,
        "m_i_last": found.far_last,
        **_looks(found.best, images, ""),
        **_looks(found.last, images, "_last"),
        "step": found.step,
        "iterations": found.count,
        "best_at": found.best_at,
        "reason": found.reason,
        "trace_g": found.trace_near,
        "trace_i": found.trace_far,
    }


def _looks(pictures: Tensor, images: Tensor, which: str) -> State:
    """PSNR in dB and SSIM (Wang et al. 2004, windows of 11 x 11), of colours clipped to [0, 1]; NaN where undefined."""
    seen, target = pictures.clamp(0, 1), images.clamp(0, 1)
    psnr = -10 * (seen - target).square().flatten(1).mean(1).log10()
    if min(images.shape[-2:]) < WINDOW:
        return {f"psnr{which}": psnr, f"ssim{which}": torch.full_like(psnr, torch.nan)}
    ssim = structural_similarity_index_measure(seen, target, data_range=1.0, reduction="none")
    assert isinstance(ssim, Tensor)
    return {f"psnr{which}": psnr, f"ssim{which}": ssim.reshape(-1)}
