"""The search for pictures against the published update written out, torch's Adam, and networks of known answers."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from torch import nn

from seealike.errors import StudyError
from seealike.inversion import Problem, Settings, draw, search
from seealike.inversion.moving import rule
from seealike.inversion.priors import prior
from seealike.inversion.search import REASONS
from seealike.maths.chance import seeded


def pictures(n=2, size=(3, 8, 8), dtype=torch.float64):
    return torch.rand(n, *size, generator=torch.Generator().manual_seed(3), dtype=dtype)


def begun(images, kind="bright"):
    return torch.stack([draw(kind, image, 1 / 18, seeded(0, i)) for i, image in enumerate(images)])


def small(dtype=torch.float64):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 3, 2), nn.Flatten()).to(dtype)
    return net.requires_grad_(False)


def problem(net, images):
    return Problem(net, images, net(images))


def dense(*widths, dtype=torch.float64, act=None):
    torch.manual_seed(1)
    layers = [nn.Flatten()]
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), *([act] if act else [])]
    return nn.Sequential(*layers).to(dtype).requires_grad_(False)


def blurred(image, sigma):
    """A Gaussian of 3 x 3, the border mirrored without its edge: SciPy's "mirror"."""
    tap = math.exp(-0.5 / sigma**2)
    kernel = np.array([tap, 1, tap]) / (1 + 2 * tap)
    return correlate1d(correlate1d(image, kernel, axis=-2, mode="mirror"), kernel, axis=-1, mode="mirror")


@pytest.mark.parametrize(("blur", "steps"), [(True, (0.015, 0.015)), (False, (0.03, 0.0003)), (True, (0.02, 0.001))])
def test_the_published_mode_is_the_published_update(blur, steps):
    net, images, count = small(), pictures(1), 20
    start = begun(images)
    prior = "blur" if blur else "none"
    settings = Settings(mode="paper", prior=prior, iterations=count, step=steps, starts=("bright",))
    found = search(problem(net, images), start, settings)
    a, y = start.numpy()[0], net(images)[0].numpy()
    near, far = [], []
    for i in range(count + 1):
        x = torch.tensor(a)[None].requires_grad_()
        out = net(x)[0]
        near.append(np.linalg.norm(y - out.detach().numpy()))
        far.append(np.linalg.norm(a - images[0].numpy()))
        if i == count:
            break
        (0.15 * (torch.tensor(y) - out).abs().sum()).backward()
        rate = (steps[0] / 0.15) * (count - i) / count + (steps[1] / 0.15) * i / count
        a = a - rate * x.grad[0].numpy()
        if blur:
            a = blurred(a, 2.4 * (count - i) / count + 0.4 * i / count)
    np.testing.assert_allclose(found.last[0], a, atol=1e-6)
    np.testing.assert_allclose(found.trace_near[0], near, atol=1e-6)
    np.testing.assert_allclose(found.trace_far[0], far, atol=1e-6)
    assert found.best_at[0] == int(np.argmin(near))
    assert float(found.near[0]) == pytest.approx(min(near), abs=1e-6)
    assert float(found.far[0]) == pytest.approx(far[int(np.argmin(near))], abs=1e-6)


def test_a_linear_layer_stops_at_the_part_of_the_start_that_it_cannot_see():
    images, net = pictures(2), dense(192, 60)
    start = begun(images)
    kernel = torch.linalg.svd(net[1].weight).Vh[60:]
    floor = ((start - images).flatten(1) @ kernel.T).norm(dim=1)
    for settings in (
        Settings(mode="paper", step=(0.02, 1e-5), iterations=1500, starts=("bright",)),
        Settings(iterations=400, starts=("bright",), optimizer="descent", tolerance=0.0),
    ):
        found = search(problem(net, images), start, settings)
        np.testing.assert_allclose(found.far, floor, rtol=1e-3)
        assert float(found.near.max()) < 0.01
        moved = (found.best - start).flatten(1) @ kernel.T
        np.testing.assert_allclose(moved, 0, atol=1e-9)  # descent never leaves the start and what the layer sees


