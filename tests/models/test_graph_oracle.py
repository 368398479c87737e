"""Residuals and attentions of models in their full sizes, against numbers read in the models' sources."""

from collections import Counter

import pytest
import timm
import torch

from seealike.models.graph import Graph

TOKEN = "token"
# name: (side of the image, residuals, of which projected, attentions by kind)
ORACLE = {
    "resnet50": (64, 16, 4, {}),
    "vit_base_patch16_224": (224, 24, 0, {TOKEN: 12}),
    "res2net50_26w_4s": (64, 16, 4, {}),
    "swin_tiny_patch4_window7_224": (224, 24, 0, {TOKEN: 12}),
    "convnext_tiny": (64, 18, 0, {}),
    "mixer_b16_224": (224, 24, 0, {}),
    "cait_xxs24_224": (224, 52, 0, {"talking heads": 24, "class": 2}),
    "densenet121": (64, 0, 0, {}),
    "vgg11": (32, 0, 0, {}),
    "deit_base_distilled_patch16_224": (224, 24, 0, {TOKEN: 12}),
    "eva02_tiny_patch14_224": (224, 24, 0, {TOKEN: 12}),
    "maxvit_tiny_tf_224": (224, 55, 4, {TOKEN: 22}),
}


@pytest.mark.parametrize("name", [n if n == "resnet50" else pytest.param(n, marks=pytest.mark.long) for n in ORACLE])
def test_facts_of_full_models(name):
    side, residuals, projected, attentions = ORACLE[name]
    torch.manual_seed(0)
    graph = Graph.of(timm.create_model(name).eval(), (3, side, side), name)
    assert (len(graph.residuals), sum(r.projected for r in graph.residuals)) == (residuals, projected)
    assert Counter(a.kind for a in graph.attentions) == attentions
