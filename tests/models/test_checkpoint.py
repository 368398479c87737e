"""Checkpoints: what training scripts write is read strictly, and nothing in a file is ever run."""

import argparse
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from seealike.errors import StudyError
from seealike.models.sources.checkpoint import load_checkpoint


def network(seed=0, classes=4) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = {"conv": nn.Conv2d(3, 5, 3), "norm": nn.BatchNorm2d(5), "fc": nn.Linear(5, classes)}
        return nn.Sequential(nn.ModuleDict(parts), nn.Linear(2, 2))[0].eval()


@pytest.fixture
def saved():
    return network(1)


def renamed(saved, prefix):
    return {prefix + key: value for key, value in saved.state_dict().items()}


def load(content, tmp_path, name="weights.pt", **how):
    torch.save(content, tmp_path / name, **how)
    filled = network()
    return filled, load_checkpoint(filled, tmp_path / name, "net")


def refusal(path, module=None):
    with pytest.raises(StudyError) as error:
        load_checkpoint(module or network(), path, "net")
    return str(error.value)


def refused(content, tmp_path, name="weights.pt"):
    torch.save(content, tmp_path / name)
    before = network()
    message = refusal(tmp_path / name, before)
    assert same(before, network()), "a refused file must change nothing"
    return message


def same(a, b):
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(key == other and torch.equal(v, w) for (key, v), (other, w) in pairs)


def test_safetensors(saved, tmp_path):
    save_file(saved.state_dict(), tmp_path / "w.safetensors")
    filled = network()
    assert not same(filled, saved)
    assert load_checkpoint(filled, str(tmp_path / "w.safetensors"), "net") == ""
    assert same(filled, saved)


@pytest.mark.parametrize("zipped", [True, False])
def test_both_formats_of_torch(saved, tmp_path, zipped):
    filled, note = load(saved.state_dict(), tmp_path, _use_new_zipfile_serialization=zipped)
    assert same(filled, saved) and note == ""


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "model_ema", "state_dict_ema", "teacher"])
def test_wrappings(saved, tmp_path, key):
    filled, note = load({"epoch": 3, key: saved.state_dict(), "optimizer": {"lr": 0.1}}, tmp_path)
    assert same(filled, saved) and note == f" (its {key})"


def test_plain_weights_before_averaged_ones(saved, tmp_path):
    content = {"state_dict_ema": network(2).state_dict(), "state_dict": saved.state_dict()}
    filled, note = load(content, tmp_path)
    assert same(filled, saved) and note == " (its state_dict, not its state_dict_ema)"


def test_wrapped_twice(saved, tmp_path):
    filled, note = load({"model": {"state_dict": saved.state_dict()}}, tmp_path)
    assert same(filled, saved) and note == " (its model, its state_dict)"


def test_student_and_teacher_are_ambiguous(saved, tmp_path):
    message = refused({"student": saved.state_dict(), "teacher": saved.state_dict()}, tmp_path)
    assert "holds two networks, student and teacher: save the one you mean alone" in message


@pytest.mark.parametrize("prefix", ["module.", "model.", "backbone.", "encoder.", "_orig_mod.", "module._orig_mod."])
def test_prefixes(saved, tmp_path, prefix):
    filled, note = load(renamed(saved, prefix), tmp_path)
    assert same(filled, saved) and note == f" (without the prefix {prefix})"


def test_a_prefix_of_the_networks_own_stays(tmp_path):
    saved, filled = (nn.ModuleDict({"encoder": network(seed)}) for seed in (1, 0))
    torch.save(saved.state_dict(), tmp_path / "w.pt")
    assert load_checkpoint(filled, tmp_path / "w.pt", "net") == ""
    assert same(filled, saved)


def test_a_prefix_of_some_keys_is_none(saved, tmp_path):
    content = renamed(saved, "backbone.") | {"projector.weight": torch.zeros(2)}
    message = refused(content, tmp_path)
    assert "unexpected: backbone.conv.weight" in message and "missing: conv.weight" in message


def test_lightning(saved, tmp_path):
    content = {
        "state_dict": renamed(saved, "model."),
        "pytorch-lightning_version": "2.5",
        "callbacks": {},
        "loops": None,
    }
    filled, note = load(content, tmp_path, "last.ckpt")
    assert same(filled, saved) and note == " (its state_dict, without the prefix model.)"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_cast(saved, tmp_path, dtype):
    filled, _ = load({k: v.to(dtype) if v.is_floating_point() else v for k, v in saved.state_dict().items()}, tmp_path)
    assert filled["conv"].weight.dtype == torch.float32
    assert torch.equal(filled["conv"].weight, saved["conv"].weight.to(dtype).float())


