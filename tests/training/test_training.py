"""Networks learn, and what is written of them can be used: by studies, by further training, by the next command."""

import logging
import sys
import tomllib
import warnings

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import write

from seealike import cli, surgery
from seealike.errors import StudyError
from seealike.images.sources import open_images
from seealike.models.graph import Graph
from seealike.models.run import output
from seealike.models.sources import ModelSource, build
from seealike.training import fitting, load_recipe, train
from seealike.training.toml import text


def taught(folder, name="net", **written):
    recipe = load_recipe(write(folder, name=f"{name}.toml", **written))
    return train(recipe, folder / "out", name)


def right(folder, answer):
    """The share of the test images named right, one by one."""
    images = open_images(f"{folder}/net.py:test")
    seen = [torch.from_numpy(np.array(images.read(i))).permute(2, 0, 1) / 255 for i in range(len(images))]
    with torch.no_grad():
        guesses = [int(answer(((x - 0.5) / 0.25)[None]).argmax()) for x in seen]
    return float(np.mean([guess == images.label(i) for i, guess in enumerate(guesses)]))


def loaded(folder, **fields):
    source = ModelSource("net.py:net", size=16, mean=(0.5,) * 3, std=(0.25,) * 3, **fields)
    return build("net", source, folder=folder)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    return folder, taught(folder, training='epochs = 6\naugment = ["mirror"]\nhalf = true')


def test_a_network_learns(learned, tmp_path):
    _, trained = learned
    assert trained.result.accuracy > 0.8 > 0.6 > taught(tmp_path, training="epochs = 0").result.accuracy


def test_the_card_says_what_the_weights_can_do(learned):
    folder, trained = learned
    weights = load_file(trained.weights)
    assert {w.dtype for w in weights.values()} == {torch.float16, torch.int64}
    built = loaded(folder, checkpoint="out/net.safetensors")
    assert right(folder, built.module) == pytest.approx(trained.result.accuracy, abs=1e-6)
    card = tomllib.loads(trained.card.read_text())
    assert card["result"] == {
        "accuracy": trained.result.accuracy,
        "tested": "30 images of Images of 30",
        "trained": "42 images of Images of 42",
        "images_seen": 6 * 42 + 4,  # the last batch is full
        "parameters": sum(p.numel() for p in built.module.parameters()),
        "seconds": trained.result.seconds,
    }
    recipe = load_recipe(folder / "net.toml")
    assert load_recipe(trained.card) == recipe
    with safe_open(trained.weights, "pt") as file:
        assert file.metadata()["recipe"] == text(recipe)


def test_logs_are_a_table_and_tensorboard_s(learned):
    folder, _ = learned
    logs = sorted(path.name.partition(".")[0] for path in (folder / "out/net-logs").iterdir())
    assert logs == ["events", "hparams", "metrics"]
    lines = (folder / "out/net-logs/metrics.csv").read_text().splitlines()
    assert lines[0] == "accuracy,epoch,loss,rate,step"
    assert [line.rpartition(",")[2] for line in lines[1:]] == ["0", "20", "31"]


def test_what_is_done_is_not_done_again(learned, monkeypatch, capsys):
    folder, trained = learned
    recipe, before = load_recipe(folder / "net.toml"), trained.weights.stat().st_mtime_ns
    monkeypatch.setattr(fitting, "fit", None)
    again = train(recipe, folder / "out", "net")
    assert again == trained and trained.weights.stat().st_mtime_ns == before
    assert "net.safetensors: made by this recipe already" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["another recipe", "no card", "a broken card", "another start"])
def test_what_is_not_of_this_recipe_is_done_again(tmp_path, change):
    write(tmp_path)
    start = loaded(tmp_path).module.state_dict()
    save_file(start, tmp_path / "start.safetensors")
    written = {"model": 'checkpoint = "start.safetensors"', "training": "epochs = 0.2"}
    trained = taught(tmp_path, **written)
    if change == "another recipe":
        written["training"] = "epochs = 0.2\nshift = 1"
    elif change == "no card":
        trained.card.unlink()
    elif change == "a broken card":
        trained.card.write_text("seed = ")
    else:
        save_file({key: value + 1 for key, value in start.items()}, tmp_path / "start.safetensors")
    before = trained.weights.stat().st_mtime_ns
    assert taught(tmp_path, **written).weights.stat().st_mtime_ns > before


def test_training_goes_on_from_a_checkpoint(learned, tmp_path):
    _, trained = learned
    model = f'checkpoint = "{trained.weights}"'
    same = taught(tmp_path, model=model, training="epochs = 0")
    assert same.result.accuracy == trained.result.accuracy
    tuned = taught(tmp_path, "tuned", model=model, training="epochs = 1\nrate = 0")
    ours, theirs = load_file(tuned.weights), load_file(trained.weights)
    assert all(
        torch.equal(value, theirs[key].float())
        for key, value in ours.items()
        if "blocks" not in key or "norm" not in key
    )


