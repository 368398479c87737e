"""`edit = [...]` of a model in a study: from the file to the answer, and what is refused."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from by_hand import vit
from safetensors.torch import save_model

import seealike
from seealike import cli
from seealike.errors import StudyError
from seealike.measures.cka import CKA
from seealike.models.sources import ModelSource, expand
from seealike.study.toml import load_study
from seealike.surgery import trainable, without_skip

STUDY = """
batch = 8
[models.intact]
source = "nets.py:vit"
[models.cut]
source = "nets.py:vit"
edit = ["without_skip(blocks.1)", "without_heads(blocks.0.attn, 0)"]
[images.scenes]
source = "scenes:32"
size = 16
[ask.intact]
measure = "cka"
layers = "intact:@block"
[ask.cut]
measure = "cka"
layers = "cut:@block"
[ask.distance]
measure = "attention_distance"
model = "cut"
"""
NETS = """
from timm.models.vision_transformer import VisionTransformer

def vit():
    return VisionTransformer(img_size=16, patch_size=4, embed_dim=12, depth=2, num_heads=3, num_classes=5)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


def test_an_edited_model_answers_for_itself():
    results = seealike.run(load_study("study.toml"), "out")
    intact, cut = results["intact"], results["cut"]
    assert [n.partition(":")[2] for n in cut.layer_a.values] == ["blocks.0", "blocks.1"]
    assert [n.partition(":")[2] for n in intact.layer_a.values] == ["blocks.0", "blocks.1"]
    assert float(abs(intact.cka.values - cut.cka.values).max()) > 1e-3
    edits = ["without_skip(blocks.1)", "without_heads(blocks.0.attn, 0)"]
    assert cut.attrs["models"]["cut"]["edits"] == edits and "edits" not in intact.attrs["models"]["intact"]
    assert cut.attrs["models"]["cut"]["source"] == intact.attrs["models"]["intact"]["source"]
    assert cut.attrs["models"]["cut"]["fingerprint"] != intact.attrs["models"]["intact"]["fingerprint"]
    assert f"cut: edited, {', '.join(edits)}" in cut.attrs["notes"]
    assert not any("edited" in note for note in intact.attrs["notes"])
    digests = {path.stem.rpartition("-")[2] for path in Path("out").glob("*.nc")}
    assert len(digests) == 3
    assert np.isfinite(results["distance"].attention_distance.values).all()


def test_the_weights_of_a_checkpoint_are_edited():
    torch.manual_seed(1)
    save_model(vit(), "w.safetensors")
    source = ModelSource("nets.py:vit", checkpoint="w.safetensors")
    Path("nets.py").write_text(NETS.replace("num_classes=5", "num_classes=5, init_values=0.5"))
    cut = replace(source, edit=("without_skip(blocks.1)",))
    measure, images = CKA(a=("a:@block",), b=("b:@block",)), torch.randn(32, 3, 16, 16)
    answer = seealike.answer(measure, {"a": source, "b": cut}, images, batch=8)
    assert abs(float(answer.cka[0, 0]) - 1) < 1e-6 and float(answer.cka[1, 1]) < 0.999
    assert answer.attrs["models"]["b"]["weights"].startswith("w.safetensors")


def test_a_trainable_network_is_asked_like_an_edited_one():
    net = vit()
    learner = trainable(net, (3, 16, 16), [without_skip("blocks.1")])
    images = torch.randn(32, 3, 16, 16)
    answer = seealike.answer(CKA(layers=("cut:@block",)), {"cut": learner}, images, batch=8)
    facts = answer.attrs["models"]["cut"]
    assert facts["edits"] == ["without_skip(blocks.1)"] and facts["source"].endswith("VisionTransformer")
    assert [n.partition(":")[2] for n in answer.layer_a.values] == ["blocks.0", "blocks.1"]
    intact = seealike.answer(CKA(layers=("net:@block",)), {"net": net}, images, batch=8)
    assert float(abs(intact.cka.values - answer.cka.values).max()) > 1e-4


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ('["without_skips(blocks.1)"]', 'models.cut.edit: "without_skips" is no edit. Closest: without_skip'),
        ('["without_skip blocks.1"]', 'models.cut.edit: "without_skip blocks.1" is no edit: write without_skip(NAME)'),
        ('["without_skip(blocks.7)"]', "cut: without_skip(blocks.7): cut has no residual addition of that name"),
        ('["without_heads(blocks.0, 3)"]', "blocks.0.attn has heads 0 to 2, so none is 3."),
        ('"without_skip(blocks.1)"', "models.cut.edit = 'without_skip(blocks.1)': input should be a valid list."),
        ("[3]", "models.cut.edit = (3,): input should be a valid string."),
    ],
)
def test_a_wrong_edit_is_a_message_and_exit_code_2(edit, said, monkeypatch, capsys):
    right = '["without_skip(blocks.1)", "without_heads(blocks.0.attn, 0)"]'
    Path("study.toml").write_text(STUDY.replace(right, edit))
    monkeypatch.setattr(sys, "argv", ["seealike", "run", "study.toml", "--out", "out"])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 2
    assert said in capsys.readouterr().err and not list(Path().glob("out/*.nc"))


def test_edits_of_a_list_of_checkpoints():
    table = {"source": "nets.py:vit", "checkpoint": ["a.pt", "b.pt"], "edit": ["without_norm(norm)"]}
    assert {source.edit for source in expand("net", table).values()} == {("without_norm(norm)",)}
    with pytest.raises(StudyError, match=r"edit = 'without_norm' is not a list of texts, for example \[\"without_skip"):
        expand("net", {**table, "edit": "without_norm"})
