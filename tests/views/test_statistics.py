"""Image statistics of what a network sees: the statistics of the pictures, whatever mean and std it was given."""

import pytest
import torch
from PIL import Image
from torch import nn

from seealike.errors import RunError, StudyError
from seealike.images.preprocessing import Preprocessing, from_timm, plain
from seealike.images.sources import open_images
from seealike.maths.image_statistics import STATISTICS
from seealike.models.graph import Graph
from seealike.models.run import Operation, run
from seealike.selection import Models
from seealike.views.statistics import ImageStatistics

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def seen(view, images):
    graph = Graph.of(nn.Conv2d(3, 2, 3), (3, *images.shape[2:]), "net")
    found = []
    run(graph, images, [(graph.by_name["input"], view.when, lambda operation: found.append(view.see(operation)))])
    return found[0]


def test_normalisation_is_taken_back():
    colours = torch.rand(4, 3, 16, 16)
    mean, std = (torch.tensor(IMAGENET[key])[:, None, None] for key in ("mean", "std"))
    expected = torch.stack([statistic(colours) for statistic in STATISTICS.values()], 1)
    found = seen(ImageStatistics(**IMAGENET), (colours - mean) / std)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    some = seen(ImageStatistics((0.0,) * 3, (1.0,) * 3, ("contrast", "luminance")), colours)
    torch.testing.assert_close(some, expected[:, [1, 0]])


def test_a_model_s_own_preprocessing_says_how():
    own = from_timm({"input_size": (3, 16, 16), "interpolation": "bicubic", "crop_pct": 1.0, **IMAGENET})
    models = Models(
        {}, None, {"vit": own, "plain": plain(8), "odd": Preprocessing(lambda image: image, "odd: unknown")}
    )
    assert models.colours("vit") == (IMAGENET["mean"], IMAGENET["std"])
    assert models.colours("plain") == ((0.0,) * 3, (1.0,) * 3)
    picture = Image.new("RGB", (16, 16), (255, 51, 0))
    rows = seen(ImageStatistics(*models.colours("vit"), ("luminance", "saturation")), own.transform(picture)[None])
    torch.testing.assert_close(rows, torch.tensor([[0.2126 + 0.2 * 0.7152, 1.0]]))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("odd", r"odd: what brought its input from colours in \[0, 1\] is unknown; its preprocessing is: odd: unknown"),
        ("net", r"net: what brought .* is unknown; the images are tensors that it takes as given\."),
    ],
)
def test_where_it_is_unknown_it_is_refused(model, words):
    models = Models({}, None, {"odd": Preprocessing(lambda image: image, "odd: unknown")})
    with pytest.raises(StudyError, match=words):
        models.colours(model)


def test_what_is_refused():
    view = ImageStatistics((0.0,) * 3, (1.0,) * 3)
    with pytest.raises(StudyError, match=r'statistics: there is no "contrats"\. Closest: contrast, o'):
        ImageStatistics((0.0,) * 3, (1.0,) * 3, ("contrats",))
    with pytest.raises(
        RunError, match=r"the images span 0\.00 to 255\.00 when the model's mean and std are taken back"
    ):
        seen(view, torch.tensor([0.0, 255.0]).repeat(2, 3, 8, 4))
    with pytest.raises(RunError, match=r"the images span nan"):
        seen(view, torch.full((1, 3, 8, 8), float("nan")))
    layer = Graph.of(nn.Conv2d(3, 2, 3), (3, 8, 8), "net").by_name["input"]
    with pytest.raises(RunError, match=r"input holds no images: statistics are of the tensor input\."):
        view.see(Operation(layer, (), {}, torch.zeros(2, 4, 8, 8)))


def test_scenes_have_the_statistics_they_were_made_with():
    """Recorded luminance and measured luminance go together."""
    scenes = open_images("scenes:64")
    rows = torch.stack([plain(32).transform(scenes.read(i)) for i in range(64)])
    measured = seen(ImageStatistics((0.0,) * 3, (1.0,) * 3, ("luminance",)), rows)[:, 0]
    recorded = torch.tensor([scenes.factor(i, "luminance") for i in range(64)])
    assert torch.corrcoef(torch.stack([measured, recorded]))[0, 1] > 0.5
