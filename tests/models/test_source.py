"""Models from every source: the right network and preprocessing, and messages that help."""

import re
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from seealike.errors import StudyError
from seealike.models.graph import Graph
from seealike.models.sources import ModelSource, build, built_from, expand, fetching
from seealike.models.sources.fetching import Unfetchable

VIT = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 3, "num_classes": 5}
TINY = "timm:vit_tiny_patch16_224"


def made(source, **fields):
    return build("net", ModelSource(source, **fields))


def untrained(source, **fields):
    return made(source, pretrained=False, **fields)


def refusal(source, how=build, **fields):
    with pytest.raises(StudyError) as error:
        how("net", ModelSource(source, **fields))
    return str(error.value)


def same(a, b):
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, and caches of the test's own."""
    from huggingface_hub import constants

    def nobody(url):
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("seealike.images.fetching._ask_hub", nobody)
    monkeypatch.setattr(fetching, "_ask", nobody)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


@pytest.fixture(scope="module")
def vit_folder(tmp_path_factory):
    """A tiny classifier as `save_pretrained` writes it, with its processor."""
    return saved_vit(tmp_path_factory.mktemp("vit"))


def saved_vit(folder, processor=True, dtype=torch.float32):
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    with fetching.silenced():
        config = ViTConfig(**sizes, image_size=32, patch_size=8, num_labels=4)
        ViTForImageClassification(config).to(dtype).save_pretrained(folder)
        if processor:
            ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


# timm


def test_timm():
    built = untrained(TINY, options=VIT)
    assert len(built.module.blocks) == 2 and built.module.head.out_features == 5
    assert not any(m.training for m in built.module.modules())
    assert (built.preprocessing.size, built.channels, built.weights) == ((32, 32), 3, "untrained, seed 0")
    assert built.preprocessing.mean == (0.5, 0.5, 0.5), "of this model's weights, not of ImageNet in general"
    images = built.preprocessing.transform(Image.new("RGB", (50, 40)))[None]
    assert built.module(images).shape == (1, 5)


def test_timm_size():
    assert untrained("timm:resnet10t", size=(48, 64)).preprocessing.size == (48, 64)
    fixed = untrained(TINY, options={"depth": 1}, size=64)
    assert fixed.preprocessing.size == (64, 64)
    assert fixed.module(torch.zeros(1, 3, 64, 64)).shape == (1, 1000), "a model of fixed size is made for it"


def test_what_is_built_can_be_traced():
    built = untrained(TINY, options=VIT)
    graph = Graph.of(built.module, (built.channels, *built.preprocessing.size), "net")
    assert "blocks.1" in graph.by_name


def test_unknown_timm_names():
    message = refusal("timm:vit_tiny_patch16_22", pretrained=False)
    assert "timm has no model 'vit_tiny_patch16_22'. Closest: vit_tiny_patch16_224" in message
    message = refusal(f"{TINY}.augreg_in1k")
    assert "timm has no weights 'augreg_in1k' of vit_tiny_patch16_224. Closest: augreg_in21k" in message


def test_options_that_a_library_does_not_know():
    message = refusal(TINY, pretrained=False, options={"imgsize": 32})
    assert message.startswith(f"{TINY} cannot be built with options = {{ imgsize = 32 }}: TypeError")
    assert re.search(r"unexpected keyword argument 'imgsize'.*\. What would work: other options\.", message)
    message = refusal("torchvision:resnet18", pretrained=False, options={"width": 3})
    assert "torchvision:resnet18 cannot be built with options = { width = 3 }" in message


def test_channels():
    message = refusal(TINY, pretrained=False, options={"in_chans": 1})
    assert "takes greyscale images (1 channel), which is not supported yet" in message
    assert "images of 4 channels" in refusal(TINY, pretrained=False, options={"in_chans": 4})


