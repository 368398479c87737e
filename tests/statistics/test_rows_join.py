"""Rows are joined as often as their number doubles: what a long run costs does not grow with its batches squared."""

import pytest
import torch

from seealike.kernel import IMAGES, Tap, Totals
from seealike.statistics.labelled import Labelled
from seealike.statistics.rows import Rows

BATCHES = 300


class CountedLabelled(Labelled):
    """Tells how many rows were copied."""

    copied = 0

    def total(self, states):
        whole = super().total(states)
        type(self).copied += len(whole["index"])
        return whole


def part(some: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"index": some, "label": some % 7, "rows": some[:, None].double() / 3}


@pytest.fixture
def order() -> list[torch.Tensor]:
    shuffled = torch.randperm(8 * BATCHES, generator=torch.Generator().manual_seed(0))
    return [batch.sort().values for batch in shuffled.split(8)]


def test_each_row_is_copied_a_few_times(order):
    statistic = CountedLabelled(Tap(IMAGES, "rows"), 8 * BATCHES, 1)
    totals = Totals()
    for k, batch in enumerate(order):
        totals.add(k, 8, {statistic: part(batch)})
    whole = totals.groups[0][statistic]
    assert CountedLabelled.copied <= 3 * 8 * BATCHES  # joined batch by batch it would be 150 times
    assert whole["index"].equal(torch.arange(8 * BATCHES)) and totals.images[0][statistic] == 8 * BATCHES
    assert whole["rows"].equal(torch.arange(8 * BATCHES)[:, None].double() / 3)
    assert whole["label"].equal(torch.arange(8 * BATCHES) % 7)


def test_what_is_looked_at_on_the_way_is_whole_and_goes_on(order):
    statistic = Rows(Tap(IMAGES, "rows"))
    totals, others = Totals(), Totals()
    seen = 0
    for k, batch in enumerate(order[:40]):
        totals.add(16 * k, 8, {statistic: part(batch)})  # all in one group
        seen += 8
        if k % 3 == 0:
            assert len(totals.groups[0][statistic]["index"]) == seen
    for k, batch in enumerate(order[40:]):
        others.add(16 * k, 8, {statistic: part(batch)})
    totals.join(others)
    assert totals.groups[0][statistic]["index"].equal(torch.arange(8 * BATCHES))
    assert totals.images[0][statistic] == 8 * BATCHES
