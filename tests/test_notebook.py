"""One-liners: any model, any images, an answer in hand; the user's module as it was."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import seealike
from seealike.errors import StudyError
from seealike.measures.cka import CKA


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.drop = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.head = nn.Linear(144, 5)

    def forward(self, x):
        return self.head(self.drop(self.bn(self.conv(x)).relu().flatten(1)))


def made(seed: int) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Net()


def pictures(count: int = 40) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def labelled(count: int = 40) -> TensorDataset:
    return TensorDataset(pictures(count), torch.zeros(count))


SOURCES = {
    "tensor": pictures,
    "dataset": labelled,
    "loader": lambda: DataLoader(labelled(), batch_size=10),
    "shuffled loader": lambda: DataLoader(labelled(), batch_size=10, shuffle=True),
    "generator": lambda: iter(pictures().split(10)),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_model_is_like_itself_on_any_images(kind):
    answer = seealike.cka(made(0), made(0), SOURCES[kind]())
    assert answer.layer_a.values.tolist() == ["a:conv", "a:bn", "a:drop", "a:head"]
    assert answer.layer_b.values.tolist() == ["b:conv", "b:bn", "b:drop", "b:head"]
    np.testing.assert_allclose(np.diag(answer.cka), 1, atol=1e-6)
    assert float(answer.cka.min()) < 0.999
    assert answer.attrs["images_seen"] == 40


def test_all_kinds_of_images_give_one_answer():
    """In the order given the batches are the same; a tensor and a dataset are taken in one seeded order."""
    tensor, dataset, loader, generator = (
        seealike.cka(made(0), made(1), SOURCES[kind](), **batch).cka
        for kind, batch in (("tensor", {"batch": 10}), ("dataset", {"batch": 10}), ("loader", {}), ("generator", {}))
    )
    np.testing.assert_array_equal(tensor, dataset)
    np.testing.assert_array_equal(loader, generator)
    assert not np.array_equal(tensor, loader)
    again = seealike.cka(made(0), made(1), DataLoader(labelled(), batch_size=40), batch=10)
    np.testing.assert_array_equal(loader, again.cka)
    assert again.attrs["batch"] == 10


def test_a_loader_s_batch_is_in_the_answer():
    assert seealike.cka(made(0), images=SOURCES["loader"]()).attrs["batch"] == 10


def test_of_a_loader_none_can_be_chosen():
    with pytest.raises(StudyError, match=r"stream from a DataLoader cannot be chosen from.*leave take out\."):
        seealike.cka(made(0), images=SOURCES["loader"](), take=20)


def test_a_source_as_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("from torch import nn\n\ndef net():\n    return nn.Conv2d(3, 4, 3)\n")
    (tmp_path / "data.py").write_text("import torch\n\ndef images():\n    return torch.rand(16, 3, 8, 8)\n")
    answer = seealike.cka("net.py:net", made(0), "data.py:images", b=["conv", "head"])
    assert answer.cka.shape == (1, 2)
    assert answer.attrs["models"]["a"]["source"] == "net.py:net"
    assert answer.attrs["models"]["b"]["source"] == f"{__name__}.Net"


def test_layers_and_view_and_estimator():
    answer = seealike.cka(made(0), images=pictures(), a="conv", view="mean", estimator="biased")
    assert answer.cka.shape == (1, 1) and answer.attrs["question"]["estimator"] == "biased"
    across = seealike.cka(made(0), made(1), pictures(), a="conv", b=["bn", "head"])
    assert across.layer_b.values.tolist() == ["b:bn", "b:head"]


def test_the_user_s_module_is_as_it_was():
    net = made(0).train()
    net.bn.eval()
    net.head.bias.requires_grad_(False)
    net.conv(pictures(2)).sum().backward()
    seen: list[str] = []
    net.conv.register_forward_hook(lambda module, inputs, output: seen.append("forward"))
    net.register_forward_pre_hook(lambda module, inputs: None)

    def state():
        return (
            {name: m.training for name, m in net.named_modules()},
            {name: (len(m._forward_hooks), len(m._forward_pre_hooks)) for name, m in net.named_modules()},
            {name: p.requires_grad for name, p in net.named_parameters()},
            {name: None if p.grad is None else p.grad.sum().item() for name, p in net.named_parameters()},
            {name: id(p) for name, p in net.named_parameters()},
        )

    before, numbers = state(), {name: v.clone() for name, v in net.state_dict().items()}
    torch.manual_seed(5)
    random = torch.get_rng_state()
    seealike.cka(net, images=DataLoader(labelled(), batch_size=10, shuffle=True))
    seealike.features(net, pictures(), "head")
    assert state() == before
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(numbers[name], v) for name, v in net.state_dict().items())
    seen.clear()
    net(pictures(2))
    assert seen == ["forward"]


def test_answer_takes_any_measure_and_names():
    answer = seealike.answer(CKA(a="x:conv", b="y:head"), {"x": made(0), "y": made(1)}, pictures(), batch=8, seed=3)
    assert answer.layer_a.values.tolist() == ["x:conv"] and answer.layer_b.values.tolist() == ["y:head"]
    assert list(answer.attrs["models"]) == ["x", "y"]
    assert (answer.attrs["batch"], answer.attrs["seed"], answer.attrs["measure"]) == (8, 3, "cka")


def test_two_names_of_one_module_are_two_models():
    net = made(0)
    answer = seealike.answer(CKA(a="x:**", b="y:**"), {"x": net, "y": net}, pictures())
    assert list(answer.attrs["models"]) == ["x", "y"]
    np.testing.assert_allclose(np.diag(answer.cka), 1, atol=1e-6)


@pytest.mark.parametrize("kind", ["tensor", "dataset", "loader"])
def test_features_are_in_the_order_of_the_images(kind):
    net = made(0).eval()
    table = seealike.features(net, SOURCES[kind](), ("conv", "head"), batch=8)
    with torch.no_grad():
        np.testing.assert_allclose(table["head"].values, net(pictures()).numpy(), atol=1e-5)
        np.testing.assert_allclose(table["conv"].values, net.conv(pictures()).numpy(), atol=1e-5)
    assert table.image.values.tolist() == [str(i) for i in range(40)]


def test_features_of_some_images():
    net = made(0).eval()
    table = seealike.features(net, pictures(), "head", take=9)
    assert len(set(table.image.values)) == 9
    with torch.no_grad():
        expected = net(pictures()[[int(i) for i in table.image.values]]).numpy()
    np.testing.assert_allclose(table["head"].values, expected, atol=1e-5)


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'seealike' has no attribute 'cca'"):
        _ = seealike.cca
    assert {name for name in dir(seealike) if getattr(seealike, name) is None} == set()
    assert {"cka", "features", "answer", "run", "load_study", "Results", "figures"} <= set(dir(seealike))


def test_importing_seealike_imports_no_torch():
    code = "import seealike, sys; seealike.Results; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