def test_relus_need_about_twice_the_numbers():
    images = pictures(1, (3, 4, 4))
    far = {}
    for width in (48, 60, 192):
        found = search(
            problem(dense(48, width, act=nn.ReLU()), images),
            begun(images),
            Settings(iterations=600, starts=("bright",), step=0.05, tolerance=0.0),
        )
        far[width] = float(found.far[0])
    assert far[48] > 1 and far[60] > 0.5 and far[192] < 0.01 < far[60]


@pytest.mark.parametrize("optimizer", ["adam", "descent"])
@pytest.mark.parametrize("prior", ["none", "blur", "tv"])
def test_no_row_is_moved_by_another(optimizer, prior):
    images, net = pictures(3), small()
    settings = Settings(optimizer=optimizer, prior=prior, iterations=12, starts=("bright",))
    together = search(problem(net, images), begun(images), settings)
    for i in range(3):
        start = begun(images)[i : i + 1]
        alone = search(problem(net, images[i : i + 1]), start, settings)
        np.testing.assert_allclose(alone.best[0], together.best[i], atol=1e-9)
        assert alone.step[0] == together.step[i]


def test_adam_is_that_of_torch():
    start = pictures(1)
    leaf = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([leaf], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 15)
    mover, numbers = rule("adam", (0.05, 0.05)), (start,)
    state = mover.begin(numbers, torch.tensor([0.05], dtype=torch.float64))
    for i in range(15):
        slopes = (numbers[0] ** 3 + numbers[0],)
        optimizer.zero_grad()
        leaf.grad = leaf.detach() ** 3 + leaf.detach()
        optimizer.step()
        schedule.step()
        numbers = mover.moved(numbers, slopes, state, torch.zeros(1), i / 15)
    np.testing.assert_allclose(numbers[0], leaf.detach(), atol=1e-12)


def test_descent_moves_as_far_as_it_says_and_halves_where_nothing_is_won():
    mover, numbers = rule("descent", (1.0, 1.0)), (pictures(2),)
    state = mover.begin(numbers, torch.tensor([0.1, 0.1], dtype=torch.float64))
    slopes = (torch.randn(2, 3, 8, 8, dtype=torch.float64),)
    for i in range(11):
        near = torch.tensor([1.0 - 0.01 * i, 1.0])  # the first comes nearer, the second does not
        moved = mover.moved(numbers, slopes, state, near, 0.0)
    apart = (moved[0] - numbers[0]).flatten(1).square().mean(1).sqrt()
    np.testing.assert_allclose(apart, [0.1, 0.05], rtol=1e-12)
    direction = (numbers[0] - moved[0]).flatten(1) / apart[:, None]
    np.testing.assert_allclose(direction, slopes[0].flatten(1) / slopes[0].flatten(1).square().mean(1).sqrt()[:, None])


def test_total_variation_is_its_sum():
    image = pictures(2)
    found = prior(Settings(prior="tv", weight=0.3), image).penalty(image)
    x = image.numpy()
    total = (np.diff(x, axis=2) ** 2).sum((1, 2, 3)) + (np.diff(x, axis=3) ** 2).sum((1, 2, 3))
    np.testing.assert_allclose(found, 0.3 * total / 192)


@pytest.mark.parametrize("size", [(3, 8, 8), (3, 9, 12), (1, 7, 5)])
def test_a_spectrum_draws_the_start_and_stays_a_colour(size):
    start = 0.5 + 0.1 * torch.randn(2, *size, dtype=torch.float64).clamp(-3, 3)
    written = prior(Settings(prior="fourier"), start)
    numbers = written.begin(start)
    np.testing.assert_allclose(written.picture(numbers), start, atol=1e-9)
    wild = written.picture((numbers[0] * 100,))
    assert wild.min() >= 0 and wild.max() <= 1


def test_an_untrained_network_draws_and_is_what_is_searched():
    images, net = pictures(2, (3, 9, 11), torch.float32), small(torch.float32)
    settings = Settings(prior="dip", iterations=30, step=0.01, starts=("bright",))
    start = begun(images)
    found = search(problem(net, images), start, settings)
    assert (found.near < 0.7 * found.trace_near[:, 0]).all()
    alone = search(problem(net, images[1:]), start[1:], settings)
    np.testing.assert_allclose(alone.best[0], found.best[1], atol=1e-3)
    written = prior(settings, start)
    *weights, kept = written.moved(written.begin(start), 0.0)
    assert torch.equal(kept, start) and all(torch.equal(w[0], w[1]) for w in weights)


