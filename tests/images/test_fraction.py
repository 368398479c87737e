"""Parts of the data: nested, balanced, the same everywhere."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seealike.errors import StudyError
from seealike.images.fraction import balanced

LABELS = st.lists(st.none() | st.integers(0, 5), min_size=1, max_size=200).filter(
    lambda labels: any(label is not None for label in labels)
)
FRACTIONS = st.floats(0, 1, exclude_min=True)
SEEDS = st.integers(0, 2**40)


@settings(max_examples=200)
@given(LABELS, FRACTIONS, FRACTIONS, SEEDS)
def test_a_smaller_part_is_among_a_larger_one(labels, a, b, seed):
    small, large = (balanced(labels, fraction, seed) for fraction in sorted((a, b)))
    assert set(small) <= set(large)
    assert small == sorted(set(small)) and large == sorted(set(large))


@settings(max_examples=200)
@given(LABELS, FRACTIONS, SEEDS)
def test_every_class_keeps_its_share_and_at_least_one_image(labels, fraction, seed):
    kept = Counter(labels[index] for index in balanced(labels, fraction, seed))
    there = Counter(label for label in labels if label is not None)
    assert set(kept) == set(there)
    for label, count in there.items():
        assert kept[label] == 1 or abs(kept[label] - fraction * count) <= 0.5 + 1e-9


@given(LABELS, SEEDS)
def test_the_whole_is_all_that_has_a_label(labels, seed):
    assert balanced(labels, 1.0, seed) == [i for i, label in enumerate(labels) if label is not None]


def test_equal_classes_stay_equal():
    labels = [i % 10 for i in range(5000)]
    parts = [balanced(labels, fraction, 0) for fraction in (0.01, 0.03, 0.1, 0.3)]
    assert [set(Counter(labels[i] for i in part).values()) for part in parts] == [{5}, {15}, {50}, {150}]


def test_which_images_is_by_lot_and_the_same_on_all_machines():
    labels = [i // 50 for i in range(100)]
    assert balanced(labels, 0.06, 0) == [3, 11, 20, 53, 59, 92]
    assert balanced(labels, 0.06, 0) != balanced(labels, 0.06, 1)
    often = Counter(i for seed in range(600) for i in balanced(labels, 0.1, seed))
    assert len(often) == 100 and all(30 < count < 95 for count in often.values())  # 60, spread 7.3


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.01, float("nan"), float("inf")])
def test_what_is_no_share_is_refused(fraction):
    with pytest.raises(StudyError, match=r"fraction = .*: write a share of the images above 0 and up to 1"):
        balanced([0, 1], fraction, 0)


@pytest.mark.parametrize("labels", [[], [None, None]])
def test_without_labels_nothing_is_balanced(labels):
    with pytest.raises(StudyError, match="a balanced part needs labels, and these images have none"):
        balanced(labels, 0.5, 0)
