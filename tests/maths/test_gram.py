"""The Gram of a layer: right in any memory layout and far from zero."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seealike.maths.gram import gram
from seealike.models.places import ImageAxis


def features(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def reference(x):
    """Centred, then multiplied, in float64."""
    y = x.to(torch.float64).reshape(x.shape[0], -1).numpy()
    y = y - y.mean(0)
    return y @ y.T


def error(x):
    """Of what is used: centred once more, for what shifts all images alike no statistic sees."""
    n = x.shape[0]
    h = np.eye(n) - 1 / n
    expected = reference(x)
    return np.abs(h @ gram(x).double().numpy() @ h - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("n", [24, 200])
@pytest.mark.parametrize("ratio", [0, 3, 10, 30, 100, 300, 1000])
def test_the_mean_may_be_far_larger_than_the_spread(ratio, n):
    assert error(features(n, 3000) + ratio) <= 1e-6
    scattered = ratio * features(1, 3000, seed=1)  # another mean for every feature
    assert error(features(n, 3000) + scattered) <= 1e-6


LAYOUTS = {
    "plain": lambda x: x,
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "time major": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "images last": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
    "transposed": lambda x: x.transpose(1, 3),
    "every other": lambda x: x.repeat_interleave(2, 2)[:, :, ::2],
    "a slice": lambda x: torch.cat([x, x + 1], 1)[:, : x.shape[1]],
    "flipped in memory": lambda x: x.flip(3),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("side", [5, 61])  # less than a chunk of columns, and several
def test_memory_layouts(layout, side):
    x = LAYOUTS[layout](features(7, 6, side, side + 1) + 30)
    kept = x.clone()
    assert error(x) <= 1e-6
    assert torch.equal(x, kept)


@pytest.mark.parametrize("axis", [ImageAxis(0, inner=4), ImageAxis(0, outer=4), ImageAxis(0, 2, 2), ImageAxis(1, 1, 4)])
@pytest.mark.parametrize("columns", [6, 500])
def test_folded_images(axis, columns):
    """Windows of one image lie behind each other or between those of the others: the rows are the images."""
    folded = features(20, 20, columns) + 10
    rows = axis.rows(folded)
    assert rows.shape[0] == 5 and rows.numel() == folded.numel()
    where = torch.arange(20) // axis.inner % 5
    moved = folded.movedim(axis.dim, 0)
    by_hand = torch.stack([moved[where == i].flatten() for i in range(5)])
    assert torch.equal(rows.flatten(1).sort(1)[0], by_hand.sort(1)[0])
    torch.testing.assert_close(gram(rows), gram(by_hand), rtol=1e-5, atol=1e-4)
    assert error(rows) <= 1e-6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_single(dtype):
    x = (features(16, 4000) + 3).to(dtype)
    assert gram(x).dtype == torch.float32
    assert error(x) <= 1e-6


def test_double_stays_double():
    x = features(8, 50).double() + 1e6
    assert gram(x).dtype == torch.float64 and error(x) <= 1e-11


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    n=st.integers(1, 9),
    order=st.randoms(use_true_random=False),
    mean=st.floats(-100, 100),
)
def test_any_shape_in_any_order_of_dimensions(shape, n, order, mean):
    dims = list(range(len(shape) + 1))
    order.shuffle(dims)
    x = (features(n, *shape) + mean).permute(dims).contiguous().permute([dims.index(d) for d in range(len(dims))])
    h = np.eye(n) - 1 / n
    expected = reference(x)
    # what float32 holds of the numbers themselves bounds it where the spread is small by chance
    bound = 1e-6 * (1 + abs(mean)) * max(np.abs(expected).max(), 1)
    assert np.abs(h @ gram(x).double().numpy() @ h - expected).max() <= bound


def test_a_constant_layer_has_a_gram_of_zeros():
    assert not gram(torch.full((6, 100), 0.1)).any()


def test_it_is_symmetric():
    k = gram(features(40, 500) + 5)
    assert torch.equal(k, k.T)


def test_what_is_no_number_stays_none():
    x = features(20, 300)
    x[3, 4], x[5, 6] = torch.inf, torch.nan
    k = gram(x)
    assert not k[3].isfinite().any() and not k[:, 5].isfinite().any()


def test_any_number_of_threads():
    x = features(16, 70_000) + 10
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            assert error(x) <= 1e-6
    finally:
        torch.set_num_threads(threads)


def test_rows_that_need_a_gradient_are_only_read():
    x = features(6, 40).requires_grad_()
    assert not gram(x).requires_grad