@pytest.mark.parametrize("edit", ["without_skip(blocks.0)", "without_norm(blocks.1.norm)"])
def test_an_edited_network_is_trained_and_read_back_with_its_edit(tmp_path, edit):
    trained = taught(tmp_path, model=f'edit = ["{edit}"]', training="epochs = 4")
    built = loaded(tmp_path, checkpoint="out/net.safetensors", edit=(edit,))
    graph = surgery.edited(Graph.of(built.module, (3, 16, 16)), [surgery.parse(edit)])
    assert right(tmp_path, lambda x: output(graph, x)) == pytest.approx(trained.result.accuracy, abs=1e-6)
    plain = taught(tmp_path, "plain", training="epochs = 4")
    ours, theirs = load_file(trained.weights), load_file(plain.weights)
    assert ours.keys() == theirs.keys() and not torch.equal(ours["stem.weight"], theirs["stem.weight"])
    assert list(tomllib.loads(trained.card.read_text())["model"]["edit"]) == [edit]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_one_step_is_that_of_the_optimizers_by_hand(tmp_path, optimizer):
    """Without augmentation, warm-up or dropout: the step that PyTorch's own loop makes."""
    lines = f'epochs = 0.1\noptimizer = "{optimizer}"\nlabel_smoothing = 0.1\nwarmup = 0\nschedule = "linear"'
    path = write(tmp_path, training=lines)
    net = (tmp_path / "net.py").read_text().replace("nn.Dropout(0.2)", "nn.Identity()")
    (tmp_path / "net.py").write_text(net)
    trained = train(load_recipe(path), tmp_path / "out", "net")
    assert trained.result.images_seen == 8
    module = loaded(tmp_path, pretrained=False).module.train()
    images = open_images(f"{tmp_path}/net.py:train")
    chosen = fitting_order(42)[:8]
    x = torch.stack([torch.from_numpy(np.array(images.read(i))).permute(2, 0, 1) for i in chosen])
    x, y = (x / 255 - 0.5) / 0.25, torch.tensor([images.label(i) for i in chosen])
    torch.nn.functional.cross_entropy(module(x), y, label_smoothing=0.1).backward()
    inner = [p for n, p in module.named_parameters() if n.startswith("blocks.") and p.ndim == 2]
    inner = inner if optimizer == "muon" else []
    others = [p for p in module.parameters() if all(p is not q for q in inner)]
    half = 0.5  # the only step is half-way down
    torch.optim.AdamW(others, 1e-2 * half, weight_decay=0.05).step()
    if inner:
        torch.optim.Muon(inner, 0.02 * half, weight_decay=0.05).step()
    weights = load_file(trained.weights)
    for key, value in module.state_dict().items():
        # a bias before BatchNorm has no gradient but rounding, of which AdamW keeps the sign alone
        assert key.endswith("conv.bias") or torch.allclose(weights[key].float(), value.float(), atol=1e-5), key


def fitting_order(count):
    return np.argsort(np.random.PCG64([0, 0]).random_raw(count), kind="stable").tolist()


def test_the_user_s_world_is_as_before(tmp_path):
    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), torch.is_grad_enabled()
    level, filters = logging.getLogger("lightning.pytorch").level, list(warnings.filters)
    taught(tmp_path, training='epochs = 1\nprecision = "bf16"\naugment = ["crop"]')
    assert before == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), torch.is_grad_enabled())
    assert level == logging.getLogger("lightning.pytorch").level and filters == warnings.filters


def test_random_state_and_workers_change_nothing(tmp_path):
    recipe = load_recipe(write(tmp_path, train="mixed", training='epochs = 1\naugment = ["crop", "mirror"]'))
    found = []
    for workers in (0, 2):
        torch.manual_seed(workers)
        found.append(load_file(train(recipe, tmp_path / str(workers), "net", workers=workers).weights))
    assert all(torch.equal(value, found[1][key]) for key, value in found[0].items())


@pytest.mark.parametrize("seed", [0, 1])
def test_seeds_begin_elsewhere(tmp_path, seed):
    assert load_file(taught(tmp_path, seed=seed, training="epochs = 0").weights)["stem.weight"].flatten()[0] == (
        loaded_with(tmp_path, seed)
    )


def loaded_with(folder, seed):
    source = ModelSource("net.py:net", pretrained=False, size=16)
    return build("net", source, folder=folder, seed=seed).module.state_dict()["stem.weight"].flatten()[0]


def test_the_command_trains_and_says_where(tmp_path, monkeypatch, capfd):
    path = write(tmp_path, training="epochs = 0.2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["seealike", "train", path.name, "--out", "networks"])
    for said in ("networks/tiny.safetensors: ", "networks/tiny.safetensors: made by this recipe already, "):
        with pytest.raises(SystemExit) as exit:
            cli.main()
        told = capfd.readouterr()
        assert not exit.value.code and told.out.startswith(said) and "% right of 30 images of" in told.out
        assert "Lightning" not in told.err and "💡" not in told.err + told.out


def test_the_command_writes_no_card_over_the_recipe(tmp_path, monkeypatch, capsys):
    path = write(tmp_path, training="epochs = 0")
    before = path.read_text()
    monkeypatch.setattr(sys, "argv", ["seealike", "train", str(path), "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 2 and path.read_text() == before
    assert "the card of the network would be written over the recipe: give another --out." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"model": "options = { classes = 2 }"}, "a label is 2, and the network tells 2 classes apart"),
        ({"model": 'checkpoint = "none.pt"'}, "none.pt"),
        ({"model": 'edit = ["without_skip(blocks.9)"]'}, "blocks.9"),
        ({"train": "nothing"}, "nothing"),
    ],
)
def test_what_does_not_fit_together_is_said_before_training(tmp_path, written, said):
    with pytest.raises(StudyError, match=said):
        taught(tmp_path, **written)


def test_a_network_without_a_size_is_refused(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text().replace("size = 16\n", ""))
    with pytest.raises(StudyError, match=r"which size of images the network takes. Write size = 32"):
        train(load_recipe(path), tmp_path / "out", "net")


def test_a_network_that_returns_no_classes_is_refused(tmp_path):
    path = write(tmp_path)
    net = (tmp_path / "net.py").read_text().replace("self.head(self.blocks(self.stem(x)).mean((2, 3)))", "self.stem(x)")
    (tmp_path / "net.py").write_text(net)
    with pytest.raises(StudyError, match=r"the network returns a Tensor of shape \(2, 6, 4, 4\): .* images x classes"):
        train(load_recipe(path), tmp_path / "out", "net")
