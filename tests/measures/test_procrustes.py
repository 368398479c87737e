"""Procrustes angles, against the best rotation itself (scipy) and singular values of another route, in float64."""

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from small import batches, images, stirred, tensors
from torch import nn

from seealike.errors import StudyError
from seealike.kernel import fold, read
from seealike.maths.procrustes import angles, shape
from seealike.measures.procrustes import Procrustes
from seealike.models.graph import Graph
from seealike.selection import Models

SIZE = (3, 8, 8)


def rows(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def aligned(x: np.ndarray, y: np.ndarray) -> float:
    """The angle after the best rotation: columns centred, the narrower padded with zeros, as netrep's LinearMetric."""
    x, y = (z.astype(float) - z.astype(float).mean(0) for z in (x, y))
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(z, ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    rotation, _ = orthogonal_procrustes(x, y)
    return float(np.arccos((x @ rotation * y).sum() / np.linalg.norm(x) / np.linalg.norm(y)))


def leading(x: np.ndarray, width: int) -> np.ndarray:
    """The principal components, by the singular values of the rows."""
    u, s, _ = np.linalg.svd(x.astype(float) - x.astype(float).mean(0), full_matrices=False)
    return u[:, :width] * s[:width]


def test_it_is_the_angle_after_the_best_rotation():
    layers = [rows(50, p, seed=p) + (5 if p == 7 else 0) for p in (4, 7, 30, 120)]
    layers[2][:, :4] += 2 * layers[0]
    for width in (5, 64):
        shapes = [shape(x, width) for x in layers]
        reduced = [leading(x.numpy(), width) for x in layers]
        found = angles(shapes, shapes)
        for i, x in enumerate(reduced):
            for j, y in enumerate(reduced):
                if i != j:
                    assert float(found[i, j]) == pytest.approx(aligned(x, y), abs=1e-9)
        assert (found.diagonal() == 0).all() and torch.equal(found, found.T)
        torch.testing.assert_close(angles(shapes[:1], shapes[1:]), found[:1, 1:], rtol=0, atol=1e-12)


def test_rotation_scale_and_shift_are_no_distance_and_the_triangle_inequality_holds():
    x = rows(40, 6)
    turn = torch.linalg.qr(rows(6, 6, seed=1)).Q
    same = [shape(z, 64) for z in (x, 3 * x @ turn + 7, torch.cat([x, 0 * x], 1))]
    np.testing.assert_allclose(angles(same[:1], same[1:]), 0, atol=1e-3)
    many = [shape(x * w + rows(40, 6, seed=s), 64) for s, w in enumerate((0, 0.5, 1, 2, 4))]
    d = angles(many, many).numpy()
    assert (d[:, None] <= d[:, :, None] + d[None] + 1e-9).all()


def test_width_alone_brings_layers_together_unless_they_are_reduced():
    """V4: unrelated layers, 200 images; only after reduction is a wide one as far from another as theory says."""
    wide = [rows(200, 1000, seed=s) for s in (0, 1)]
    narrow = [rows(200, 20, seed=s) for s in (2, 3)]

    def far(pair, width):
        return float(angles([shape(pair[0], width)], [shape(pair[1], width)]))

    null = np.arccos(8 / (3 * np.pi) * np.sqrt(20 / 200))
    assert far(narrow, 20) == pytest.approx(null, abs=0.03) and far(wide, 20) == pytest.approx(null, abs=0.03)
    assert far(wide, 199) < null - 0.6


def network(width=5):
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, 4, 3), nn.Flatten(), nn.Linear(64, 5))
    return Graph.of(stirred(nn.Sequential(*layers)), SIZE, "net")


def test_it_is_asked_of_networks():
    of, x = {"net": network()}, images(48, SIZE)
    silent = stirred(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)))
    with torch.no_grad():
        silent[1].weight.zero_()
    of["silent"] = Graph.of(silent, SIZE, "silent")
    question = Procrustes("net:*", ("net:*", "silent:1"), width=4, subset=48)
    bound = question.bind(Models(of))
    answer = read(bound, bound.needs(), fold(bound.needs(), batches(of, x, 6)))
    seen = tensors(of["net"], x, ["0", "2"])
    first, second = (z.mean((2, 3)).numpy() for z in seen.values())
    expected = aligned(leading(first, 4), leading(second, 4))
    assert float(answer.procrustes.sel(layer_a="net:0", layer_b="net:2")) == pytest.approx(expected, abs=1e-5)
    assert answer.procrustes.sel(layer_b="silent:1").isnull().all()
    known = answer.procrustes_se.sel(layer_b=["net:0", "net:4"], layer_a="net:2")
    assert (known > 0).all() and answer.procrustes.attrs["units"] == "radian"
    assert answer.attrs["notes"] == [
        "silent:1 is the same for all images: what it is like is undefined",
        "fewer numbers than width = 4, so all of them: silent:1 (3)",
    ]


@pytest.mark.parametrize("width", [0, 64])
def test_a_width_that_reduces_nothing_is_refused(width):
    with pytest.raises(StudyError, match=rf"^width = {width}: write 1 to 49, less than subset = 50\.$"):
        Procrustes("net:*", subset=50, width=width)