def test_counts_of_batches_may_lack_or_be_left_over(saved, tmp_path):
    content = {k: v for k, v in saved.state_dict().items() if "num_batches" not in k}
    filled, _ = load(content | {"fc.num_batches_tracked": torch.tensor(3)}, tmp_path)
    assert torch.equal(filled["norm"].running_mean, saved["norm"].running_mean)
    assert torch.equal(filled["fc"].weight, saved["fc"].weight)


def test_missing_and_unexpected(saved, tmp_path):
    content = saved.state_dict()
    content["head.weight"] = content.pop("fc.weight")
    message = refused(content, tmp_path)
    assert "does not fit net: 1 missing: fc.weight; 1 unexpected: head.weight" in message
    assert "What would work: the source and options of the network that was saved" in message


def test_only_the_first_few_are_named(saved, tmp_path):
    message = refused({"conv.weight": saved["conv"].weight.detach()}, tmp_path)
    assert "fit net: 7 missing: conv.bias, norm.weight, norm.bias, ..." in message, "the count of batches is no eighth"


def test_shapes_and_the_number_of_classes(tmp_path):
    message = refused(network(1, classes=7).state_dict(), tmp_path)
    assert "2 different: fc.weight is 7x5 in the file and 4x5 in net, fc.bias is 7 in the file and 4 in net" in message
    assert "num_classes = 7" in message


def test_whole_numbers_are_no_weights(saved, tmp_path):
    message = refused(saved.state_dict() | {"fc.bias": torch.zeros(4, dtype=torch.int8)}, tmp_path)
    assert "fc.bias is of type torch.int8 in the file and torch.float32 in net" in message


def test_missing_file_and_folder(saved, tmp_path):
    torch.save(saved.state_dict(), tmp_path / "epoch10.pt")
    assert "There is no 'epoch1.pt'" in refusal(tmp_path / "epoch1.pt")
    assert "Closest: epoch10.pt." in refusal(tmp_path / "epoch1.pt")
    assert "this is a folder" in refusal(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_truncated(saved, tmp_path, zipped):
    torch.save(saved.state_dict(), tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    whole = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(whole[: len(whole) // 2])
    assert "is truncated or no checkpoint" in refusal(tmp_path / "w.pt")


@pytest.mark.parametrize("content", [b"", b"hello there\n", b"\x93NUMPY\x01\x00", b"<html>"])
def test_no_checkpoint(tmp_path, content):
    (tmp_path / "w.pt").write_bytes(content)
    assert "is truncated or no checkpoint" in refusal(tmp_path / "w.pt")
    (tmp_path / "w.safetensors").write_bytes(content)
    assert "is truncated or no safetensors file" in refusal(tmp_path / "w.safetensors")


def test_truncated_safetensors(saved, tmp_path):
    save_file(saved.state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:-8])
    assert "is truncated or no safetensors file" in refusal(tmp_path / "w.safetensors")


def test_pointer_of_git_lfs(tmp_path):
    (tmp_path / "w.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert "fetch it with `git lfs pull`" in refusal(tmp_path / "w.safetensors")


@pytest.mark.parametrize("content, found", [([1, 2], "one list"), ({"epoch": 3}, "the keys epoch"), ({}, "nothing")])
def test_no_state_dict(tmp_path, content, found):
    message = refused(content, tmp_path)
    assert f"holds no state dict, but {found}. Save the weights alone" in message


class Runs:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("how", ["zip", "old", "bare"])
def test_code_in_a_pickle_does_not_run(saved, tmp_path, how):
    ran, path = tmp_path / "ran", tmp_path / "w.pt"
    content = {"state_dict": saved.state_dict(), "callback": Runs(ran)}
    if how == "bare":
        path.write_bytes(pickle.dumps({"callback": Runs(ran)}))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "zip")
    message = refusal(path)
    assert not ran.exists()
    assert "it holds more than weights" in message and "would run code, so it was not read" in message
    assert "torch.save(model.state_dict(), FILE)" in message
    torch.load(path, weights_only=False) if how != "bare" else pickle.loads(path.read_bytes())
    assert ran.exists(), "the test's own pickle must be one that runs"


def test_pickled_modules_and_hyperparameters_are_refused(saved, tmp_path):
    assert "(torch.nn.modules.container.ModuleDict) and would run code" in refused(saved, tmp_path)
    content = {"state_dict": saved.state_dict(), "hyper_parameters": argparse.Namespace(lr=0.1)}
    assert "(argparse.Namespace) and would run code" in refused(content, tmp_path)
