"""Linear probes as a study asks them, against scikit-learn on the same features."""

import functools

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from small import images, stirred
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import seealike
from seealike import answering
from seealike.errors import RunError, StudyError
from seealike.images.dataset import Dataset
from seealike.images.stream import Stream
from seealike.images.tensors import Tensors
from seealike.kernel import Selected
from seealike.maths.holdout import held_out
from seealike.measures.fit import Fit
from seealike.measures.probe import Probe, _cut
from seealike.models.graph import Graph
from seealike.models.run import run
from seealike.plan import make_plan
from seealike.plan.digest import digest
from seealike.plan.passes import ImageSet
from seealike.selection import Models
from seealike.study import Ask, ImagesSource, Study
from seealike.views.linear import Predicted, Probed, Vectors
from seealike.views.pooling import Pool

SIZE, CLASSES = (3, 8, 8), 3


class Small(nn.Module):
    """Four patches of 4 x 4 pixels behind a CLS token, mixed once."""

    def __init__(self):
        super().__init__()
        self.patch, self.cls = nn.Conv2d(3, 6, 4, 4), nn.Parameter(torch.ones(1, 1, 6))
        self.mix, self.head = nn.Linear(5, 5), nn.Linear(6, 4)

    def forward(self, x):
        x = self.patch(x).flatten(2).mT
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1)
        return self.head(x + self.mix(x.mT).mT.relu())


@functools.cache
def net():
    torch.manual_seed(0)
    return stirred(Small())


@functools.cache
def stack():
    """Maps of 8 x 8, 4 x 4 and 1 x 1 positions."""
    torch.manual_seed(0)
    return stirred(nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(2, 4, 2, 2), nn.Conv2d(4, 32, 4)))


@functools.cache
def labelled(n, seed=0, strength=0.5):
    """Images that tell their class a little, by a pattern of its own."""
    labels = torch.randint(0, CLASSES, (n,), generator=torch.Generator().manual_seed(seed))
    patterns = images(CLASSES, SIZE, seed=99)
    return Tensors(images(n, SIZE, seed=seed) + strength * patterns[labels], labels)


@functools.cache
def graph_of(model):
    return Graph.of(model(), SIZE, "net")


def unlabelled_some(source):
    """Every fifth image without a label."""
    labels = source.labels.clone()
    labels[::5] = -1
    return Tensors(source.tensor, labels)


@functools.cache
def sets():
    def noise(source, seed):
        return Tensors(images(len(source), SIZE, seed=seed), source.labels)

    train, test = labelled(150), labelled(70, seed=1)
    return {
        "test": test,
        "train": train,
        "some": Tensors(train.tensor[:90], train.labels[:90]),
        "clear": labelled(80, strength=20.0),
        "clear test": labelled(40, seed=1, strength=20.0),
        "noise": noise(labelled(200), 5),
        "noise test": noise(labelled(300, seed=1), 6),
        "unlabelled": unlabelled_some(train),
        "unlabelled test": unlabelled_some(test),
    }