def test_why_a_search_ends():
    images = pictures(3)
    net = dense(192, 192)
    near = images + 1e-9
    far = images.clone()
    far[2] = math.nan
    start = torch.stack([near[0], begun(images)[1], far[2]])
    found = search(problem(net, images), start, Settings(iterations=15, step=0.01, starts=("bright",)))
    assert [REASONS[i] for i in found.reason.tolist()] == ["reached", "iterations", "diverged"]
    assert found.count.tolist() == [0, 15, 0] and found.best_at[0] == 0
    assert math.isinf(found.near[2]) and found.trace_near[0, -1] == found.trace_near[0, 0]
    stuck = Problem(lambda p: 0 * p.flatten(1) + 1, images, torch.zeros(3, 192, dtype=torch.float64) + 0.5)
    found = search(stuck, begun(images), Settings(iterations=400, optimizer="descent", step=0.01, starts=("bright",)))
    assert REASONS[int(found.reason[0])] == "stalled" and found.count[0] < 400


def test_the_nearest_is_kept_when_the_last_is_not():
    """A step that is too large swings past."""
    images, net = pictures(1), dense(192, 192)
    settings = Settings(mode="paper", step=(1e-3, 2.0), iterations=60, starts=("bright",))
    found = search(problem(net, images), begun(images), settings)
    assert found.best_at[0] < 60 and found.near[0] < found.near_last[0]
    assert float((net(found.best) - net(images)).norm()) == pytest.approx(float(found.near[0]))
    assert float((net(found.last) - net(images)).norm()) == pytest.approx(float(found.near_last[0]))


def test_the_step_that_is_searched_is_the_best_of_those_tried():
    images, net = pictures(2), small()
    settings = Settings(iterations=100, starts=("bright",))
    found = search(problem(net, images), begun(images), settings)
    short = {}
    for step in (0.1, 0.03, 0.01, 0.003):
        short[step] = search(
            problem(net, images), begun(images), Settings(iterations=10, step=step, starts=("bright",))
        )
    for row in range(2):
        best = min(short, key=lambda step: float(short[step].near[row]))
        assert float(found.step[row]) == pytest.approx(best)


def test_long_traces_are_thinned():
    images, net = pictures(1), dense(192, 20)
    found = search(
        problem(net, images), begun(images), Settings(iterations=1200, step=0.01, starts=("bright",), tolerance=0.0)
    )
    assert found.logged[:2].tolist() == [0, 3] and int(found.logged[-1]) == 1200
    assert float(found.trace_near[0, -1]) == float(found.near_last[0])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"mode": "papers"}, 'mode = "papers": Closest: paper.'),
        ({"prior": "totalvariation"}, 'prior = "totalvariation": There are: none, blur, tv, fourier, dip.'),
        ({"optimizer": "sgd"}, 'optimizer = "sgd": There are: adam, descent.'),
        ({"starts": ("brigth",)}, 'starts = "brigth": Closest: bright.'),
        ({"starts": ()}, "starts = 0: begin at least once."),
        (
            {"mode": "paper", "prior": "tv"},
            'mode = "paper" knows prior = "none" and "blur"; for "tv" write mode = "strict".',
        ),
        (
            {"prior": "dip", "optimizer": "descent"},
            'prior = "dip" needs optimizer = "adam": its numbers differ in size.',
        ),
        ({"iterations": 0}, "iterations = 0: at least 1."),
        ({"step": -1.0}, 'step = -1.0: above 0, two such numbers, or "search".'),
        ({"step": (0.1, 0.0)}, 'step = (0.1, 0.0): above 0, two such numbers, or "search".'),
        ({"shift": 0.0}, "shift = 0.0: the deviation of a noise, above 0."),
        ({"weight": -1.0}, "weight = -1.0, tolerance = 1e-10: 0 or more."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(written, said):
    with pytest.raises(StudyError) as error:
        Settings(**written)
    assert str(error.value) == said
