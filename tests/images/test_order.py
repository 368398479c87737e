"""The plan of a pass: which images in which batches."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seealike.errors import StudyError
from seealike.images.order import batches, default_batch, enough, order


@given(st.integers(1, 300), st.integers(0, 2**40))
def test_order_is_a_permutation(count, seed):
    assert sorted(order(count, None, seed)) == list(range(count))


def test_order_is_the_same_on_all_machines():
    assert order(10, None, 0) == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]
    assert order(10, 4, 7) == order(10, None, 7)[:4] != order(10, 4, 0)


def test_order_leaves_the_global_random_state():
    before = torch.get_rng_state()
    order(100, None, 3)
    assert torch.equal(torch.get_rng_state(), before)


@given(st.lists(st.integers()), st.integers(1, 9))
def test_batches_are_the_order_cut(indices, batch):
    cut = batches(indices, batch)
    assert [index for part in cut for index in part] == indices
    assert all(len(part) == batch for part in cut[:-1]) and all(cut)


@pytest.mark.parametrize(("count", "batch"), [(4, 4), (40, 5), (500, 62), (2048, 256), (10**6, 256)])
def test_default_batch(count, batch):
    assert default_batch(count) == batch


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: order(10, 11, 0), "take = 11: there are only 10 images"),
        (lambda: order(10, 0, 0), "take = 0: take at least 1 image"),
        (lambda: order(10, None, -1), "seed = -1: a seed is 0 or"),
        (lambda: batches([1, 2], 0), "batch = 0: a batch holds at least 1"),
        (lambda: enough(3), "too few images: 3. Similarity needs at least 4"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(StudyError, match=words.replace(".", r"\.")):
        call()


def test_four_are_enough():
    enough(4)
