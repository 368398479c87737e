"""Linear probes against scikit-learn's, from sums and from rows, and their sums for any cut of the images."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from seealike import laws
from seealike.errors import RunError
from seealike.kernel import Tap
from seealike.maths import holdout
from seealike.maths.holdout import held_out
from seealike.maths.ridge import from_rows, from_sums
from seealike.statistics.hits import Hits
from seealike.statistics.labelled import LABEL, Labelled
from seealike.statistics.rows import INDEX
from seealike.statistics.scattered import Scattered, sides

TAP, CLASSES = Tap("net", "layer"), 4
PENALTIES = (1e-4, 1e-2, 1.0, 100.0)


def data(n, tokens=3, features=6, seed=0, dtype=torch.float64):
    """Features that tell the class a little, each with a mean and a spread of its own."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (n,), generator=g)
    rows = torch.randn(n, tokens, features, generator=g, dtype=torch.float64)
    rows += 0.7 * torch.randn(CLASSES, tokens, features, generator=g, dtype=torch.float64)[labels]
    scale = 10.0 ** torch.randint(-2, 3, (tokens, features), generator=g)
    return (rows * scale + 3 * scale).to(dtype), labels


def statistic(rows, share=0.3, seed=0):
    return Scattered(TAP, *rows.shape[1:], CLASSES, share, seed)


def from_all(rows, labels, penalties=PENALTIES, share=0.3, batch=16):
    """The primal form from sums over batches, with what is held out."""
    sums, index = statistic(rows, share), torch.arange(len(rows))
    total = None
    for part in zip(rows.split(batch), index.split(batch), labels.split(batch), strict=True):
        total = sums.lift(*part) if total is None else sums.add(total, sums.lift(*part))
    fit, held = sides(total)
    every = slice(None)
    return from_sums(fit.of(every), held.of(every), penalties), held_out(index, 0, share)


def by_hand(x, labels, held, penalties=PENALTIES):
    """Of one token: weights and intercept of raw features, the penalty, its error on what is held out."""
    targets = 2 * np.eye(CLASSES)[labels] - 1

    def fitted(chosen, penalty):
        scaler = StandardScaler().fit(x[chosen])
        model = Ridge(alpha=chosen.sum() * penalty).fit(scaler.transform(x[chosen]), targets[chosen])
        return scaler, model

    errors = []
    for penalty in penalties:
        scaler, model = fitted(~held, penalty)
        errors.append(((model.predict(scaler.transform(x[held])) - targets[held]) ** 2).mean() if held.any() else 0)
    best = int(np.argmin(errors))
    scaler, model = fitted(np.ones_like(held), penalties[best])
    weights = (model.coef_ / scaler.scale_).T
    return weights, model.intercept_ - scaler.mean_ @ weights, penalties[best], errors[best]


def check(found, rows, labels, held, penalties=PENALTIES, tolerance=1e-6):
    for token in range(rows.shape[1]):
        x = rows[:, token].double().numpy()
        weights, intercept, penalty, error = by_hand(x, labels.numpy(), held.numpy(), penalties)
        scores = (
            found.intercept[token] + (rows[:, token] - found.centre[token]).double() @ found.weights[token].double()
        )
        assert float(found.penalty[token]) == penalty
        np.testing.assert_allclose(found.error[token], error, rtol=tolerance)
        np.testing.assert_allclose(scores, x @ weights + intercept, atol=tolerance * 10)
        np.testing.assert_allclose(found.weights[token], weights, atol=tolerance * np.abs(weights).max())


def test_from_sums_it_is_scikit_learns():
    rows, labels = data(120)
    found, held = from_all(rows, labels)
    check(found, rows, labels, held)
    assert found.weights.shape == (3, 6, CLASSES) and found.weights.dtype == torch.float32


@pytest.mark.parametrize("features", [6, 40])
def test_from_rows_it_is_scikit_learns(features):
    """More features than images, where the dual is used, and fewer."""
    rows, labels = data(30, features=features)
    held = held_out(torch.arange(30), 0, 0.3)
    check(from_rows(rows, labels, held, CLASSES, PENALTIES), rows, labels, held)


