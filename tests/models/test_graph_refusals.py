"""What cannot be traced, or would mean something else in another batch, is refused before anything runs."""

import pytest
import torch
import torch.nn.functional as F
from small import FAMILIES, stirred
from torch import nn

from seealike.errors import StudyError
from seealike.models.graph import Graph

SIZE = (3, 8, 8)


class Convolved(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 4, 1)


class Branches(Convolved):
    def forward(self, x):
        y = self.c(x)
        return y.relu() if y.sum() > 0 else y


class CountsImages(Convolved):
    def forward(self, x):
        return self.c(x).relu() if x.shape[0] > 3 else self.c(x)


class MixesImages(Convolved):
    def forward(self, x):
        y = self.c(x)
        return F.batch_norm(y, None, None, training=True)


class Centres(Convolved):
    def forward(self, x):
        y = self.c(x)
        return (y - y.mean(0)).relu()


class Fails(Convolved):
    def forward(self, x):
        raise RuntimeError("needs a text as well")


def refusal(module):
    with pytest.raises(StudyError) as error:
        Graph.of(stirred(module), SIZE, "mine")
    return str(error.value)


def test_a_branch_on_values(capfd):
    message = refusal(Branches())
    assert message.startswith("mine cannot be traced with images of size 3x8x8: GuardOnDataDependentSymNode: ")
    assert "no Python branch on the values of tensors in its forward." in message
    assert capfd.readouterr().err == ""  # not the pages that torch writes about it


def test_a_branch_on_the_number_of_images():
    assert refusal(CountsImages()) == (
        "mine takes another path for other numbers of images (traced for at most 3): a layer would mean one thing in "
        "one batch and another in the next. Remove the branch on the batch size from its forward."
    )


@pytest.mark.parametrize(("module", "operation"), [(MixesImages, "batch_norm"), (Centres, "mean")])
def test_images_that_reach_each_other(module, operation):
    message = refusal(module())
    assert message.startswith(f"mine: the images of a batch reach each other at {operation} ")
    assert "Batch statistics must be fixed (evaluation mode)" in message


def test_a_forward_that_fails_says_why():
    assert "RuntimeError: needs a text as well" in refusal(Fails())


def test_another_size_than_it_was_made_for():
    with pytest.raises(StudyError, match=r"^vit cannot be traced with images of size 3x40x40: .*32") as error:
        Graph.of(FAMILIES["vit"].make().eval(), (3, 40, 40), "vit")
    assert "What to try: the size it was made for" in str(error.value)


def test_a_refusal_leaves_the_random_state_and_the_grad_mode():
    module = Branches()
    before = torch.get_rng_state()
    refusal(module)
    assert torch.equal(torch.get_rng_state(), before) and torch.is_grad_enabled()