def test_a_mean_beside_the_models_own_is_refused():
    for source in ("timm:resnet10t", "torchvision:squeezenet1_1"):
        message = refusal(source, pretrained=False, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
        assert f"{source} brings its own mean and std (mean (0.485, 0.456, 0.406)" in message


# torchvision


def test_torchvision():
    built = untrained("torchvision:squeezenet1_1", options={"num_classes": 5})
    image = Image.radial_gradient("L").convert("RGB")
    own = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.transforms()
    assert torch.equal(built.preprocessing.transform(image), own(image))
    assert not built.module.training and built.module(torch.zeros(1, 3, 64, 64)).shape == (1, 5)


def test_torchvision_size():
    built = untrained("torchvision:resnet18", size=(48, 32))
    own = torchvision.models.ResNet18_Weights.DEFAULT.transforms(crop_size=[48, 32], resize_size=round(256 * 48 / 224))
    own.crop_size = [48, 32]
    image = Image.radial_gradient("L").convert("RGB")
    assert built.preprocessing.size == (48, 32) and torch.equal(built.preprocessing.transform(image), own(image))


def test_torchvision_transformers_say_their_size():
    assert untrained("torchvision:vit_b_16", options={"image_size": 32}).preprocessing.size == (32, 32)


def test_torchvision_size_for_what_is_not_cropped():
    assert untrained("torchvision:lraspp_mobilenet_v3_large", size=64).preprocessing.size == (64, 64)


def test_unknown_torchvision_name():
    message = refusal("torchvision:resnet19")
    assert "torchvision has no model 'resnet19'. Closest: resnet1" in message


# transformers


def test_huggingface_folder(vit_folder):
    from transformers import ViTForImageClassification

    built = build("net", ModelSource(f"hf:{vit_folder.name}"), folder=vit_folder.parent)
    with fetching.silenced():
        expected = ViTForImageClassification.from_pretrained(vit_folder)
    assert type(built.module) is type(expected) and same(built.module, expected)
    assert built.weights == f"pretrained: hf {vit_folder.name}" and not built.module.training
    assert built.preprocessing.size == (32, 32) and "ViTImageProcessor" in built.preprocessing.text
    assert built.module.config._attn_implementation == "sdpa"


def test_huggingface_untrained_and_options(vit_folder):
    built = untrained(f"hf:{vit_folder}", options={"num_hidden_layers": 1, "attn_implementation": "eager"})
    assert built.weights == "untrained, seed 0"
    assert built.module.config.num_hidden_layers == 1 and built.module.config._attn_implementation == "eager"
    assert same(built.module, untrained(f"hf:{vit_folder}", options={"num_hidden_layers": 1}).module)


def test_huggingface_size_follows_the_options(vit_folder):
    built = untrained(f"hf:{vit_folder}", options={"image_size": 48})
    assert built.preprocessing.size == (48, 48)
    assert built.module(torch.zeros(1, 3, 48, 48)).logits.shape == (1, 4)


def test_huggingface_new_head(vit_folder):
    built = made(f"hf:{vit_folder}", options={"num_labels": 7})
    assert built.weights == f"pretrained: hf {vit_folder}, untrained: classifier"
    assert same(built.module, made(f"hf:{vit_folder}", options={"num_labels": 7}).module), "drawn from the seed"


def test_huggingface_half_precision_and_no_processor(tmp_path):
    built = made(f"hf:{saved_vit(tmp_path, processor=False, dtype=torch.float16)}")
    assert {p.dtype for p in built.module.parameters()} == {torch.float32}
    assert built.preprocessing.size == (32, 32) and built.preprocessing.mean == (0.485, 0.456, 0.406)
    assert "no processor beside the model, so the mean and std of ImageNet" in built.preprocessing.text
    own = made(f"hf:{tmp_path}", mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0), size=64).preprocessing
    assert (own.size, own.mean) == ((64, 64), (0.5, 0.5, 0.5)) and "ImageNet" not in own.text