ONE_VECTOR = ("mean", "cls", "first", "all", "rest", "flatten")
HEAD = functools.partial(Probe, "net", layers="head")
ASKS = {
    "tokens": HEAD("train", view="tokens"),
    **{view: HEAD("train", layers=("net:head",), view=view, penalties=(0.01, 1.0), holdout=0.3) for view in ONE_VECTOR},
    "clear": Probe("net", "clear", layers=("cat", "head"), view="tokens", test="clear test"),
    "noise": HEAD("noise", test="noise test"),
    "unlabelled": HEAD("unlabelled", test="unlabelled test"),
    "shots": HEAD("some", view="tokens", shots=6),
    "draws": HEAD("some", view="tokens", shots=6, draws=3),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """One study of one network."""
    asks = {name: Ask(probe) for name, probe in ASKS.items()}
    study = Study({"net": net()}, {name: ImagesSource(s) for name, s in sets().items()}, asks, batch=8)
    return seealike.run(study, tmp_path_factory.mktemp("probes"))


def answer(model, train, test, batch=10, **keys):
    """Of another network."""
    of = {"test": ImagesSource(test), "train": ImagesSource(train)}
    study = Study({"net": model}, of, {"p": Ask(Probe("net", "train", **keys))}, batch=batch)
    plan, known = make_plan(study), {}
    (found,) = [a for p in plan.passes for q, a, _ in answering.answers(plan, p, known) if q.ask]
    return found, [q.measure for q in plan.passes[0].questions]


def bound(model, train, test, **keys):
    """A probe bound to the images of a study: nothing is run."""
    sources = {"train": train, "test": test}
    taken = {n: tuple(range(len(s))) if hasattr(s, "labels") else None for n, s in sources.items()}
    models = Models({"net": graph_of(model)}, test, {}, sources, {None: taken["test"], **taken})
    return Probe("net", "train", **keys).bind(models)


def by_hand(x, y, test, labels, held, penalties):
    """Accuracy, penalty and its error on what is held out, of one token."""
    targets = 2 * np.eye(CLASSES)[y] - 1

    def fitted(chosen, penalty):
        scaler = StandardScaler().fit(x[chosen])
        model = Ridge(alpha=chosen.sum() * penalty).fit(scaler.transform(x[chosen]), targets[chosen])
        return lambda rows: model.predict(scaler.transform(rows))

    errors = [((fitted(~held, penalty)(x[held]) - targets[held]) ** 2).mean() for penalty in penalties]
    penalty = penalties[int(np.argmin(errors))]
    said = fitted(np.ones_like(held), penalty)(test).argmax(1)
    return (said == labels).mean(), penalty, min(errors)


def rows(model, source, layer, view):
    """images x tokens x features."""
    found, graph = {}, graph_of(model)
    watch = graph.by_name[layer], "after", lambda operation: found.update(x=Vectors(view).see(operation).clone())
    run(graph, source.tensor, [watch])
    return found["x"].double().numpy()


def check(found, model, train, test, layer, view, share=0.1):
    x, other = rows(model, train, layer, view), rows(model, test, layer, view)
    held, y, labels = held_out(torch.arange(len(x)), 0, share).numpy(), train.labels.numpy(), test.labels.numpy()
    penalties = found.attrs["question"]["penalties"]
    each = [by_hand(x[:, t], y, other[:, t], labels, held, penalties) for t in range(x.shape[1])]
    for name, values in zip(("accuracy", "penalty", "validation_error"), np.transpose(each), strict=True):
        np.testing.assert_allclose(found[name].values.reshape(-1), values, rtol=1e-5)


def test_the_accuracy_of_every_token_is_scikit_learns(answers):
    found = answers["tokens"]
    assert found.accuracy.dims == found.accuracy_se.dims == ("layer", "token", "split")
    assert found.accuracy.shape == (1, 5, 1) and found.split.values.tolist() == ["test"]
    assert found.layer.values.tolist() == ["net:head"] and found.depth.dims == ("layer",)
    assert found.penalty.dims == found.validation_error.dims == found.place_y.dims == ("layer", "token")
    assert not [name for name in found if not name.startswith("accuracy")]
    check(found, net, sets()["train"], sets()["test"], "head", "every")
    np.testing.assert_array_equal(found.place_y[0], [np.nan, 2, 2, 6, 6])  # CLS stands nowhere
    np.testing.assert_array_equal(found.place_x[0], [np.nan, 2, 6, 2, 6])
    assert found.attrs["training_images"] == 150 and found.attrs["images_seen"] == 70
    assert found.attrs["held_out_images"] == held_out(torch.arange(150), 0, 0.1).sum()
    assert [i["name"] for i in found.attrs["earlier_images"]] == ["train"] and found.attrs["notes"] == []
    assert 0.4 < float(found.accuracy.mean()) < 1 and (found.accuracy_se > 0).all()


@pytest.mark.parametrize("view", ONE_VECTOR)
def test_one_vector_an_image(answers, view):
    found = answers[view]
    assert found.accuracy.shape == (1, 1, 1) and np.isnan(found.place_y).all()
    check(found, net, sets()["train"], sets()["test"], "head", view, share=0.3)


def test_more_features_than_images():
    train, test = labelled(40), labelled(40, seed=1)
    found, fits = answer(stack(), train, test, view="flatten", layers="0")
    assert [fit.dual for fit in fits] == [True] and fits[0].features == 128
    assert not bound(stack, train, test, view="flatten", layers="2").bound[0].dual  # 32 features
    check(found, stack, train, test, "0", "flatten")


def test_features_that_carry_the_label_are_read_without_error(answers):
    found = answers["clear"]
    placed = found.accuracy.where(found.place_y.notnull(), drop=True)
    assert placed.shape == (2, 4, 1) and (placed == 1).all() and int((found.accuracy_se == 0).sum()) == 9


def test_labels_at_random_are_guessed(answers):
    found = answers["noise"]
    assert abs(found.accuracy.item() - 1 / 3) < 3 * found.accuracy_se.item() < 0.15


def test_a_token_that_is_the_same_for_all_says_the_commonest_class(answers):
    train, test = sets()["clear"], sets()["clear test"]
    commonest = torch.bincount(train.labels).argmax()
    found = answers["clear"].accuracy.sel(layer="net:cat", token=0)
    np.testing.assert_allclose(found, float((test.labels == commonest).double().mean()))


def test_images_without_a_label_count_nowhere(answers):
    found, train, test = answers["unlabelled"], sets()["unlabelled"], sets()["unlabelled test"]
    known, other = train.labels >= 0, test.labels >= 0
    assert found.attrs["training_images"] == known.sum() == 120
    x, tested = rows(net, train, "head", "mean")[known, 0], rows(net, test, "head", "mean")[other, 0]
    held = held_out(torch.arange(150), 0, 0.1)[known].numpy()
    labels = train.labels[known].numpy(), test.labels[other].numpy()
    accuracy, _, _ = by_hand(x, labels[0], tested, labels[1], held, HEAD("").penalties)
    np.testing.assert_allclose(found.accuracy.item(), accuracy)


def test_shots_and_their_draws(answers):
    train, test, each = sets()["some"], sets()["test"], []
    every, other = rows(net, train, "head", "every"), rows(net, test, "head", "every")
    for draw in range(3):
        chosen = list(ImageSet.of("some", train, None, 0).few_of_each(6, draw).taken)
        assert torch.bincount(train.labels[chosen]).tolist() == [6, 6, 6]
        held, y, labels = held_out(torch.tensor(chosen), draw, 0.2).numpy(), train.labels[chosen].numpy(), test.labels
        found = [by_hand(every[chosen, t], y, other[:, t], labels.numpy(), held, HEAD("").penalties) for t in range(5)]
        each.append(found)
    accuracy, penalty, error = np.moveaxis(each, -1, 0)
    many, one = answers["draws"], answers["shots"]
    assert many.attrs["training_images"] == 18 and "accuracy_spread" not in one
    np.testing.assert_allclose(one.accuracy[0, :, 0], accuracy[0], atol=1e-9)
    np.testing.assert_allclose(many.accuracy[0, :, 0], accuracy.mean(0), atol=1e-9)
    np.testing.assert_allclose(many.accuracy_spread[0, :, 0], accuracy.std(0, ddof=1), atol=1e-9)
    np.testing.assert_allclose(many.penalty[0], np.exp(np.log(penalty).mean(0)))
    np.testing.assert_allclose(many.validation_error[0], error.mean(0), rtol=1e-5)


def test_layers_of_different_numbers_of_tokens():
    found, fits = answer(stack(), labelled(60), labelled(40, seed=1), view="tokens", layers=("1", "2"))
    assert [(fit.tokens, fit.features) for fit in fits] == [(16, 4), (1, 32)]
    assert found.accuracy.shape == (2, 16, 1) and np.isnan(found.accuracy[1, 1:]).all()
    assert found.attrs["notes"] == ["layers have 1 to 16 tokens: the values of tokens that a layer has not are NaN"]
    assert np.isfinite(found.accuracy[1, 0]).all() and np.isfinite(found.penalty[0]).all()


def seen(how, layer="1"):
    found, graph = {}, graph_of(stack)
    x = images(3, SIZE)
    watch = graph.by_name[layer], "after", lambda o: found.update(rows=o.rows.clone(), seen=Pool(how).see(o))
    run(graph, x, [watch])
    return found["seen"], found["rows"], graph.by_name[layer]


def test_maps_are_cut_into_patches():
    patches, x, layer = seen("patches2")
    cut = torch.stack([x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] for i in range(2) for j in range(2)]).mean(0)
    torch.testing.assert_close(patches, cut.permute(0, 2, 3, 1).flatten(1))
    torch.testing.assert_close(seen("patches1")[0], x.mean((2, 3)))
    torch.testing.assert_close(seen("patches4")[0], x.permute(0, 2, 3, 1).flatten(1))
    assert Vectors("patches2").sizes(layer) == (1, 16) and Vectors("2x2").sizes(layer) == (1, 16)
    assert Vectors("every").sizes(layer) == (16, 4) and Vectors("flatten").sizes(layer) == (1, 64)
    assert Pool("patches3").refuses(layer) == "its 4 x 4 positions are not cut evenly by 3"
    tokens = graph_of(net).by_name["head"]
    assert Pool("patches2").refuses(tokens) == "it is no map of rows and columns, which alone is cut into patches"
    _, x, one = seen("patches1", "2")
    assert x.shape == (3, 32, 1, 1) and Vectors("patches1").sizes(one) == (1, 32)
    assert Pool("rest").refuses(one) == "it has no token beside the first"


