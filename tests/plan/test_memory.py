"""What a pass is expected to hold, and what is said where that is too much."""

import pytest
from torch import nn

from seealike.errors import StudyError
from seealike.kernel import Tap
from seealike.models.graph import Graph
from seealike.plan import memory
from seealike.plan.memory import expected, refuse_what_cannot_fit
from seealike.views.gram import Gram
from seealike.views.pooling import Pool

VIEW = Gram(Pool("flatten"))


@pytest.fixture(scope="module")
def graph() -> Graph:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    return Graph.of(net, (3, 8, 8), "net")


@pytest.fixture
def taps(graph) -> list[Tap]:
    return [Tap("net", layer.name, VIEW) for layer in graph.layers]


def test_more_images_and_more_layers_need_more(graph, taps):
    sizes = [expected([graph], taps, batch) for batch in (4, 8, 16, 512)]
    assert sizes == sorted(set(sizes))
    counts = [expected([graph], taps[:n], 16) for n in range(len(taps) + 1)]
    assert counts == sorted(set(counts))
    assert expected([graph, graph], taps, 16) > expected([graph], taps, 16)
    assert expected([graph], [*taps, *taps], 16) == expected([graph], taps, 16)


def test_it_holds_at_least_weights_and_grams(graph, taps):
    weights = 4 * graph.parameters
    assert expected([], [], 8) == 0
    assert expected([graph], taps, 64) > weights + len(taps) * 64 * 64 * 4


def test_what_fits_is_let_pass(graph, taps, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda device: expected([graph], taps, 64))
    refuse_what_cannot_fit("photographs", [graph], taps, 64, "cpu")
    with pytest.raises(StudyError, match="batch = 65 needs about"):
        refuse_what_cannot_fit("photographs", [graph], taps, 65, "cpu")


def test_what_cannot_fit_is_refused_with_the_largest_batch_that_would(graph, taps, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda device: expected([graph], taps, 600))
    with pytest.raises(StudyError) as error:
        refuse_what_cannot_fit("photographs", [graph], taps, 20_000, "cpu")
    needed, free = (f"{expected([graph], taps, batch) / 1e9:.1f} GB" for batch in (20_000, 600))
    said = f"photographs: batch = 20000 needs about {needed}, and {free} are free; batch = 512 would fit."
    assert str(error.value) == said and error.value.exit_code == 2


def test_no_batch_is_named_where_none_would_fit(graph, taps, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda device: 100)
    with pytest.raises(StudyError, match=r"no batch would fit: ask of fewer layers or a smaller model\.$"):
        refuse_what_cannot_fit("photographs", [graph], taps, 64, "cpu")


def test_the_processor_has_memory():
    assert memory.available("cpu") > 0
