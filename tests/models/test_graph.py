"""Graphs of small models of many families: the same numbers, the same images, the right facts."""

from collections import Counter

import pytest
import torch
from small import FAMILIES, build, images, tensors
from torch.utils._pytree import tree_leaves

from seealike.models import placing
from seealike.models.graph import Graph
from seealike.models.run import output, run


@pytest.mark.parametrize("name", FAMILIES)
def test_graph(name, monkeypatch):
    family, module = FAMILIES[name], build(name)
    failed = watch_the_rules(monkeypatch)
    graph = Graph.of(module, family.size, name)
    assert failed == []
    assert {x.name for x in (*graph.layers, *graph.parts) if x.places is None} == family.unplaced
    equals_the_module(graph, module)
    names_are_unique_and_in_order(graph)
    rows_are_images(graph)
    facts_are_those_of_the_source(graph, module, family)
    residuals_are_sums(graph)


def watch_the_rules(monkeypatch):
    """The operations whose places no rule could follow for an error: `follow` calls those not known."""
    failed, rule_of = [], placing._rule

    def watched(node):
        rule = rule_of(node)

        def apply(*given):
            try:
                return rule(*given)
            except Exception as error:
                failed.append((str(node.target), error))
                raise

        return rule and apply

    monkeypatch.setattr(placing, "_rule", watched)
    return failed


def equals_the_module(graph, module):
    for n in (1, 3, 5):
        x = images(n, graph.size)
        with torch.no_grad():
            expected, seen = tree_leaves(module(x)), tree_leaves(output(graph, x))
        assert len(expected) == len(seen)
        assert all(torch.equal(a, b) for a, b in zip(expected, seen, strict=True) if isinstance(a, torch.Tensor))


def names_are_unique_and_in_order(graph):
    order = {node: i for i, node in enumerate(graph.module.graph.nodes)}
    places = [order[x.node] for x in graph.layers]
    assert places == sorted(set(places))
    names = Counter(n for x in (*graph.layers, *graph.parts) for n in x.names)
    assert names.most_common(1)[0][1] == 1
    depths = [x.depth for x in graph.layers]
    assert depths == sorted(depths) and (depths[0], depths[-1]) == (0, 1)


def rows_are_images(graph):
    """Another image 0 changes the first row of every tensor, and not a bit of the other rows."""
    x = images(3, graph.size)
    before = tensors(graph, x)
    x[0] = images(1, graph.size, seed=1)[0]
    after = tensors(graph, x)
    assert len(before) == len(graph.layers) + len(graph.parts)
    for layer in (*graph.layers, *graph.parts):
        a, b = before[layer.name], after[layer.name]
        assert a.shape == (3, *layer.shape), layer.name
        assert torch.equal(a[1:], b[1:]), f"{layer.name}: other images changed"
        assert not torch.equal(a[0], b[0]), f"{layer.name}: the image did not change"


def facts_are_those_of_the_source(graph, module, family):
    assert len(graph.residuals) == family.residuals(module)
    assert sum(r.projected for r in graph.residuals) == family.projected(module)
    assert Counter(a.kind for a in graph.attentions) == {k: n for k, n in family.attentions(module).items() if n}


def residuals_are_sums(graph):
    """Skip and branch, as named, are what is added: both as the addition is given them and as they were made."""
    x, seen, given = images(2, graph.size), {}, {}

    def keep(name, when):
        def look(operation):
            if when == "before":
                given[name] = [t.clone() for t in operation.inputs[:2]]
            else:
                seen[name] = operation.output.clone()

        return look

    residuals = [r for r in graph.residuals if r.skip in graph.by_name]
    assert all(r.skip_node.target == torch.ops.aten.expand.default for r in graph.residuals if r not in residuals)
    wanted = {n for r in residuals for n in (r.name, r.skip, r.branch)}
    watches = [(graph.by_name[n], "after", keep(n, "after")) for n in wanted]
    watches += [(graph.by_name[r.name], "before", keep(r.name, "before")) for r in residuals]
    run(graph, x, watches)
    for r in residuals:
        first, second = given[r.name]
        assert torch.equal(first + second, seen[r.name]), r.name
        skip, branch = (first, second) if r.node.args[0] is r.skip_node else (second, first)
        assert r.node.args[:2] in ((r.skip_node, r.branch_node), (r.branch_node, r.skip_node))
        assert same_numbers(seen[r.skip], skip) and same_numbers(seen[r.branch], branch), r.name


def same_numbers(a, b):
    """Equal, or (a rearranged tensor has the name of the one it was rearranged from) equal in another order."""
    a, b = a.flatten(), b.flatten()
    return torch.equal(a, b) or torch.equal(a.sort()[0], b.sort()[0])


def test_another_reading_of_the_same_model_is_another_question(monkeypatch):
    """Answers about places that are found otherwise today are no answers."""
    net = torch.nn.Conv2d(3, 4, 3)
    before = Graph.of(net, (3, 8, 8), "net").fingerprint
    assert Graph.of(net, (3, 8, 8), "net").fingerprint == before
    monkeypatch.setattr("seealike.models.graph.READING", 99)
    assert Graph.of(net, (3, 8, 8), "net").fingerprint != before
