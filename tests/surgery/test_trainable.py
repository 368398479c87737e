"""Training with edits, step by step beside networks written by hand."""

import copy
import functools

import pytest
import torch
import torch.nn.functional as F
from by_hand import CASES, made, written
from small import images, stirred
from torch import nn

from seealike.errors import RunError, StudyError
from seealike.models.graph import Graph
from seealike.models.run import output
from seealike.surgery import Trainable, edited, parse, trainable, without_norm, without_skip

STEPS = 10


def size_of(name):
    return (3, CASES[name].size, CASES[name].size)


@functools.cache
def trained(name):
    """The network, its copy before, the trainable one, and the one by hand: after the same ten steps."""
    net = made(name)
    before, texts = copy.deepcopy(net), tuple(CASES[name].edits)
    hand = written(name, *texts, of=net).train()
    learner = trainable(net, size_of(name), [parse(text) for text in texts], name)
    for module in (learner, hand):
        learn(module, size_of(name))
    return net, before, learner, hand


def learn(module, size):
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    for step in range(STEPS):
        torch.manual_seed(step)  # of dropout and of the paths that are dropped
        optimizer.zero_grad()
        x = images(6, size, step).double()
        F.cross_entropy(module(x), torch.arange(6) % 5).backward()
        optimizer.step()


def apart(a, b):
    return float((a - b).detach().abs().max())


LONG = ("swin", "convnext")
EACH = [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in CASES]


@pytest.mark.parametrize("name", EACH)
def test_ten_steps_give_the_weights_of_the_network_by_hand(name):
    net, before, _, hand = trained(name)
    own, old, by_hand = net.state_dict(), before.state_dict(), hand.state_dict()
    assert set(by_hand) <= set(own) == set(old)
    assert max(apart(own[key], by_hand[key]) for key in by_hand) < 1e-12
    moved = [key for key in by_hand if by_hand[key].is_floating_point() and apart(own[key], old[key]) > 1e-4]
    assert len(moved) > len(by_hand) / 2
    # what was taken out learns nothing, and counts no batches
    assert all(torch.equal(own[key], old[key]) for key in own if key not in by_hand)


@pytest.mark.parametrize("name", CASES)
def test_in_evaluation_mode_it_is_the_network_by_hand(name):
    net, before, learner, hand = trained(name)
    assert list(learner.state_dict()) == list(net.state_dict()) == list(before.state_dict())
    assert all(a is b for a, b in zip(learner.parameters(), net.parameters(), strict=True))
    x = images(4, size_of(name)).double()
    assert apart(learner.eval()(x), hand.eval()(x)) < 1e-12
    learner.train()


@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_weights_carry_over_to_an_untouched_network(name):
    _, before, learner, _ = trained(name)
    x = images(4, size_of(name)).double()
    answer = learner.eval()(x).detach()
    carried = copy.deepcopy(before)
    carried.load_state_dict(learner.state_dict())
    graph = Graph.of(carried, size_of(name))
    assert torch.equal(output(edited(graph, learner.edits), x), answer)
    assert apart(output(graph, x), answer) > 1e-3
    learner.train()


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_by_hand_in_training_mode(name):
    net, _, learner, hand = trained(name)
    x = images(6, size_of(name), STEPS).double()
    for module in (learner, hand):
        torch.manual_seed(0)
        module.zero_grad()
        module.train()(x).square().sum().backward()
    by_hand = dict(hand.named_parameters())
    for key, p in net.named_parameters():
        assert (p.grad is None) if key not in by_hand else apart(p.grad, by_hand[key].grad) < 1e-10


class Noisy(nn.Module):
    def __init__(self, when):
        super().__init__()
        self.a, self.b, self.when = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), when
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("mean", torch.zeros(4, 1, 1), persistent=False)

    def forward(self, x):
        x = self.a(x) - self.mean
        if self.training == self.when:
            x = x + torch.full((4, 1, 1), 0.1, device=x.device) * x
        return x + self.norm(self.b(x).relu())


@pytest.mark.parametrize("when", [True, False])
def test_a_forward_that_differs_in_training_is_refused(when):
    with pytest.raises(StudyError) as error:
        trainable(Noisy(when), (3, 4, 4), [without_skip("add@1")] if not when else [without_skip("add")], "net")
    assert "in training mode net runs other operations than in evaluation mode" in str(error.value)


def test_the_network_s_mode_and_numbers_are_untouched_by_making_it_trainable():
    net = stirred(Noisy(None))
    net.norm.train()
    state, random = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    learner = trainable(net, (3, 4, 4), [without_skip("add")])
    assert not net.training and net.norm.training and learner.training
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), state.values(), strict=True))
    assert torch.equal(torch.get_rng_state(), random)
    learner.eval()
    assert net.norm.training and not learner.training


def test_what_is_moved_or_loaded_is_what_runs():
    net, x = stirred(Noisy(None)), images(4, (3, 4, 4))
    learner = trainable(net, (3, 4, 4), [without_skip("add")]).eval()
    was = learner(x)
    learner.load_state_dict({key: 2 * value for key, value in net.state_dict().items()})
    twice = learner(x)
    assert apart(twice, was) > 1e-3
    net.norm.running_mean = net.norm.running_mean + 1  # another tensor, as `to` makes
    shift = net.norm.weight / (net.norm.running_var + net.norm.eps).sqrt()
    assert apart(learner(x), twice - shift[:, None, None]) < 1e-5
    learner.double()
    assert net.mean.dtype == torch.float64 and learner(x.double()).dtype == torch.float64


def test_it_runs_where_its_images_are():
    class Making(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.scale = nn.Conv2d(3, 4, 1), torch.tensor([2.0])

        def forward(self, x):
            x = self.a(x)
            return x + torch.arange(4, device=x.device)[:, None, None] * torch.tensor(2.0, device=x.device) * x.tanh()

    net = Making()
    learner = trainable(net, (3, 4, 4), [without_skip("add")])
    x = images(2, (3, 4, 4))
    assert apart(learner(x), torch.arange(4)[:, None, None] * 2 * net.a(x).tanh()) < 1e-6
    learner.to("meta")
    assert learner(x.to("meta")).device.type == "meta"


def test_a_copy_has_weights_of_its_own():
    net, x = stirred(Noisy(None)), images(4, (3, 4, 4))
    learner = trainable(net, (3, 4, 4), [without_skip("add")]).eval()
    copied = copy.deepcopy(learner)
    assert isinstance(copied, Trainable) and torch.equal(copied(x), learner(x)) and not copied.training
    with torch.no_grad():
        copied.network.a.weight.zero_()
    assert not torch.equal(copied(x), learner(x))
    assert [p.shape for p in copied.parameters()] == [p.shape for p in learner.parameters()]


def test_images_of_another_size_are_refused():
    learner = trainable(stirred(Noisy(None)), (3, 4, 4), [without_norm("norm")], "net")
    with pytest.raises(RunError, match="net was traced for images of size 3x4x4, but was given 3x5x5"):
        learner(images(2, (3, 5, 5)))
