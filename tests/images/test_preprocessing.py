"""Preprocessing: equal to what the models' authors do, and equally cut for all models where that is asked."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as T
from torchvision.models import ResNet50_Weights, ViT_H_14_Weights
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from seealike.errors import StudyError
from seealike.images.preprocessing import Preprocessing, from_huggingface, from_timm, from_torchvision, plain, shared

CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
TIMM = {"input_size": (3, 64, 64), "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center", **CLIP}


@pytest.fixture(params=[(90, 70), (70, 131), (40, 40)], ids=str)
def image(request):
    width, height = request.param
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("changed", [{}, {"crop_mode": "border"}, {"crop_mode": "squash"}, {"input_size": (3, 48, 80)}])
def test_timm_own(image, changed):
    from timm.data import create_transform

    own = from_timm(TIMM | changed)
    expected = create_transform(**TIMM | changed, is_training=False)(image)
    assert torch.equal(own.transform(image), expected)
    assert (own.size, own.mean, own.std) == (expected.shape[1:], CLIP["mean"], CLIP["std"])


@pytest.mark.parametrize("weights", [ResNet50_Weights.IMAGENET1K_V2, ViT_H_14_Weights.IMAGENET1K_SWAG_E2E_V1])
def test_torchvision_own(image, weights):
    own = from_torchvision(weights.transforms())
    assert torch.equal(own.transform(image), weights.transforms()(image))
    assert own.size == own.transform(image).shape[1:]
    assert own.mean == (0.485, 0.456, 0.406)


def test_torchvision_without_a_size(image):
    own = from_torchvision(FasterRCNN_ResNet50_FPN_Weights.DEFAULT.transforms())
    assert (own.size, own.mean, own.std) == (None, None, None)
    assert own.transform(image).shape[1:] == (image.height, image.width)


@pytest.fixture
def processor():
    transformers = pytest.importorskip("transformers")
    return transformers.ViTImageProcessor(size={"height": 32, "width": 48}, image_mean=[0.5, 0.4, 0.3])


def test_huggingface_own(image, processor):
    own = from_huggingface(processor)
    expected = processor(images=image, return_tensors="pt")["pixel_values"][0]
    assert torch.equal(own.transform(image), expected)
    assert (own.size, own.mean, own.std) == ((32, 48), (0.5, 0.4, 0.3), (0.5, 0.5, 0.5))


def test_huggingface_without_normalisation():
    transformers = pytest.importorskip("transformers")
    own = from_huggingface(transformers.ViTImageProcessor(size={"height": 8, "width": 8}, do_normalize=False))
    assert (own.mean, own.std) == (None, None)


@pytest.mark.parametrize("size", [32, 224])
def test_plain_is_resize_and_centre_crop(image, size):
    resize = T.Resize(size, T.InterpolationMode.BICUBIC, antialias=True)
    steps = T.Compose([resize, T.CenterCrop(size), T.ToTensor(), T.Normalize(CLIP["mean"], CLIP["std"])])
    assert torch.equal(plain(size, **CLIP).transform(image), steps(image))


def test_plain_without_a_size_changes_no_pixel(image):
    assert torch.equal((plain().transform(image) * 255).round().byte(), T.PILToTensor()(image))


@pytest.mark.parametrize("size", [(30, 60), (60, 30)])
def test_plain_keeps_proportions(size):
    height, width = np.mgrid[:100, :100]
    x, y, _ = plain(size).transform(Image.fromarray(np.stack([width * 2, height * 2, height], -1).astype(np.uint8)))
    assert x.shape == size
    steps = torch.stack([x[:, 10:-10].diff(dim=1).mean(), y[10:-10].diff(dim=0).mean()]) * 255 / 2
    torch.testing.assert_close(steps, torch.full((2,), 100 / 60), rtol=0.02, atol=0)


def test_shared_shows_all_models_the_same_part():
    """Models of 64 and 32 pixels see the same edges: the mean of 2x2 pixels of one is the pixel of the other."""
    height, width = np.mgrid[:96, :160]
    scene = Image.fromarray(np.stack([width, height * 2, height + width], -1).astype(np.uint8))
    large, small = (shared(plain(size)).transform(scene) for size in (64, 32))
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(large, 2), small, rtol=0, atol=2 / 255)
    side = 0.875 * 96
    assert small[0, 16, 0] * 255 == pytest.approx(80 - side / 2 + side / 64, abs=1.5)
    assert small[0, 16, -1] * 255 == pytest.approx(80 + side / 2 - side / 64, abs=1.5)
    assert small[1, 0, 16] * 255 / 2 == pytest.approx(48 - side / 2 + side / 64, abs=1.5)


def test_shared_is_the_same_square_for_a_size_that_is_none():
    height, width = np.mgrid[:96, :160]
    scene = Image.fromarray(np.stack([width, height * 2, height], -1).astype(np.uint8))
    square, stretched = shared(plain((32, 32))).transform(scene), shared(plain((32, 64))).transform(scene)
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(stretched, (1, 2)), square, rtol=0, atol=2 / 255)


def test_shared_keeps_the_models_normalisation(image):
    ours, bare = shared(from_timm(TIMM)), shared(plain(64))
    assert (ours.size, ours.mean, ours.std) == ((64, 64), CLIP["mean"], CLIP["std"])
    mean, std = (torch.tensor(CLIP[key])[:, None, None] for key in ("mean", "std"))
    torch.testing.assert_close(ours.transform(image) * std + mean, bare.transform(image), rtol=0, atol=1e-6)


def test_shared_through_borders_and_resized_by_transformers(processor):
    assert shared(from_timm(TIMM | {"crop_mode": "border"})).size == (64, 64)
    assert shared(from_huggingface(processor)).size == (32, 48)


def test_every_preprocessing_can_be_sent_to_a_worker(image, processor):
    own = [from_timm(TIMM), from_torchvision(ResNet50_Weights.DEFAULT.transforms()), from_huggingface(processor)]
    for one in [*own, plain(), plain((8, 9), **CLIP), shared(own[0])]:
        again = pickle.loads(pickle.dumps(one))
        assert again == one
        assert torch.equal(again.transform(image), one.transform(image))


def test_texts_tell_apart_what_differs():
    compose = [T.Compose([T.CenterCrop(8), T.ToTensor(), T.Normalize([m] * 3, [1.0] * 3)]) for m in (0.5, 0.50001)]
    texts = [one.text for one in (
        from_timm(TIMM), from_timm(TIMM | {"crop_pct": 0.875}), from_timm(TIMM | {"mean": (0.4814546, 0.4578, 0.4082)}),
        *map(from_torchvision, compose), from_torchvision(ResNet50_Weights.IMAGENET1K_V1.transforms()),
        from_torchvision(ResNet50_Weights.IMAGENET1K_V2.transforms()),
        plain(), plain(8), plain((8, 9)), plain(8, **CLIP), shared(plain(8)), shared(plain(9)),
    )]  # fmt: skip
    assert len(set(texts)) == len(texts)
    assert not any(" at 0x" in text for text in texts)  # of objects that say only where they are
    assert plain(8) == plain([8, 8]) != plain(9)


def flipped(image):
    return T.functional.to_tensor(image).flip(0)


class Patches:
    def to_dict(self):
        return {"do_normalize": True, "image_mean": [0.5], "image_std": [0.5]}

    def __call__(self, images, return_tensors):
        return {"pixel_values": torch.zeros(1, 5, 3, 8, 8)}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: from_timm(TIMM | {"input_size": (1, 28, 28)}), "this timm model takes 1 channels"),
        (lambda: from_torchvision(flipped), "function is none of torchvision's transforms"),
        (lambda: from_torchvision(T.Lambda(flipped)), "Lambda is none of torchvision's transforms"),
        (lambda: from_torchvision(T.CenterCrop(8)), r"CenterCrop\(size 8x8\): gives a Image for an image"),
        (lambda: from_huggingface(Patches()), r"Patches.*gives a Tensor of shape \(5, 3, 8, 8\)"),
        (lambda: plain(0), "size = 0: give one number"),
        (lambda: plain([1, 2, 3]), "size = .1, 2, 3.: give one number"),
        (lambda: plain(8, mean=[0.5] * 3), "std is missing: give both"),
        (lambda: plain(8, std=[0.5] * 3), "mean is missing: give both"),
        (lambda: plain(8, [0.5], [0.5]), r"mean = \[0.5\]: give 3 numbers"),
        (lambda: shared(plain()), r"needs the size a model takes, for example size = 224 in \[models.NAME\]"),
        (lambda: shared(Preprocessing(flipped, "flipped", (64, 48))), 'Use crop = "own". It is: flipped'),
    ],
)
def test_refusals(call, words):
    with pytest.raises(StudyError, match=words):
        call()