def test_both_forms_agree():
    rows, labels = data(30, features=40)
    primal, held = from_all(rows, labels)
    dual = from_rows(rows, labels, held, CLASSES, PENALTIES)
    for name in ("weights", "intercept", "centre", "penalty", "error"):
        torch.testing.assert_close(getattr(primal, name), getattr(dual, name), rtol=1e-6, atol=1e-6)


def test_the_penalty_is_the_best_one_for_what_is_held_out():
    """Different tokens choose differently: noise wants a large one, a clean signal a small one."""
    rows, labels = data(200, tokens=2)
    rows[:, 0] = torch.randn(200, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows[:, 1, :CLASSES] = torch.nn.functional.one_hot(labels, CLASSES).double()
    found, _ = from_all(rows, labels)
    assert found.penalty.tolist() == [100.0, 1e-4] and found.error[1] < 1e-3 < found.error[0]


def test_constant_features_have_no_weight():
    rows, labels = data(60)
    rows[:, :, 0], rows[:, 1, 3] = 12345.678, 0.0
    without = rows.clone()
    for found in (from_all(rows, labels)[0], from_rows(rows, labels, held_out(torch.arange(60), 0, 0.3), 4, PENALTIES)):
        assert (found.weights[:, 0] == 0).all() and (found.weights[1, 3] == 0).all()
        assert found.weights.isfinite().all() and found.intercept.isfinite().all()
        without[:, :, 0] += 1
        less, _ = from_all(without[:, [0, 2], 1:], labels)
        torch.testing.assert_close(found.weights[[0, 2], 1:], less.weights, rtol=1e-5, atol=1e-6)
    # a token that is constant altogether says how often each class is
    rows[:, 2] = 1.0
    found, _ = from_all(rows, labels)
    share = torch.bincount(labels, minlength=CLASSES) / 60
    torch.testing.assert_close(found.intercept[2], 2 * share - 1)


def test_a_class_may_be_missing_among_what_is_held_out():
    rows, labels = data(80)
    held = held_out(torch.arange(80), 0, 0.3)
    labels[held & (labels == 2)] = 1
    assert (labels == 2).any() and not (labels[held] == 2).any()
    found, _ = from_all(rows, labels)
    check(found, rows, labels, held)
    check(from_rows(rows, labels, held, CLASSES, PENALTIES), rows, labels, held)


def test_with_one_penalty_nothing_need_be_held_out():
    rows, labels = data(40)
    nothing = torch.zeros(40, dtype=torch.bool)
    found, held = from_all(rows, labels, (0.1,), share=0.0)
    dual = from_rows(rows, labels, nothing, CLASSES, (0.1,))
    assert not held.any() and found.error.isnan().all() and dual.error.isnan().all()
    torch.testing.assert_close(found.weights, dual.weights, rtol=1e-5, atol=1e-6)
    scaled = StandardScaler().fit(rows[:, 0].numpy())
    model = Ridge(alpha=4.0).fit(scaled.transform(rows[:, 0].numpy()), 2 * np.eye(CLASSES)[labels.numpy()] - 1)
    np.testing.assert_allclose(found.weights[0].numpy(), (model.coef_ / scaled.scale_).T, rtol=1e-5, atol=1e-6)


def test_float32_features_with_large_means():
    """METHODS E6: a mean a thousand times the spread costs no accuracy."""
    rows, labels = data(120, dtype=torch.float32)
    far = (rows - rows.mean(0)) / rows.std(0) + 1000
    found, held = from_all(far, labels)
    check(found, far, labels, held, tolerance=2e-4)


@pytest.mark.parametrize("sizes", [[7, 5, 9, 1, 8], [10, 10, 10], [1, 1, 20, 2]])
def test_sums_do_not_depend_on_the_cut(sizes):
    rows, labels = data(sum(sizes))
    labels[3] = -1
    index = torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))
    parts = list(zip(rows.split(sizes), index.split(sizes), labels.split(sizes), strict=True))
    laws.check(statistic(rows), parts, images=True)
    laws.check(Labelled(TAP, len(rows), 18), parts, images=True)
    said = torch.randint(0, CLASSES, (len(rows), 3), generator=torch.Generator().manual_seed(2))
    laws.check(Hits(TAP), list(zip(said.split(sizes), labels.split(sizes), strict=True)), images=True)


