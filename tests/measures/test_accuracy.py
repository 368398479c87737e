"""How often networks are right: planted networks, ties, labels that are missing, and the scores by hand."""

import functools

import numpy as np
import pytest
import torch
from small import images, stirred
from torch import nn

import seealike
from seealike.errors import RunError, StudyError
from seealike.images.order import order
from seealike.images.tensors import Tensors
from seealike.measures.accuracy import Accuracy
from seealike.models.graph import Graph
from seealike.selection import Models
from seealike.study.toml import study

SIZE, CLASSES = (3, 4, 4), 7


class Reader(nn.Module):
    """Tells the class from the first pixels of the first row, where `shown` writes it; `turned`: another one."""

    def __init__(self, turned=0, classes=CLASSES, gain=1.0):
        super().__init__()
        self.turned, self.gain, self.classes = turned, nn.Parameter(torch.tensor(gain)), classes

    def forward(self, x):
        return self.gain * x.flatten(1)[:, : self.classes].roll(self.turned, 1)


class Linear(nn.Module):
    def __init__(self, classes=CLASSES):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, classes, 1)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3), keepdim=True)).flatten(1)


def net(seed=0, classes=CLASSES):
    torch.manual_seed(seed)
    return stirred(Linear(classes), seed)


@functools.cache
def shown(n=48, unlabelled=0):
    """Images that show the scores 0.9, 0.8 and so on of their label, the class after it, ..."""
    labels = torch.arange(n) % CLASSES
    x = torch.zeros(n, *SIZE)
    for step in range(CLASSES):
        x.flatten(1)[torch.arange(n), (labels + step) % CLASSES] = 0.9 - 0.1 * step
    labels[:unlabelled] = -1
    return Tensors(x, labels)


def ask(nets, source, batch=8, **keys):
    return seealike.answer(Accuracy(**keys), nets, source, batch=batch)


def test_a_network_that_reads_the_label_is_always_right_and_one_that_turns_it_never():
    nets = {"right": Reader(), "third": Reader(5), "fifth": Reader(3), "sixth": Reader(2), "last": Reader(1)}
    answer = ask(nets, shown())
    assert answer.accuracy.dims == ("model",) and answer.model.values.tolist() == list(nets)
    assert answer.accuracy.values.tolist() == [1, 0, 0, 0, 0] and not answer.accuracy_se.any()
    # scores fall around the circle of classes, so that one rolled by k ranks the label as number 8 - k
    assert answer.accuracy_top5.values.tolist() == [1, 1, 1, 0, 0]


def test_it_is_the_share_of_hits_by_hand_with_the_jackknife_s_error():
    source = Tensors(images(64, SIZE), torch.randint(0, CLASSES, (64,), generator=torch.Generator().manual_seed(1)))
    nets = {"a": net(0), "b": net(1)}
    answer = ask(nets, source, batch=4)
    for name, module in nets.items():
        with torch.no_grad():
            scores = module.double()(source.tensor.double()).numpy()
        ranked = np.argsort(-scores, 1)
        first, among = ranked[:, 0] == source.labels.numpy(), (ranked[:, :5] == source.labels.numpy()[:, None]).any(1)
        assert float(answer.accuracy.sel(model=name)) == first.mean()
        assert float(answer.accuracy_top5.sel(model=name)) == pytest.approx(among.mean(), rel=1e-12)
        means = first[order(64, None, seed=0)].reshape(16, 4).mean(1)
        expected = means.std(ddof=1) / 4
        assert float(answer.accuracy_se.sel(model=name)) == pytest.approx(expected, rel=1e-9) and 0 < expected < 0.2


def test_images_without_a_label_do_not_count_and_of_equal_scores_the_first_class_does():
    assert ask({"right": Reader()}, shown(48, 40)).accuracy.values.tolist() == [1]
    flat = ask({"flat": Reader(gain=0.0)}, shown(49))
    assert float(flat.accuracy[0]) == pytest.approx(1 / CLASSES) and float(flat.accuracy_top5[0]) == pytest.approx(
        5 / CLASSES
    )


def test_few_classes_have_no_first_five():
    source = Tensors(images(32, SIZE), torch.arange(32) % 3)
    assert list(ask({"net": net(classes=3)}, source).data_vars) == ["accuracy", "accuracy_se"]


def test_models_are_chosen_by_name_as_the_study_orders_them():
    nets = {"vit": Reader(), "vit-s1": Reader(1), "other": Reader(2)}
    assert ask(nets, shown(), models="vit*").model.values.tolist() == ["vit", "vit-s1"]
    assert ask(nets, shown(), models=("other", "vit")).model.values.tolist() == ["vit", "other"]


def bound(model, source, **keys):
    return Accuracy(**keys).bind(Models({"net": Graph.of(model, SIZE, "net")}, source))


SOURCE = Tensors(images(12, SIZE), torch.arange(12) % CLASSES)
REFUSED = {
    'models = "nte": there is no such model. Closest: net': (net, SOURCE, {"models": "nte"}),
    'accuracy needs models: names or globs such as "vit*"; left out: all.': (net, SOURCE, {"models": ()}),
    "net:head: the output of net is 5 x 1 x 1 numbers an image, and the images have 7 classes. Accuracy needs one "
    "score a class, in the order of the images' classes: name models trained on these.": (
        lambda: net(classes=5),
        SOURCE,
        {},
    ),
    "tensor (12, 3, 4, 4) of float32: these images have no labels.": (net, Tensors(images(12, SIZE)), {}),
    "accuracy: the images name 1 classes, and there must be two at least to be told apart.": (
        net,
        Tensors(images(12, SIZE), torch.zeros(12, dtype=torch.int64)),
        {},
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_accuracy_is_refused_in_the_users_words(message):
    model, source, keys = REFUSED[message]
    with pytest.raises(StudyError) as error:
        bound(model(), source, **keys)
    assert str(error.value).startswith(message)


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(RunError, match=r"holds NaN or infinity"):
        ask({"broken": Reader(gain=float("inf"))}, shown())


def test_a_study_asks_it_of_all_models():
    table = {
        "models": {name: {"source": "zoo:vit"} for name in ("one", "two")},
        "images": {"scenes": {"source": "scenes:64"}},
        "ask": {"right": {"measure": "accuracy"}, "some": {"measure": "accuracy", "models": ["one"]}},
    }
    asks = study(table).ask
    assert asks["right"].measure == Accuracy() and asks["some"].measure == Accuracy(("one",))
