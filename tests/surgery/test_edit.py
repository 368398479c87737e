"""Edits as values, and as the texts of a study."""

import pytest

from seealike.errors import StudyError
from seealike.surgery import Edit, parse, without_heads, without_norm, without_skip


def test_edits_are_values_and_texts():
    edits = [without_skip("blocks.*"), without_heads("blocks.3.attn", 0, 2), without_norm("@block")]
    texts = ["without_skip(blocks.*)", "without_heads(blocks.3.attn, 0, 2)", "without_norm(@block)"]
    assert [*map(str, edits)] == texts and [*map(parse, texts)] == edits
    assert len({*edits, *map(parse, texts)}) == 3


@pytest.mark.parametrize("text", ['without_skip("a.0")', " without_skip ( 'a.0' ) ", "without_skip(a.0)"])
def test_quotes_and_blanks_mean_nothing(text):
    assert parse(text) == Edit("without_skip", "a.0")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("without_skip", '"without_skip" is no edit: write without_skip(NAME), without_heads(NAME, 0, 2), '),
        ("remove(blocks.1)", '"remove" is no edit. There are: without_skip, without_heads, without_norm.'),
        ("without_skips(blocks.1)", '"without_skips" is no edit. Closest: without_skip'),
        ("without_skip()", "without_skip() names nothing"),
        ("without_heads(a)", "without_heads(a): say which heads, counted from 0: without_heads(a, 0, 2)."),
        ("without_heads(a, -1)", "without_heads(a, -1): say which heads, counted from 0"),
        ("without_heads(a, two)", "after the name come numbers of heads"),
        ("without_norm(a, 1)", "without_norm(a, 1): only without_heads takes numbers."),
    ],
)
def test_what_is_no_edit_is_refused(text, said):
    with pytest.raises(StudyError) as error:
        parse(text)
    assert said in str(error.value)
