from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch.models.analysis import Analysis, describe_full_text_change

lengths = st.integers(1, 32)
analyses = st.builds(
    Analysis,
    tokenizer=st.sampled_from(["simple", "whitespace", "icu", "icu/split", "ngram", "raw"]),
    language=st.sampled_from(["English", "German"]),
    stem=st.booleans(),
    stop_words=st.booleans() | st.lists(st.text("abc", min_size=1), min_size=1).map(tuple),
    lower_case=st.booleans(),
    ascii_folding=st.booleans(),
    max_token_length=st.none() | st.integers(1, 100),
    ngram_min_length=lengths,
    ngram_max_length=lengths,
)


@given(analyses)
def test_an_analysis_comes_back_from_its_data(analysis):
    assert Analysis.from_data(analysis.to_data()) == analysis


@given(analyses, analyses)
def test_two_have_the_same_data_only_where_they_are_the_same(one, other):
    assert (one.to_data() == other.to_data()) is (one == other)
    assert bool(describe_full_text_change(["a"], one, ["a"], other)) is (one != other)


def test_nothing_is_kept_of_the_default():
    assert Analysis().to_data() == {}
    assert Analysis.from_data({}) == Analysis.of_options({}) == Analysis()


@pytest.mark.parametrize(
    "options",
    [
        {"tokenizer": "simple", "language": "English", "stem": True, "stop_words": True},
        {"max_token_length": 40, "lower_case": True, "ascii_folding": True},
        {"language": "English"},
    ],
)
def test_a_default_that_is_written_out_is_the_default(options):
    assert Analysis.of_options(options) == Analysis()


def test_what_changes_nothing_does_not_count():
    plain = {"stem": False, "stop_words": False}
    assert Analysis.of_options({**plain, "language": "German"}) == Analysis.of_options(plain)
    assert Analysis.of_options({"stop_words": ["The", "the", "a"]}) == Analysis.of_options({"stop_words": ["a", "the"]})
    assert Analysis.of_options({"stop_words": []}) == Analysis.of_options({"stop_words": False})


def test_capitals_of_stop_words_stay_where_those_of_words_do():
    assert Analysis.of_options({"stop_words": ["The"], "lower_case": False}).stop_words == ("The",)
    assert Analysis.of_options({"stop_words": ["The"]}).stop_words == ("the",)


@pytest.mark.parametrize(
    ("options", "lengths"),
    [
        ({}, (3, 3)),
        ({"ngram_min_length": 2}, (2, 3)),
        ({"ngram_min_length": 5}, (5, 5)),
        ({"ngram_max_length": 2}, (2, 2)),
        ({"ngram_max_length": 5}, (3, 5)),
        ({"ngram_min_length": 1, "ngram_max_length": 2}, (1, 2)),
    ],
)
def test_one_length_of_ngram_alone_makes_room_for_the_other(options, lengths):
    analysis = Analysis.of_options({"tokenizer": "ngram", **options})
    assert (analysis.ngram_min_length, analysis.ngram_max_length) == lengths


@pytest.mark.parametrize("tokenizer", ["icu", "icu/split", "ngram", "raw"])
def test_a_tokenizer_of_many_languages_or_none_leaves_no_word_out_by_itself(tokenizer):
    assert Analysis.of_options({"tokenizer": tokenizer}).stop_words is False


def test_every_option_is_one_that_can_change():
    now = Analysis("raw", "German", False, ("a", "b"), False, False, None, 1, 2)
    said = describe_full_text_change(["caption"], Analysis(), ["caption"], now)
    for field in fields(Analysis):
        assert f"{field.name} " in said
    assert "stop_words true -> [a, b]" in said
    assert "max_token_length 40 -> no limit" in said


def test_columns_that_come_and_go_are_told():
    german = Analysis(language="German")
    assert describe_full_text_change((), Analysis(), ("a", "b"), german) == "full_text none -> a, b (language German)"
    assert describe_full_text_change(("a", "b"), german, (), Analysis()) == "full_text a, b -> none"
    assert describe_full_text_change(("a", "b"), german, ("b", "a"), german) == ""
    assert describe_full_text_change(("a",), Analysis(), ("b",), german) == (
        "full_text a -> b, full_text: language English -> German"
    )