def test_patches_are_chosen_to_be_as_wide_as_the_last_stage():
    """Two channels, 8 x 8: k = 4 gives 32; four, 4 x 4: k = 2 gives 16 and k = 4 gives 64; 32 is that of the last."""
    assert [_cut(graph_of(stack).by_name[name], 32) for name in "012"] == [4, 2, 1]
    blocks = nn.Sequential(Residual(3, 1), nn.MaxPool2d(2), Residual(3, 1), nn.Conv2d(3, 24, 1), Residual(24, 1))
    found, fits = answer(stirred(blocks), labelled(60), labelled(40, seed=1), view="patches")
    assert [fit.view for fit in fits] == ["patches2", "patches2", "patches1"]  # of 3, 3 and 24 channels
    assert [fit.features for fit in fits] == [12, 12, 24]
    assert found.accuracy.shape == (3, 1, 1)


class Residual(nn.Module):
    def __init__(self, width, kernel):
        super().__init__()
        self.conv = nn.Conv2d(width, width, kernel)

    def forward(self, x):
        return x + self.conv(x).relu()


def test_what_the_test_images_are_called_is_no_part_of_the_question():
    here = Fit(Selected("net", "head", 1.0), "mean", 1, 4, 3, 60, (1.0,), 0.1)
    one, other = (Probe("", train, test=train + "s", bound=(here,), places=(((0.0, 0.0),),)) for train in ("a", "b"))
    assert digest(one, {"net": "1f"}) == digest(other, {"net": "1f"})
    assert digest(one, {"net": "1f"}) != digest(Probe("", "a", bound=(here,), shots=3), {"net": "1f"})


