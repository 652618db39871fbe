"""What LanceDB finds with each option of a full text."""

from __future__ import annotations

from typing import get_args

import pyarrow as pa
import pytest

from embeddings_orch.models.analysis import MAX_TOKEN_LENGTH, Analysis, Language
from embeddings_orch.store.store import Store

SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("text", pa.string())])


@pytest.fixture
def found(tmp_path):
    """What a query finds of some texts, by options: ``found(texts, **options)(query)``."""
    store = Store(str(tmp_path / "store"))
    count = 0

    def index(texts, **options):
        nonlocal count
        count += 1
        table = store.index(f"index.p.i.{count}")
        rows = pa.table({"id": list(texts), "text": list(texts)}, schema=SCHEMA)
        table.write(iter([rows]), SCHEMA, [])
        table.build_indexes([], "cosine", ["text"], Analysis.of_options(options))
        reader = table.reader(table.latest())
        return lambda query: sorted(reader.keyword(query, ["text"], limit=100)["id"].to_pylist())

    return index


GERMAN = ["ein altes Haus am See", "viele Häuser", "die Straße der Mäuse"]


def test_german_words_are_found_by_their_other_forms(found):
    german, english = found(GERMAN, language="German"), found(GERMAN)
    for query in ("Haus", "Häuser", "HAUSES"):
        assert german(query) == ["ein altes Haus am See", "viele Häuser"]
    assert english("Haus") == ["ein altes Haus am See"]
    assert german("Maus") == german("Strasse") == ["die Straße der Mäuse"]
    assert english("Maus") == []


def test_stop_words_are_the_languages_own(found):
    german, english = found(GERMAN, language="German"), found(GERMAN)
    assert german("die der") == []
    assert english("die der") == ["die Straße der Mäuse"]


TITLES = ["to be or not to be", "the cat and the dog", "who is who"]


def test_stop_words_can_be_kept(found):
    assert found(TITLES)("to be or not to be") == []
    assert found(TITLES, stop_words=False)("to be or not to be") == ["to be or not to be"]


def test_stop_words_can_be_named_instead(found):
    named = found(TITLES, stop_words=["Cat", "who"])
    assert named("cat") == named("CAT") == named("who") == []
    assert named("to be") == ["to be or not to be"]
    assert named("dog") == ["the cat and the dog"]


def test_named_stop_words_are_compared_with_stems(found):
    texts = ["he runs", "a dog"]
    assert found(texts, stop_words=["run"])("runs") == []
    assert found(texts, stop_words=["runs"])("runs") == ["he runs"]
    assert found(texts, stop_words=["runs"], stem=False)("runs") == []


@pytest.mark.parametrize("tokenizer", ["icu", "icu/split"])
def test_a_tokenizer_of_all_languages_leaves_no_word_out(found, tokenizer):
    titles = found(TITLES, tokenizer=tokenizer)
    assert titles("cat") == ["the cat and the dog"]
    assert titles("not") == ["to be or not to be"]
    assert found(TITLES, tokenizer=tokenizer, stop_words=["not"])("not") == []


CHINESE, JAPANESE, THAI, KOREAN = "我喜欢北京的猫", "東京都に猫がいます", "สวัสดีชาวโลก", "한국어텍스트"


@pytest.mark.parametrize("tokenizer", ["icu", "icu/split"])
def test_icu_finds_words_that_no_space_parts(found, tokenizer):
    texts = [CHINESE, JAPANESE, THAI]
    words, plain = found(texts, tokenizer=tokenizer), found(texts)
    assert words("猫") == sorted([CHINESE, JAPANESE])
    assert words("北京") == [CHINESE]
    assert words("東京") == [JAPANESE]
    assert words("京都") == [], "part of 東京都, but no word of it"
    assert words("สวัสดี") == [THAI]
    assert [plain(query) for query in ("猫", "北京", "東京", "สวัสดี")] == [[]] * 4


def test_ngram_finds_any_part(found):
    pairs = found([CHINESE, JAPANESE, KOREAN], tokenizer="ngram", ngram_min_length=2, ngram_max_length=2)
    assert pairs("東京") == pairs("京都") == [JAPANESE]
    assert pairs("北京") == [CHINESE]
    assert pairs("텍스") == [KOREAN]
    assert pairs("猫") == [], "it is shorter than the shortest piece"
    single = found([CHINESE, JAPANESE], tokenizer="ngram", ngram_min_length=1, ngram_max_length=2)
    assert single("猫") == sorted([CHINESE, JAPANESE])


def test_a_longer_piece_finds_less(found):
    texts = ["abcdef", "abcxyz"]
    assert found(texts, tokenizer="ngram")("abcde") == texts
    assert found(texts, tokenizer="ngram", ngram_min_length=5)("abcde") == ["abcdef"]


FILES = ["IMG_2024_AB-1234.jpg", "scan_0017.tiff", "IMG_2023_CD-1299.jpg"]


def test_file_names_and_codes_are_found_by_their_parts(found):
    split, pieces = found(FILES), found(FILES, tokenizer="ngram")
    assert split("1234") == pieces("1234") == pieces("ab-1") == ["IMG_2024_AB-1234.jpg"]
    assert split("234") == [], "the whole number is the word"
    assert pieces("234") == ["IMG_2024_AB-1234.jpg"]
    assert pieces("d-123") == ["IMG_2023_CD-1299.jpg", "IMG_2024_AB-1234.jpg"], "one piece in common is enough"
    assert pieces("tif") == ["scan_0017.tiff"]


def test_white_space_leaves_signs_in_their_words(found):
    codes = found(["part AB-1234 of 3", "part AB-9999 of 3"], tokenizer="whitespace")
    assert codes("ab-1234") == ["part AB-1234 of 3"]
    assert codes("1234") == []


def test_raw_finds_the_whole_text_alone_however_long(found):
    long = "x" * 300
    codes = found([*FILES, long, "and"], tokenizer="raw")
    assert codes("img_2024_ab-1234.JPG") == ["IMG_2024_AB-1234.jpg"]
    assert codes("IMG") == []
    assert codes(long) == [long]
    assert codes("and") == ["and"]
    assert found([long], tokenizer="raw", max_token_length=100)(long) == []


def test_capitals_and_accents_count_where_they_are_told_to(found):
    texts = ["Éclair", "POLISH"]
    folded = found(texts)
    assert (folded("eclair"), folded("polish")) == (["Éclair"], ["POLISH"])
    assert found(texts, ascii_folding=False)("eclair") == []
    assert found(texts, lower_case=False, stem=False)("polish") == []


def test_words_are_found_as_they_stand_without_stems(found):
    texts = ["he runs", "she ran", "running"]
    assert found(texts)("run") == ["he runs", "running"]
    assert found(texts, stem=False)("run") == []


def test_a_long_word_is_left_out(found):
    short, long = "a" * (MAX_TOKEN_LENGTH - 1), "b" * MAX_TOKEN_LENGTH
    words = found([short, long])
    assert (words(short), words(long)) == ([short], [])
    assert found([short, long], max_token_length=100)(long) == [long]


@pytest.mark.parametrize("language", get_args(Language))
def test_lancedb_knows_every_language(found, language):
    assert found(["Zulu 1234"], language=language)("1234") == ["Zulu 1234"]
