"""One question of several models: the same as if each had been asked by itself."""

import pytest

from seealike.errors import StudyError
from seealike.study.toml import study

MODELS = {name: {"source": f"zoo:{name.partition('-')[0]}"} for name in ("vit", "vit-b", "resnet")}
IMAGES = {"test": {"source": "scenes:64"}}


def asked(**keys):
    table = {"models": MODELS, "images": IMAGES, "ask": {"far": {"measure": "attention_distance", **keys}}}
    return study(table).ask


def test_a_glob_and_a_list_ask_each_model_by_itself():
    alone = asked(model="vit-b")["far"]
    assert asked(model="vit*") == asked(model=["vit", "vit-b"])
    assert list(asked(model="vit*")) == ["far@vit", "far@vit-b"]
    assert asked(model="vit*")["far@vit-b"] == alone


def test_a_list_of_one_is_named_like_one_of_many():
    assert list(asked(model=["vit"])) == ["far@vit"]
    assert list(asked(model="vit")) == ["far"]


def test_no_such_model():
    with pytest.raises(StudyError, match=r'ask\.far\.model = "vti\*": there is no such model\. .*vit'):
        asked(model=["vit", "vti*"])