def test_sums_are_those_of_centred_features():
    rows, labels = data(50)
    labels[::7] = -1
    index = torch.arange(100, 150)
    total = statistic(rows).lift(rows, index, labels)
    held = held_out(index, 0, 0.3)
    for side, chosen in zip(sides(total), ((labels >= 0) & ~held, (labels >= 0) & held), strict=True):
        x = rows[chosen] - rows[chosen].mean(0)
        indicator = torch.nn.functional.one_hot(labels[chosen], CLASSES).double()
        assert int(side.count) == chosen.sum() > 5
        torch.testing.assert_close(side.classes, indicator.sum(0))
        torch.testing.assert_close(side.xx, torch.einsum("ntp,ntq->tpq", x, x))
        torch.testing.assert_close(side.xy, torch.einsum("ntp,nc->ctp", x, indicator - indicator.mean(0)))


def test_adding_overwrites_and_merging_does_not():
    rows, labels = data(20)
    sums = statistic(rows)
    a, b = (
        sums.lift(x, i, y) for x, i, y in zip(rows.split(10), torch.arange(20).split(10), labels.split(10), strict=True)
    )
    kept = {key: value.clone() for key, value in a.items()}
    both = sums.merge(a, b)
    assert all(torch.equal(kept[key], a[key]) for key in a)
    room = a["xx"].data_ptr()
    added = sums.add(a, b)
    assert added["xx"].data_ptr() == room and all(torch.equal(added[key], both[key]) for key in both)
    half = sums.lift(rows[:10].float(), torch.arange(10), labels[:10])
    assert half["xx"].dtype == torch.float32 and sums.add(half, b)["xx"].dtype == torch.float64


def test_products_are_blocked_without_changing_them(monkeypatch):
    rows, labels = data(40)
    whole = from_rows(rows, labels, held_out(torch.arange(40), 0, 0.3), CLASSES, PENALTIES)
    sums = statistic(rows).lift(rows, torch.arange(40), labels)
    monkeypatch.setattr("seealike.maths.ridge.BLOCK", 80)
    monkeypatch.setattr("seealike.maths.scatter.BLOCK", 1)
    torch.testing.assert_close(
        from_rows(rows, labels, held_out(torch.arange(40), 0, 0.3), CLASSES, PENALTIES).weights, whole.weights
    )
    laws.check(statistic(rows), [sums, sums, statistic(rows).lift(rows, torch.arange(40), labels)])


def test_what_is_no_number_is_refused_by_name():
    rows, labels = data(10)
    rows[3, 1, 2] = torch.inf
    with pytest.raises(RunError, match=r"^net:layer holds NaN or infinity\. Look at the images and the weights"):
        statistic(rows).lift(rows, torch.arange(10), labels)


def test_what_is_held_out_is_a_fact_of_the_image_alone():
    index = torch.arange(5000)
    chosen = held_out(index, 3, 0.2)
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(held_out(order, 3, 0.2), chosen[order])
    assert abs(float(chosen.double().mean()) - 0.2) < 3 * (0.16 / 5000) ** 0.5
    other = held_out(index, 4, 0.2)
    assert abs(float((chosen & other).double().mean()) - 0.04) < 0.01
    assert (held_out(index, 3, 0.5) | ~chosen).all()  # a larger share holds the smaller
    assert holdout.held_out(torch.tensor([2**62]), 0, 1.0).item() is True


def test_sums_say_how_large_they_are():
    rows, labels = data(20)
    state = statistic(rows).merge(*[statistic(rows).lift(rows, torch.arange(20), labels)] * 2)
    held = sum(v.numel() * v.element_size() for v in state.values())
    assert statistic(rows).bytes == pytest.approx(held, rel=0.1)
    assert Labelled(TAP, 20, 18).bytes == 4 * 20 * 18
    assert statistic(rows).taps == Labelled(TAP, 20, 18).taps == (TAP, INDEX, LABEL)
    vit = Scattered(TAP, 197, 384, 1000, 0.1)
    assert 2 * vit.bytes < 4e9  # the total, and what a batch adds
