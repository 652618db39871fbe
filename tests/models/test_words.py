from unicodedata import is_normalized, normalize

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch.models.words import compose_texts, compose_words, decompose_words

# Scripts that have been whole for long, so that Python's Unicode and Arrow's agree.
SCRIPTS = [
    (0x20, 0x700),
    (0x900, 0x97F),
    (0x1100, 0x11FF),
    (0x1E00, 0x1FFF),
    (0x3040, 0x30FF),
    (0xAC00, 0xD7A3),
    (0xFB1D, 0xFB4F),
]
letters = st.text(st.one_of([st.characters(min_codepoint=first, max_codepoint=last) for first, last in SCRIPTS]))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_column_keeps_its_type_its_nulls_and_its_order(kind):
    texts = pa.chunked_array(
        [pa.array(["skipped", "cafe\u0301", None], kind).slice(1), pa.array([], kind), ["", "a dog"]], kind
    )
    composed = compose_texts(texts)
    assert composed.type == kind
    assert composed.to_pylist() == ["café", None, "", "a dog"]


def test_a_column_of_nulls_alone_is_one():
    assert compose_texts(pa.chunked_array([pa.nulls(2, pa.string())])).to_pylist() == [None, None]


@given(letters)
def test_all_ways_to_write_a_text_are_one(text):
    forms = [text, *(normalize(form, text) for form in ("NFC", "NFD"))]
    assert len({compose_words(form) for form in forms}) == 1
    assert compose_texts(pa.chunked_array([forms])).to_pylist() == [compose_words(text)] * 3
    assert compose_words(decompose_words(text)) == compose_words(text)


@given(st.text(st.sampled_from("ae\u0301\u0323\u1112\u1161\u11ab\u05e9\u05c1\u05bc\ufb2a")))
def test_what_is_composed_is_so_by_unicodes_rules(text):
    assert is_normalized("NFC", compose_words(text))
    assert is_normalized("NFD", decompose_words(text))