def test_a_probe_knows_the_images_it_is_for():
    probe = Probed(torch.zeros(4, 4, 3), torch.zeros(4, 3), torch.zeros(4, 4))
    graph = graph_of(net)
    said = r"^head: the probe was trained on \(4, 4\) tokens and features, and sees \(5, 4\)\.$"
    with pytest.raises(RunError, match=said):
        run(graph, images(2, SIZE), [(graph.by_name["head"], "after", Predicted("every", probe).see)])


def unlabelled():
    return Tensors(images(40, SIZE))


def others():
    return Tensors(images(40, SIZE), torch.arange(40) % 4)


REFUSED = {
    "no labels to train on": (unlabelled, None, {}, "these images have no labels"),
    "no labels to test": (None, unlabelled, {}, "these images have no labels"),
    "other classes": (None, others, {}, "train = \"train\": its class 3 is none, but '3' in the images that test"),
    "no token": (None, None, {"view": "cls", "layers": "patch"}, "net:patch cannot be seen so: it has no token beside"),
    "no map": (None, None, {"view": "patches"}, "net:head cannot be seen so: it is no map of rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_asked_is_refused_before_the_first_pass(case):
    train, test, keys, said = REFUSED[case]
    with pytest.raises(StudyError, match=said):
        bound(
            net,
            train() if train else labelled(60),
            test() if test else labelled(40, seed=1),
            **{"layers": "head"} | keys,
        )


def test_shots_larger_than_a_class():
    labels = torch.tensor([0] * 9 + [1] * 3 + [3] * 9)
    images = ImageSet.of("photographs", Tensors(torch.zeros(21, *SIZE), labels), None, 0)
    with pytest.raises(StudyError, match=r"^shots = 4: '1' has 3 images in photographs\.$"):
        images.few_of_each(4, 0)
    with pytest.raises(StudyError, match=r"^shots = 2: '2' has 0 images in photographs\.$"):
        images.few_of_each(2, 0)


def test_training_images_do_not_test():
    source = labelled(60)
    said = r'train = "train": 60 of its images are also among those that test the probes, and accuracy on training'
    with pytest.raises(StudyError, match=said):
        bound(net, source, source, layers="head")
    # the same source cut twice: the shorter begins the longer
    of = {"test": ImagesSource(source, take=20), "train": ImagesSource(source, take=30)}
    study = Study({"net": net()}, of, {"p": Ask(HEAD("train"))})
    with pytest.raises(StudyError, match='train = "train": 20 of its images are also'):
        make_plan(study)


def test_a_stream_cannot_be_trained_on():
    loader = DataLoader(TensorDataset(labelled(60).tensor, labelled(60).labels), batch_size=20)
    for keys in ({}, {"shots": 5}):
        with pytest.raises(StudyError, match="is a stream: how many classes it has is not known beforehand"):
            bound(net, Stream(loader), labelled(40, seed=1), layers="head", **keys)
    with pytest.raises(StudyError, match=r"^shots = 5: stream from a DataLoader is a stream, whose labels are not"):
        ImageSet.of("train", Stream(loader), None, 0).few_of_each(5, 0)


def test_classes_that_nobody_names():
    """A dataset object with labels and without `classes`."""
    pairs = Dataset([(x, int(y)) for x, y in zip(labelled(40).tensor, labelled(40).labels, strict=True)])
    said = r'train = "train": it names 0 classes, and a probe tells at least two apart\. A dataset object names them'
    with pytest.raises(StudyError, match=said):
        bound(net, pairs, labelled(40, seed=1), layers="head")


def test_too_few_images_to_choose_a_penalty():
    few = Tensors(labelled(60).tensor[:6], torch.tensor([0, 1, 2, 0, 1, 2]))
    said = r"of 6 training images 0 are held out to choose the penalty, too few on one side\. Train on more images, or"
    with pytest.raises(RunError, match=said):
        answer(stack(), few, labelled(40, seed=1), layers="2", view="mean", holdout=0.01)
    found, _ = answer(stack(), few, labelled(40, seed=1), layers="2", view="mean", holdout=0.01, penalties=(1.0,))
    assert np.isnan(found.validation_error).all() and np.isfinite(found.accuracy).all()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"view": "tokenz"}, 'view = "tokenz" is no view of a probe'),
        ({"shots": 1}, "shots = 1: train on at least 2 images of each class"),
        ({"draws": 2}, r"draws = 2: only shots are drawn, once or more often\. Write shots = 10 with it"),
        ({"penalties": ()}, r"penalties = \[\]: give one or more, all above 0"),
        ({"penalties": (1.0, 0.0)}, r"penalties = \[1.0, 0.0\]: give one or more, all above 0"),
        ({"holdout": 1.0}, "holdout = 1.0: a share of the training images, between 0 and 1"),
    ],
)
def test_keys_that_mean_nothing(keys, said):
    with pytest.raises(StudyError, match=said):
        Probe("net", train="train", **keys)
