"""Another crop of the same images: the corner that one model sees, and that nothing else differs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import seealike
from seealike.errors import StudyError
from seealike.images.preprocessing import plain, shared
from seealike.measures.cka import CKA
from seealike.models.sources import ModelSource, expand
from seealike.plan import make_plan
from seealike.study import Ask, ImagesSource, Study
from seealike.study.toml import study

NET = "from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.ReLU(), nn.Flatten())\n"
COLOURS = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}


def picture(width, height):
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", [(64, 48), (48, 72)], ids=str)
def test_the_corner_is_the_square_of_the_upper_left_to_the_pixel(size):
    image = picture(*size)
    seen = shared(plain(42, **COLOURS), corner=True).transform(image)  # 0.875 of 48: nothing is resized
    pixels = torch.from_numpy(np.array(image)[:42, :42]).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(COLOURS[key])[:, None, None] for key in ("mean", "std"))
    torch.testing.assert_close(seen, (pixels - mean) / std, rtol=0, atol=1e-6)


def test_the_corner_is_resized_from_its_exact_edges():
    """A ramp of x and y: the corner's is the centre's, less by how far the squares lie apart."""
    height, width = np.mgrid[:96, :160]
    ramp = Image.fromarray(np.stack([width, height * 2, height + width], -1).astype(np.uint8))
    corner, centre = (shared(plain(32), corner).transform(ramp) * 255 for corner in (True, False))
    inner = (centre - corner)[:, 2:-2, 2:-2]
    apart = torch.tensor([80 - 42.0, 2 * (48 - 42), 80 - 42 + 48 - 42])[:, None, None].expand_as(inner)
    torch.testing.assert_close(inner, apart, rtol=0, atol=1.01)


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "photographs").mkdir()
    for i in range(16):
        picture(40 + i, 48).save(tmp_path / "photographs" / f"{i:02}.png")

    def made(images="folder:photographs", **crops):
        source = {"source": "net.py:net", "pretrained": False, "size": 16}
        models = {name: ModelSource(**source, crop=crop) for name, crop in crops.items()}
        ask = Ask(CKA(a=("one:0",), b=("two:0",)), batch=4)
        images = ImagesSource(images, order="given")
        return Study(models, {"images": images}, {"ask": ask}, crop="shared", folder=str(tmp_path))

    return made


def test_two_models_differ_by_their_crop_alone(asked, tmp_path):
    answer = seealike.run(asked(one="", two="corner"), tmp_path / "out")["ask"]
    assert answer.cka.item() < 0.99
    one, two = (answer.attrs["models"][name] for name in ("one", "two"))
    assert {key for key in one if one[key] != two[key]} == {"preprocessing"}
    assert one["preprocessing"].replace("central", "upper left") == two["preprocessing"]


def test_what_a_model_sees_of_each_image_is_its_corner(asked):
    made = asked(one="", two="corner")
    images = ImagesSource(f"folder:{made.folder}/photographs", order="given")
    source = replace(made.models["two"], source=f"{made.folder}/net.py:net")
    seen = seealike.features(source, images, "input", crop="shared", batch=4)["input"].values
    for i, one in enumerate(seen):
        side = 0.875 * min(40 + i, 48)
        cut = picture(40 + i, 48).resize((16, 16), Image.Resampling.BICUBIC, box=(0, 0, side, side))
        np.testing.assert_allclose(one.reshape(3, 16, 16), np.array(cut).transpose(2, 0, 1) / 255, atol=1e-6)


def test_the_crop_is_part_of_the_question(asked):
    digests = {
        crops: [question.digest for question in make_plan(asked(one="", two=crops)).passes[0].questions]
        for crops in ("", "corner")
    }
    assert digests[""] != digests["corner"]
    assert digests[""] == [q.digest for q in make_plan(asked(one="", two="")).passes[0].questions]


def test_messages(asked):
    table = {
        "models": {"vit": {"source": "zoo:vit", "crop": "corner"}},
        "images": {"test": {"source": "scenes:16"}},
        "ask": {"far": {"measure": "attention_distance", "model": "vit"}},
    }
    own = (
        r'models.vit.crop = "corner": .* this study has crop = "own". Write crop = "shared" above the tables, or leave'
    )
    with pytest.raises(StudyError, match=own):
        study(table)
    assert study(table | {"crop": "shared"}).models["vit"].crop == "corner"
    table["models"]["vit"]["crop"] = "left"
    with pytest.raises(StudyError, match=r"models.vit.crop = 'left': input should be '' or 'corner'"):
        study(table | {"crop": "shared"})
    with pytest.raises(StudyError, match=r'models.vit: crop = .left. is not "corner", which needs crop = "shared"'):
        expand("vit", table["models"]["vit"])
    given = Study({"net": nn.Flatten()}, {"images": ImagesSource("scenes:16")}, {"ask": Ask(CKA(a=("net:0",)))})
    assert given.crop == "own"  # a network of the user's own may have what attribute it likes


def test_tensors_have_no_corner(asked, tmp_path):
    (tmp_path / "data.py").write_text("import torch\n\ndef images():\n    return torch.rand(16, 3, 16, 16)\n")
    with pytest.raises(StudyError, match=r'models.two.crop = "corner": tensor \(16, 3, 16, 16\) .* holds tensors'):
        make_plan(asked(images="data.py:images", one="", two="corner"))