def test_huggingface_sees_with_the_vision_tower(tmp_path):
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    with fetching.silenced():
        towers = {
            "vision_config": {**sizes, "image_size": 32, "patch_size": 8},
            "text_config": {**sizes, "vocab_size": 50},
        }
        whole = CLIPModel(CLIPConfig(**towers))
        whole.save_pretrained(tmp_path)
        CLIPImageProcessor(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    built = made(f"hf:{tmp_path}", size=(64, 48))
    assert type(built.module).__name__ == "CLIPVisionModel" and built.weights == f"pretrained: hf {tmp_path}"
    images = torch.rand(2, 3, 32, 32)
    expected = whole.eval().vision_model(images).pooler_output
    assert torch.equal(built.module(images).pooler_output, expected)
    assert built.preprocessing.size == (64, 48)
    assert "shortest_edge" in built.preprocessing.text and "72" in built.preprocessing.text


def test_huggingface_messages(vit_folder, tmp_path):
    message = refusal(f"hf:{vit_folder}", options={"num_classes": 3})
    assert "has no option 'num_classes'. Closest: " in message and "num_labels" in message
    assert "There is no 'vid0'" in refusal(f"hf:{tmp_path}/vid0")
    assert "brings its own mean and std" in refusal(f"hf:{vit_folder}", mean=(0.0,) * 3, std=(1.0,) * 3)
    (tmp_path / "config.json").write_text('{"model_type": "nothing_known"}')
    assert "cannot be built with no options: ValueError" in refusal(f"hf:{tmp_path}")


def test_weights_of_another_model_are_refused(tmp_path):
    saved_vit(tmp_path)
    save_file({"something.weight": torch.zeros(3)}, tmp_path / "model.safetensors", {"format": "pt"})
    message = refusal(f"hf:{tmp_path}")
    assert "are not those of a ViTForImageClassification" in message and "FILE.py:FUNCTION" in message


def test_without_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "hf:google/vit needs transformers" in refusal("hf:google/vit")
    assert "install seealike[hf]" in refusal("hf:google/vit")


# a file of the user's

FILE = """
from torch import nn
import beside

def net(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.Dropout())

def words():
    return "a network"

def broken():
    raise KeyError("fc")
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "models.py").write_text(FILE)
    (tmp_path / "beside.py").write_text("")
    return tmp_path


def test_file(folder):
    source = ModelSource("models.py:net", options={"width": 6}, size=16, mean=(0.5,) * 3, std=(0.25,) * 3)
    built = build("net", source, folder=folder)
    assert built.module[0].out_channels == 6 and not built.module[1].training
    assert (built.preprocessing.size, built.preprocessing.std) == ((16, 16), (0.25,) * 3)
    assert built.weights == "as models.py:net makes them, seed 0"
    assert same(built.module, build("other", source, folder=str(folder)).module)


@pytest.mark.parametrize(
    "source, options, message",
    [
        ("models.py:words", {}, "models.py:words returned a str: the function must return a torch.nn.Module"),
        ("models.py:nets", {}, "no function 'nets' in models.py. Closest: net"),
        ("model.py:net", {}, "There is no 'model.py' in"),
        ("models.py:broken", {}, "models.py:broken raised KeyError: 'fc'"),
        ("models.py:net", {"depth": 1}, "unexpected keyword argument 'depth'"),
    ],
)
def test_file_messages(folder, source, options, message):
    with pytest.raises(StudyError) as error:
        build("net", ModelSource(source, options=options), folder=folder)
    assert message in str(error.value)


# modules as they are


def test_given_module_is_not_changed():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    built = built_from(module, size=16, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert not built.module.training and module.training and built.module is not module
    assert built.module[0].weight is module[0].weight and not hasattr(module, "pretrained_cfg")
    built.module[1].running_mean.fill_(7.0)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert (built.preprocessing.size, built.weights) == ((16, 16), "as given")


def test_given_timm_module_brings_its_preprocessing():
    module = timm.create_model("vit_tiny_patch16_224", **VIT)
    own = built_from(module).preprocessing
    assert (own.size, own.mean, own.text[:5]) == ((32, 32), (0.5, 0.5, 0.5), "timm:")
    assert built_from(module, size=64).preprocessing.size == (64, 64)
    plain = built_from(module, mean=(0.0,) * 3, std=(1.0,) * 3).preprocessing
    assert (plain.size, plain.mean, plain.text[:6]) == ((32, 32), (0.0,) * 3, "plain:")


# weights


def test_untrained_weights_are_drawn_from_the_seed_alone():
    source = ModelSource("timm:test_resnet", pretrained=False)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = build("net", source)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert same(first.module, build("net", source).module)
    other = build("net", source, seed=1)
    assert not same(first.module, other.module) and other.weights == "untrained, seed 1"
    own = build("net", replace(source, seed=1), seed=7)
    assert same(own.module, other.module) and own.weights == "untrained, seed 1"


def test_checkpoint_instead_of_pretrained_weights(offline):
    trained = build("net", ModelSource(TINY, pretrained=False, options=VIT), seed=3).module
    save_file({"model." + key: value for key, value in trained.state_dict().items()}, offline / "w.safetensors")
    built = build("net", ModelSource(TINY, checkpoint="w.safetensors", options=VIT), folder=offline)
    assert same(built.module, trained)
    assert built.weights == "w.safetensors (without the prefix model.)"
    message = refusal(TINY, checkpoint=str(offline / "w.safetensors"), options={**VIT, "num_classes": 9})
    assert "does not fit net" in message and "num_classes = 5" in message


@pytest.mark.parametrize("source", ["timm:test_vit", "timm:legacy_xception", "torchvision:squeezenet1_1"])
def test_unfetchable_weights(offline, source):
    started = time.monotonic()
    message = refusal(source)
    assert time.monotonic() - started < 10
    assert message.startswith(f"the pretrained weights of {source} could not be fetched: ")
    assert ": Name or service not known. What would work: a machine with network or a filled cache; " in message
    assert 'checkpoint = "FILE.safetensors"; pretrained = false (untrained weights)' in message


@pytest.mark.parametrize("source", ["timm:hf-hub:someone/something", "hf:google/vit-base-patch16-224"])
def test_unfetchable_configurations(offline, source):
    message = refusal(source, pretrained=False)
    assert message.startswith(f"the configuration of {source} could not be fetched: ")
    assert "pretrained = false" not in message, "it would not help"


def test_untrained_if_unfetchable(offline):
    source = ModelSource("timm:test_vit")
    built = build("net", source, untrained_if_unfetchable=True)
    assert built.weights.startswith("untrained, seed 0: pretrained weights could not be fetched (")
    assert "Name or service not known" in built.weights
    assert same(built.module, untrained("timm:test_vit").module)
    with pytest.raises(Unfetchable):
        build("net", ModelSource("hf:someone/something"), untrained_if_unfetchable=True)


def test_nothing_is_left_switched_off(offline, monkeypatch):
    from huggingface_hub import constants

    refusal("timm:test_vit")
    assert constants.HF_HUB_OFFLINE is False
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set, and the cache does not hold it" in refusal("timm:test_vit")
    assert constants.HF_HUB_OFFLINE is True


def test_a_filled_cache_is_used_without_network(offline):
    trained = build("net", ModelSource("timm:test_vit", pretrained=False), seed=3).module
    repository = offline / "hub" / f"models--{timm.get_pretrained_cfg('test_vit').hf_hub_id.replace('/', '--')}"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    save_file(trained.state_dict(), snapshot / "model.safetensors")
    built = made("timm:test_vit")
    assert same(built.module, trained) and built.weights == "pretrained: timm r160_in1k"
    head = made("timm:test_vit", options={"num_classes": 7})
    assert head.weights == "pretrained: timm r160_in1k, its head of 7 classes untrained"
    assert "pretrained = false" in refusal("timm:test_vit", options={"embed_dim": 32})


def test_a_filled_cache_of_torch_is_used_without_network(offline):
    trained = build("net", ModelSource("torchvision:squeezenet1_1", pretrained=False), seed=3).module
    file = Path(torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url).name
    (offline / "torch/hub/checkpoints").mkdir(parents=True)
    torch.save(trained.state_dict(), offline / "torch/hub/checkpoints" / file)
    built = made("torchvision:squeezenet1_1")
    assert same(built.module, trained) and built.weights == "pretrained: torchvision IMAGENET1K_V1"


def test_no_answer_is_not_waited_for(monkeypatch):
    reason = fetching.unreachable("https://hub.example/x", lambda url: time.sleep(2), seconds=0.1)
    assert reason == "hub.example: no answer within 0.1 seconds"
    assert fetching.unreachable("https://hub.example/x", lambda url: None) is None


def test_libraries_are_quiet(offline, vit_folder, capfd):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        made(f"hf:{vit_folder}", options={"num_labels": 7})
        refusal("torchvision:squeezenet1_1")
        refusal("timm:test_vit")
        untrained("torchvision:googlenet", options={"num_classes": 2})
    assert not heard and capfd.readouterr() == ("", "")


# tables


def test_expand():
    table = {"source": "timm:resnet18", "size": [32, 48], "mean": [0, 0, 0], "tags": {"family": "cnn"}}
    ((name, source),) = expand("net", {**table, "checkpoint": "a.pt"}).items()
    assert name == "net" and source == ModelSource(
        "timm:resnet18", checkpoint="a.pt", size=(32, 48), mean=(0.0, 0.0, 0.0), tags={"family": "cnn"}
    )
    several = expand("net", {**table, "checkpoint": ["a.pt", "b.pt"]})
    assert {name: source.checkpoint for name, source in several.items()} == {"net@0": "a.pt", "net@1": "b.pt"}
    assert expand("net", {"source": "timm:resnet18"}) == {"net": ModelSource("timm:resnet18")}


@pytest.mark.parametrize(
    "table, message",
    [
        ({"sorce": "timm:x"}, "models.net: unknown key 'sorce'. Closest: source."),
        ({"size": 32}, "models.net: source is missing. Write timm:NAME"),
        ({"source": "timm:x", "checkpoint": []}, "models.net: checkpoint = [] names no file"),
        ({"source": "timm:x", "checkpoint": [3]}, "models.net: checkpoint = 3 is not a file or a list of files"),
        ({"source": "timm:x", "size": [3, 4, 5]}, "size = [3, 4, 5] is not a number of pixels, or [height, width]"),
        ({"source": "timm:x", "tags": {"year": 2021}}, "is not a table of texts, for example"),
        ({"source": "timm:x", "mean": 0.5}, "mean = 0.5 is not a list of numbers"),
    ],
)
def test_table_messages(table, message):
    with pytest.raises(StudyError) as error:
        expand("net", table)
    assert message in str(error.value)


@pytest.mark.parametrize("source", ["resnet18", "tim:resnet18", "timm:", "models.py"])
def test_source_that_names_no_model(source):
    message = refusal(source)
    assert f"models.net: source = {source!r} names no model" in message and "FILE.py:FUNCTION" in message
    assert ("Did you mean timm:resnet18?" in message) == (source == "resnet18")
