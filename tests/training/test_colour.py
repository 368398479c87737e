"""Changes of colour: torchvision's functions, image by image, chosen as its ColorJitter chooses them."""

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import ColorJitter
from torchvision.transforms.v2 import functional as F

from seealike.training.augmentation import Augmentation, Draw
from seealike.training.chance import hashed
from seealike.training.colour import factors, jittered


def pictures(count):
    return torch.randint(256, (count, 6, 5, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_colours_are_changed_as_torchvision_changes_them(dtype):
    chosen = factors(np.random.default_rng(0).random((30, 3)), 0.8)
    chosen[:3] = np.eye(3)  # black, all of one grey, greyscale
    seen = jittered(pictures(30).to(dtype), chosen) / 255
    for image, (brightness, contrast, saturation), one in zip(pictures(30), chosen, seen, strict=True):
        wanted = F.adjust_brightness(image.permute(2, 0, 1) / 255, brightness)
        wanted = F.adjust_saturation(F.adjust_contrast(wanted, contrast), saturation)
        torch.testing.assert_close(one.permute(2, 0, 1), wanted, rtol=0, atol=2e-6)


def test_factors_of_one_change_nothing():
    torch.testing.assert_close(jittered(pictures(4), np.ones((4, 3))), pictures(4).float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("strength", [0.4, 1.5])
def test_factors_are_chosen_as_torchvision_chooses_them(strength):
    draw = Draw(hashed(map(str, range(2000))), np.zeros(2000), 0)
    ours = factors(draw.uniform("colour", 3), strength)
    jitter = ColorJitter(strength, strength, strength)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bounds = jitter.brightness, jitter.contrast, jitter.saturation, None
        theirs = np.array([ColorJitter.get_params(*bounds)[1:4] for _ in range(2000)])
    for one, other in zip(ours.T, theirs.T, strict=True):
        assert stats.ks_2samp(one, other).statistic < 0.06
    assert ours.min() >= max(0, 1 - strength) and ours.max() <= 1 + strength
    assert np.abs(np.corrcoef(ours.T) - np.eye(3)).max() < 0.1


def test_colour_comes_last():
    draw = Draw(hashed(map(str, range(9))), np.zeros(9), 0)
    names, rows = ("crop", "shift", "mirror"), torch.arange(9)
    before = Augmentation(names, 1)(pictures(9), rows, draw, (4, 4))
    seen = Augmentation((*names, "colour"), 1, colour=0.3)(pictures(9), rows, draw, (4, 4))
    assert torch.equal(seen, jittered(before, factors(draw.uniform("colour", 3), 0.3)))
