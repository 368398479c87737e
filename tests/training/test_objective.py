"""What a contrastive training asks: against loops in float64, at its limits, and of views that are an image's own."""

import math

import numpy as np
import pytest
import torch

from seealike.training.augmentation import Augmentation, Draw
from seealike.training.chance import hashed
from seealike.training.objective import Classes, Contrastive, nt_xent, objective, recognised
from seealike.training.recipe import Settings

NOTHING = torch.zeros(3, dtype=torch.long)


def answers(n=5, width=4, seed=0):
    return torch.randn(2 * n, width, generator=torch.Generator().manual_seed(seed)) * 3


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def by_hand(views, temperature):
    """Chen et al. 2020, equation 1, view by view; and which views know their other one."""
    views, half = views.double().tolist(), len(views) // 2
    losses, knows = [], []
    for i, view in enumerate(views):
        other = (i + half) % len(views)
        near = {k: cosine(view, each) for k, each in enumerate(views) if k != i}
        weights = {k: math.exp(s / temperature) for k, s in near.items()}
        losses.append(-math.log(weights[other] / sum(weights.values())))
        knows.append(max(near, key=near.__getitem__) == other)
    return float(np.mean(losses)), knows


@pytest.mark.parametrize("temperature", [0.2, 1.0])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_loss_is_the_paper_s(n, temperature):
    views = answers(n)
    loss, knows = by_hand(views, temperature)
    assert float(nt_xent(views, temperature)) == pytest.approx(loss, rel=1e-5, abs=1e-6)
    assert recognised(views).tolist() == knows


def test_the_loss_knows_neither_length_nor_order():
    views, order = answers(), torch.tensor([3, 1, 4, 0, 2])
    loss = float(nt_xent(views, 0.2))
    scaled = views * torch.arange(1, 11)[:, None]
    shuffled = torch.cat([views[:5][order], views[5:][order]])
    for same in (scaled, shuffled, views.roll(5, 0)):  # and which view is the first
        assert float(nt_xent(same, 0.2)) == pytest.approx(loss, rel=1e-5)
    assert float(nt_xent(torch.cat([views[:5], views[5:].roll(1, 0)]), 0.2)) != pytest.approx(loss, rel=1e-2)


def test_limits_of_the_loss():
    alike, apart = torch.ones(8, 3), torch.eye(4).repeat(2, 1)
    assert float(nt_xent(alike, 0.2)) == pytest.approx(math.log(7), rel=1e-6)
    assert float(nt_xent(apart, 0.2)) == pytest.approx(math.log(1 + 6 * math.exp(-5)), rel=1e-5)
    assert float(nt_xent(answers(), 1e6)) == pytest.approx(math.log(9), rel=1e-5)
    assert float(nt_xent(apart, 0.01)) < 1e-6 and recognised(apart).all()
    assert not recognised(torch.cat([torch.eye(4), torch.eye(4).roll(1, 0)])).any()


def test_the_gradient_is_that_of_the_loop():
    views = answers(3).requires_grad_()
    (slopes,) = torch.autograd.grad(nt_xent(views, 0.5), views)
    with torch.no_grad():
        for i, j in ((0, 0), (2, 3), (5, 1)):
            step = torch.zeros(6, 4, dtype=torch.float64)
            step[i, j] = 1e-4
            slope = (by_hand(views.double() + step, 0.5)[0] - by_hand(views.double() - step, 0.5)[0]) / 2e-4
            assert float(slopes[i, j]) == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_it_is_counted_in_float32_whatever_the_network_runs_in():
    views = answers()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nt_xent(views, 0.2), nt_xent(views, 0.2).float())
        inside = float(nt_xent(views, 0.2))
    assert inside == float(nt_xent(views, 0.2))


def test_settings_say_what_a_training_is_for():
    assert objective(Settings(label_smoothing=0.1)) == Classes(0.1)
    made = objective(Settings(objective="contrastive", temperature=0.5, augment=("crop",)))
    assert made == Contrastive(0.5) and (made.views, made.score) == (2, "agreement")
    logits, labels = answers(3)[:3], torch.tensor([0, 1, 2])
    assert torch.equal(
        Classes(0.1).loss(logits, labels), torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    )
    assert torch.equal(made.loss(answers(3), NOTHING), nt_xent(answers(3), 0.5))


def test_views_of_an_image_are_drawn_apart_and_each_alone():
    images = torch.randint(256, (40, 8, 8, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    ids, epochs, rows = hashed(f"image-{i}" for i in range(40)), np.zeros(40), torch.arange(40)
    augmentation = Augmentation(("crop", "shift", "mirror", "colour"), shift=2)
    draws = [Draw(ids, epochs, 0, view) for view in (0, 1)]
    first, second = (augmentation(images, rows, draw, (8, 8)) for draw in draws)
    assert torch.equal(first, augmentation(images, rows, Draw(ids, epochs, 0), (8, 8)))  # as where there is one view
    assert all(not torch.equal(a, b) for a, b in zip(first, second, strict=True))
    one = augmentation(images, torch.tensor([7]), Draw(ids[[7]], epochs[[7]], 0, 1), (8, 8))[0]
    assert torch.allclose(one, second[7], atol=1e-3)
    for purpose in ("crop", "shift", "mirror", "colour"):
        drawn = [draw.uniform(purpose, 3).ravel() for draw in draws]
        assert abs(np.corrcoef(drawn)[0, 1]) < 0.25
