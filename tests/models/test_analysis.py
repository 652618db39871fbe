from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch.models.analysis import Analysis, describe_full_text, describe_full_text_change, options_of

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


def test_what_a_store_does_not_say_means_the_same_for_ever():
    lancedbs_own = Analysis("simple", "English", True, True, True, True, 40, 3, 3)
    assert Analysis.from_data({}) == lancedbs_own
    assert lancedbs_own.to_data() == {}
    assert Analysis.of_options(lancedbs_own.to_options()) == lancedbs_own


def test_a_declaration_without_options_means_words_of_every_language():
    assert Analysis.of_options({}) == Analysis("icu/split", "English", False, False, True, True, 160, 3, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"tokenizer": "icu/split", "stem": False, "stop_words": False},
        {"max_token_length": 160, "lower_case": True, "ascii_folding": True},
        {"stop_words": []},
    ],
)
def test_a_default_that_is_written_out_is_the_default(options):
    analysis = Analysis.of_options(options)
    assert analysis == Analysis.of_options({})
    assert analysis.to_options() == {}


@pytest.mark.parametrize("tokenizer", ["icu", "icu/split", "simple", "whitespace"])
def test_a_language_asks_for_its_stems_and_for_its_stop_words_where_there_are_any(tokenizer):
    without = Analysis.of_options({"tokenizer": tokenizer})
    german = Analysis.of_options({"tokenizer": tokenizer, "language": "German"})
    assert (without.stem, without.stop_words) == (False, False)
    assert (german.stem, german.stop_words) == (True, tokenizer in ("simple", "whitespace"))


def test_stems_without_a_language_are_english():
    assert Analysis.of_options({"stem": True}) == Analysis.of_options({"language": "English"})


words = st.lists(st.text("aB", min_size=1), max_size=3)
word_options = st.fixed_dictionaries(
    {},
    optional={
        "tokenizer": st.sampled_from(["simple", "whitespace", "icu", "icu/split"]),
        "language": st.sampled_from(["English", "German"]),
        "stem": st.booleans(),
        "stop_words": st.booleans() | words,
        "lower_case": st.booleans(),
        "ascii_folding": st.booleans(),
        "max_token_length": st.integers(1, 200),
    },
)
piece_options = st.fixed_dictionaries(
    {"tokenizer": st.just("ngram")}, optional={"ngram_min_length": st.integers(1, 4), "ngram_max_length": lengths}
).filter(lambda options: options.get("ngram_min_length", 1) <= options.get("ngram_max_length", 32))
raw_options = st.fixed_dictionaries(
    {"tokenizer": st.just("raw")}, optional={"max_token_length": st.integers(1, 200), "lower_case": st.booleans()}
)


@given(word_options | piece_options | raw_options)
def test_what_is_listed_can_be_declared(options):
    analysis = Analysis.of_options(options)
    listed = analysis.to_options()
    assert Analysis.of_options(listed) == analysis
    assert (listed == {}) is (analysis == Analysis.of_options({}))


def test_the_options_that_are_listed_are_few():
    assert Analysis().to_options() == {"tokenizer": "simple", "language": "English", "max_token_length": 40}
    for options in ({"language": "German"}, {"tokenizer": "ngram"}, {"stop_words": ["der"]}):
        assert Analysis.of_options(options).to_options() == options


def test_an_index_without_full_text_has_no_options():
    assert options_of((), Analysis()) == {}
    assert describe_full_text((), {}) == ""
    assert describe_full_text(("a", "b"), options_of(("a", "b"), Analysis.of_options({}))) == "a, b"


def test_what_changes_nothing_does_not_count():
    plain = {"stem": False, "stop_words": False, "tokenizer": "simple"}
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
    german, english = Analysis.of_options({"language": "German"}), Analysis.of_options({"language": "English"})
    assert describe_full_text_change((), english, ("a", "b"), german) == "full_text none -> a, b (language German)"
    assert describe_full_text_change(("a", "b"), german, (), english) == "full_text a, b -> none"
    assert describe_full_text_change(("a", "b"), german, ("b", "a"), german) == ""
    assert describe_full_text_change(("a",), english, ("b",), german) == (
        "full_text a -> b, full_text: language English -> German"
    )
