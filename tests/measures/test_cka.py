"""CKA of whole models, against brute force in float64 on the tensors themselves."""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import Batch, batches, build, images, stirred, tensors
from torch import nn

from seealike.errors import RunError, StudyError
from seealike.kernel import Selected, Tap, fold, read
from seealike.maths.gram import gram
from seealike.maths.jackknife import jackknife
from seealike.measures.cka import CKA
from seealike.models.graph import Graph
from seealike.selection import Models
from seealike.statistics.hsic import HSIC

SIZE = (3, 16, 16)


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv, self.norm, self.act = (
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(True),
        )

    def forward(self, x):
        y = self.norm(self.conv(x))
        y += x
        return self.act(y)


def convolutional(seed=0):
    torch.manual_seed(seed)
    return stirred(nn.Sequential(nn.Conv2d(3, 8, 3, 2), Block(8), Block(8), nn.Flatten(), nn.Linear(392, 5)), seed)


class Patches(nn.Module):
    """A CLS token and 4 x 4 patches, attending once."""

    def __init__(self):
        super().__init__()
        self.patch, self.cls = nn.Conv2d(3, 12, 4, 4), nn.Parameter(torch.randn(1, 1, 12))
        self.norm, self.head = nn.LayerNorm(12), nn.Linear(12, 5)
        self.attn = nn.MultiheadAttention(12, 3, batch_first=True)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1)
        y = self.norm(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return self.head(x[:, 0])


@functools.cache
def graphs():
    torch.manual_seed(1)
    return {
        "cnn": Graph.of(convolutional(), SIZE, "cnn"),
        "vit": Graph.of(stirred(Patches()), SIZE, "vit"),
    }


def ask(question, of, x, size):
    bound = question.bind(Models(of))
    return read(bound, bound.needs(), fold(bound.needs(), batches(of, x, size)))


def hsic1(x, y, biased=False):
    """n (n-3) HSIC1 (METHODS A1), the features centred first; or the inner product of centred Grams."""
    n = len(x)
    x, y = (z.double().reshape(n, -1).numpy() for z in (x, y))
    k, other = ((z - z.mean(0)) @ (z - z.mean(0)).T for z in (x, y))
    if biased:
        return (k * other).sum()
    k, other = (m - np.diag(np.diag(m)) for m in (k, other))
    one = np.ones(n)
    product = (one @ k @ one) * (one @ other @ one) / ((n - 1) * (n - 2))
    return np.trace(k @ other) + product - 2 / (n - 2) * one @ k @ other @ one


def brute_force(parts, biased=False):
    """`parts`: for each batch the layers' tensors of a, and those of b."""
    sums = np.array(
        [[[[hsic1(x, y, biased), hsic1(x, x, biased), hsic1(y, y, biased)] for y in b] for x in a] for a, b in parts]
    ).sum(0)
    return sums[..., 0] / np.sqrt(sums[..., 1] * sums[..., 2])


def seen(of, name, x, layers):
    found = tensors(of[name], x, layers)
    return [found[layer] for layer in layers]


def names(answer, side):
    return [str(n).partition(":")[2] for n in answer[f"layer_{side}"].values]


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_all_layers_of_two_models_against_brute_force(estimator):
    of, x = graphs(), images(36, SIZE)
    answer = ask(CKA(a=("cnn:**",), b=("vit:**",), estimator=estimator), of, x, 16)
    a, b = names(answer, "a"), names(answer, "b")
    assert (a, b) == ([n.name for n in of["cnn"].layers], [n.name for n in of["vit"].layers])
    parts = [(seen(of, "cnn", part, a), seen(of, "vit", part, b)) for part in x.split(16)]
    np.testing.assert_allclose(answer.cka, brute_force(parts, estimator == "biased"), atol=1e-5)
    np.testing.assert_allclose(answer.depth_a, [n.depth for n in of["cnn"].layers])


class Shifted(nn.Module):
    """Features whose mean is 30 times their spread."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)

    def forward(self, x):
        y = self.conv(x)
        return (y + 30 * 0.7).contiguous(), y.tanh()


def test_a_mean_of_thirty_spreads_costs_no_accuracy():
    of, x = {"far": Graph.of(stirred(Shifted()), SIZE, "far")}, images(48, SIZE)
    far = tensors(of["far"], x, ["add"])["add"]
    assert far.mean() / far.std(0).mean() >= 25
    answer = ask(CKA(layers=("far:**",)), of, x, 24)
    parts = [(seen(of, "far", p, names(answer, "a")),) * 2 for p in x.split(24)]
    np.testing.assert_allclose(answer.cka, brute_force(parts), atol=1e-3)
    np.testing.assert_allclose(answer.cka.values[0, 1], 1, atol=1e-6)  # the same numbers but for the mean


def test_the_same_network_as_two_models_is_one_on_the_diagonal():
    of = {"one": Graph.of(convolutional(), SIZE, "one"), "two": Graph.of(convolutional(), SIZE, "two")}
    answer = ask(CKA(a="one:**", b="two:**"), of, images(40, SIZE), 10)
    np.testing.assert_allclose(np.diag(answer.cka), 1, atol=1e-6)
    assert answer.cka.max() <= 1 and (answer.cka.values < 0.999).any()
    np.testing.assert_allclose(answer.cka, answer.cka.T, atol=1e-6)
    np.testing.assert_allclose(np.diag(answer.cka_se), 0, atol=1e-6)


def test_all_pairs_of_several_patterns():
    of, x = graphs(), images(16, SIZE)
    answer = ask(CKA(layers=("cnn:@block", "vit:norm", "vit:no*m")), of, x, 8)
    assert answer["layer_a"].values.tolist() == ["cnn:1", "cnn:2", "vit:norm"] == answer["layer_b"].values.tolist()
    np.testing.assert_allclose(answer.cka, answer.cka.T, atol=1e-12)


def test_a_model_of_the_library():
    of = {"vit": Graph.of(build("vit"), (3, 32, 32), "vit")}
    x = images(24)
    answer = ask(CKA(layers=("vit:@block", "vit:@attention")), of, x, 12)
    parts = [(seen(of, "vit", p, names(answer, "a")),) * 2 for p in x.split(12)]
    np.testing.assert_allclose(answer.cka, brute_force(parts), atol=1e-5)


# The rest: features made here, shown as the Grams of two layers.


def asked(x, y, size, estimator="unbiased"):
    """CKA of two layers whose features over the images are x and y."""
    question = CKA(estimator=estimator, bound_a=(Selected("a", "layer", 0.0),), bound_b=(Selected("b", "layer", 1.0),))
    made = [
        Batch(k, {}, part, k * size, {"a": gram(part), "b": gram(other)})
        for k, (part, other) in enumerate(zip(x.split(size), y.split(size), strict=True))
    ]
    return read(question, question.needs(), fold(question.needs(), made))


def value(answer, name="cka"):
    return float(answer[name].values[0, 0])


def features(n, p, generator):
    return torch.randn(n, p, generator=generator)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.integers(4, 9),
    count=st.integers(1, 30),
    noise=st.sampled_from([0, 1e-6, 1e-3, 1]),
    estimator=st.sampled_from(["unbiased", "biased"]),
)
def test_never_above_one(seed, size, count, noise, estimator):
    g = torch.Generator().manual_seed(seed)
    x = features(size + count, 3, g)
    answer = asked(x, 5 * x + noise * features(size + count, 3, g), size, estimator)
    assert -1 <= value(answer) <= 1


def sums(x, y, size, estimator="unbiased"):
    """<K~, L~>, <K~, K~>, <L~, L~> of each batch, as the statistic has them."""
    statistic = HSIC((Tap("a", "layer"),), (Tap("b", "layer"),), estimator)
    parts = zip(x.split(size), y.split(size), strict=True)
    lifted = [statistic.lift(p @ p.T, q @ q.T) for p, q in parts]
    return np.array([[float(state[k]) for k in ("cross", "a", "b")] for state in lifted])


def ratio(summed):
    return np.array(summed[0] / np.sqrt(summed[1] * summed[2]))


def test_unrelated_layers_are_unrelated_on_average():
    g = torch.Generator().manual_seed(0)
    drawn = np.array([ratio(sums(features(32, 20, g), features(32, 30, g), 16).sum(0)) for _ in range(400)])
    assert abs(drawn.mean()) <= 3 * drawn.std(ddof=1) / 20
    assert (drawn < 0).sum() > 100 and (drawn > 0).sum() > 100
    biased = [ratio(sums(features(16, 20, g), features(16, 30, g), 16, "biased").sum(0)) for _ in range(20)]
    assert min(biased) > 0.3  # what the unbiased estimator is for


def test_the_error_is_the_spread_over_fresh_images():
    g = torch.Generator().manual_seed(1)
    drawn = []
    for k in range(200):
        x = features(16 * 10, 6, g)
        y = x[:, :4] + 2 * features(16 * 10, 4, g)
        by_batch = sums(x, y, 10)
        left_out = [ratio(by_batch.sum(0) - one) for one in by_batch]
        drawn.append((ratio(by_batch.sum(0)), jackknife(ratio(by_batch.sum(0)), left_out, [10] * 16)))
        if k == 0:  # the same as by the whole way of a question
            answer = asked(x, y, 10)
            np.testing.assert_allclose((value(answer), value(answer, "cka_se")), drawn[0], rtol=1e-4)
    found, errors = np.array(drawn).T
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(found.std(ddof=1), rel=0.2)


def test_a_short_batch_enters_with_the_weight_of_its_pairs():
    g = torch.Generator().manual_seed(2)
    x = features(36, 6, g)
    y = x[:, :3] + features(36, 3, g)
    expected = brute_force([([a], [b]) for a, b in zip(x.split(16), y.split(16), strict=True)])
    answer = asked(x, y, 16)
    assert value(answer) == pytest.approx(float(expected[0, 0]), abs=1e-6)
    means = [[hsic1(p, q) / (len(p) * (len(p) - 3)) for p, q in zip(x.split(16), y.split(16), strict=True)]]
    assert value(answer) != pytest.approx(np.mean(means), abs=1e-3)  # not the mean over batches, short or not
    assert answer.attrs["images_seen"] == 36


def test_a_batch_of_fewer_than_four_is_left_out():
    g = torch.Generator().manual_seed(3)
    x = features(35, 6, g)
    y = x[:, :3] + features(35, 3, g)
    assert value(asked(x, y, 16)) == value(asked(x[:32], y[:32], 16))
    with pytest.raises(RunError, match="cka: no batch held enough images"):
        asked(x[:3], y[:3], 16)
    # the biased estimator needs two
    assert value(asked(x[:34], y[:34], 16, "biased")) != value(asked(x[:32], y[:32], 16, "biased"))
    assert value(asked(x[:33], y[:33], 16, "biased")) == value(asked(x[:32], y[:32], 16, "biased"))


def test_a_constant_layer_has_no_value():
    g = torch.Generator().manual_seed(4)
    assert np.isnan(value(asked(features(20, 4, g), torch.ones(20, 3), 5)))


# Views and refusals.


def test_a_view_that_a_named_layer_has_not_is_refused():
    models = Models(graphs())
    with pytest.raises(StudyError) as error:
        CKA(layers=("cnn:1",), view="cls").bind(models)
    assert str(error.value) == "cnn:1 cannot be seen so: it has no token beside those of the image (no CLS)."
    with pytest.raises(StudyError, match=r"^cnn:[\w.]+ cannot be seen so: it has no token"):
        CKA(layers=("cnn:**",), view="cls").bind(models)  # a glob of which nothing is left


def test_a_glob_leaves_out_what_has_no_such_view():
    of = graphs()
    bound = CKA(layers=("vit:**",), view="cls").bind(Models(of))
    kept = [s.tensor for s in bound.bound_a]
    assert "patch" not in kept and {"norm", "attn", "add"} <= set(kept)
    x = images(12, SIZE)
    answer = ask(CKA(layers=("vit:attn", "vit:add"), view="cls"), of, x, 12)
    cls = [t[:, 0] for t in seen(of, "vit", x, ["attn", "add"])]
    np.testing.assert_allclose(answer.cka, brute_force([(cls, cls)]), atol=1e-5)


def test_questions_that_ask_nothing_or_the_unknown_are_refused():
    models = Models(graphs())
    with pytest.raises(StudyError, match=r"^cka needs a \(and b\), or layers"):
        CKA().bind(models)
    with pytest.raises(StudyError, match=r"^cka needs a \(and b\), or layers"):
        CKA(a="cnn:**", layers="vit:**").bind(models)
    with pytest.raises(StudyError, match=r'^view = "clss" is no view\. Closest: cls'):
        CKA(layers="cnn:**", view="clss").bind(models)
    with pytest.raises(StudyError, match=r'^"cn:1": there is no model "cn"\. Closest: cnn\.'):
        CKA(layers="cn:1").bind(models)
    with pytest.raises(StudyError, match=r'^"1" names no model: write "model:layer", for example "cnn:\*\*"\.'):
        CKA(layers="1").bind(models)
    with pytest.raises(StudyError, match=r"^cnn:9 matches no layer of cnn\."):
        CKA(layers="cnn:9").bind(models)


def test_a_models_name_alone_is_all_its_layers():
    of = graphs()
    assert CKA(layers="cnn").bind(Models(of)) == CKA(layers=("cnn:**",)).bind(Models(of))


class Overflows(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv(x).exp().log()


def test_numbers_that_are_none_name_their_layer():
    of = {"net": Graph.of(stirred(Overflows()), SIZE, "net")}
    x = images(10, SIZE)
    assert np.isfinite(ask(CKA(layers="net:**"), of, x, 5).cka).all()
    x[7] *= 1e4
    with pytest.raises(RunError) as error:
        ask(CKA(layers="net:**"), of, x, 5)
    assert str(error.value).startswith("net:exp holds NaN or infinity. Look at the images and the weights;")
    assert str(error.value).endswith("Met in batch 1: images image 5 ... image 9.")
