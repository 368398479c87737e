"""Augmentation: torchvision's, image by image; a function of seed, epoch and id, whatever else is in the batch."""

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as F

from seealike.training.augmentation import Augmentation, Draw, boxes, cropped, gathered, mirrored, shifted
from seealike.training.chance import hashed, uniform

SIZE = (12, 10)


def drawn(count=64, epoch=0, seed=0, start=0):
    return Draw(hashed(f"image-{start + i}" for i in range(count)), np.full(count, epoch), seed)


def pictures(count=64, size=SIZE):
    return torch.randint(256, (count, *size, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def torchvision_s(image, shift, flip, most):
    """Padded by reflection, cropped, mirrored: one image, channels first."""
    padded = F.pad(image, [most] * 4, padding_mode="reflect")
    moved = F.crop(padded, most - int(shift[0]), most - int(shift[1]), *image.shape[1:])
    return F.horizontal_flip(moved) if flip else moved


def test_shifts_and_mirror_images_are_torchvision_s():
    images, draw = pictures(), drawn()
    seen = Augmentation(("shift", "mirror"), shift=3)(images, torch.arange(64), draw, SIZE)
    shifts, flips = shifted(draw, 3), mirrored(draw)
    assert {-3, 0, 3} <= set(shifts[:, 0]) and 0 < flips.sum() < 64
    for image, shift, flip, one in zip(images, shifts, flips, seen, strict=True):
        assert torch.equal(torchvision_s(image.permute(2, 0, 1), shift, flip, 3), one.permute(2, 0, 1))


@pytest.mark.parametrize("size", [(12, 10), (8, 8), (20, 24)], ids=["as large", "smaller", "larger"])
def test_crops_are_torchvision_s(size):
    images, chosen = pictures(), boxes(drawn(), SIZE)
    seen = cropped(images, chosen, size)
    for image, (top, left, height, width), one in zip(images, chosen.tolist(), seen, strict=True):
        wanted = F.resized_crop(image.permute(2, 0, 1).float(), top, left, height, width, list(size), antialias=True)
        assert torch.allclose(wanted, one.permute(2, 0, 1), atol=2e-3)


def test_a_crop_is_mirrored_after_it_is_cut():
    images, draw = pictures(), drawn()
    seen = Augmentation(("crop", "mirror"))(images, torch.arange(64), draw, (8, 8))
    wanted = cropped(images, boxes(draw, SIZE), (8, 8))
    wanted = torch.stack([x.flip(1) if flip else x for x, flip in zip(wanted, mirrored(draw), strict=True)])
    assert torch.equal(seen, wanted)


@pytest.mark.parametrize("size", [(32, 32), (32, 200), (200, 32)], ids=["square", "wide", "high"])
def test_boxes_are_chosen_as_torchvision_chooses_them(size):
    chosen = boxes(drawn(4000), size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        image = torch.zeros(3, *size)
        theirs = np.array([RandomResizedCrop.get_params(image, [0.08, 1], [3 / 4, 4 / 3]) for _ in range(4000)])
    for ours, other in zip(chosen.T, theirs.T, strict=True):
        assert stats.ks_2samp(ours, other).statistic < 0.05
    assert (chosen >= 0).all() and (chosen[:, 0] + chosen[:, 2] <= size[0]).all()
    assert (chosen[:, 1] + chosen[:, 3] <= size[1]).all() and (chosen[:, 2:] >= 1).all()


def test_no_augmentation_gives_the_images_as_they_are():
    images = pictures()
    assert torch.equal(Augmentation()(images, torch.tensor([5, 3]), drawn(2), SIZE), images[[5, 3]])


@pytest.mark.parametrize("names", [("shift", "mirror"), ("crop",), ("crop", "shift", "mirror")], ids=" ".join)
def test_what_is_done_to_an_image_does_not_depend_on_its_batch(names):
    images, whole, augmentation = pictures(), drawn(), Augmentation(names)
    together = augmentation(images, torch.arange(64), whole, (8, 8) if "crop" in names else SIZE)
    for k in (0, 17, 63):
        one = Draw(whole.ids[[k]], whole.epochs[[k]], 0)
        alone = augmentation(images, torch.tensor([k]), one, tuple(together.shape[1:3]))
        assert torch.allclose(alone[0].float(), together[k].float(), atol=1e-4)


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 1}, {"start": 100}], ids=["epoch", "seed", "id"])
def test_epoch_seed_and_id_draw_anew(other):
    for draws in (lambda d: shifted(d, 4)[:, 0], mirrored, lambda d: boxes(d, (32, 32))[:, 0]):
        one, another = draws(drawn(500)), draws(drawn(500, **other))
        assert np.array_equal(one, draws(drawn(500))) and not np.array_equal(one, another)
        assert abs(np.corrcoef(one, another)[0, 1]) < 0.15


def test_draws_are_uniform_and_independent():
    u = uniform(hashed(map(str, range(20_000))), np.zeros(20_000), 0, "crop", 6)
    assert u.min() >= 0 and u.max() < 1
    assert all(stats.kstest(column, "uniform").pvalue > 1e-3 for column in u.T)
    assert np.abs(np.corrcoef(u.T) - np.eye(6)).max() < 0.03


def test_edges_are_reflected_without_repeating_them():
    row = torch.arange(5, dtype=torch.uint8).reshape(1, 1, 5, 1).expand(1, 5, 5, 3)
    seen = gathered(row, torch.tensor([0]), np.array([[0, 2]]), np.array([False]))
    assert seen[0, 0, :, 0].tolist() == [2, 1, 0, 1, 2]
