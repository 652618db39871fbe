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


JAPANESE, CHINESE = "東京タワーの夜景", "一只黑猫坐在窗台上"
THAI, KOREAN = "แมวดำนั่งอยู่บนขอบหน้าต่าง", "검은 고양이가 창가에 앉아 있다"
TEXTS = {
    "Japanese": JAPANESE,
    "Chinese": CHINESE,
    "Thai": THAI,
    "Korean": KOREAN,
    "German": "viele Häuser an der Straße",
    "compound": "Donaudampfschifffahrt",
    "French": "l'été à Paris",
    "Arabic": "محمد يكتب كتابا",
    "Arabic, with vowel signs": "مُحَمَّدٌ يقرأ",
    "Hebrew": "שלום לכולם",
    "Hebrew, with points": "שָׁלוֹם עולם",
    "Russian": "МОСКВА, достопримечательность",
    "Russian, with ё": "Ёлка",
    "Greek": "Η Ελλάδα",
    "Hindi": "नमस्ते दुनिया",
    "Georgian": "საქართველოსთვის",
    "Tamil": "அருங்காட்சியகத்தில்",
    "band": "The Who",
    "play": "to be or not to be",
    "sentence": "he is running",
    "signs": "AC/DC",
    "language": "written in C++",
    "number": "version 3.5",
    "address": "max.muster@example.org",
    "file": "IMG_2024_AB-1234.jpg",
    "emoji": "party 🎉 time",
}


@pytest.fixture
def named(found):
    """The names of the texts above that a query finds: ``named(**options)(query)``."""

    def index(**options):
        find = found(TEXTS.values(), **options)
        return lambda query: [name for name, text in TEXTS.items() if text in find(query)]

    return index


def test_without_options_words_of_every_language_are_found(named):
    find = named()
    queries = {
        "東京": "Japanese", "タワー": "Japanese", "夜景": "Japanese",
        "猫": "Chinese", "黑猫": "Chinese",
        "แมว": "Thai", "หน้าต่าง": "Thai",
        "고양이가": "Korean",
        "HÄUSER": "German", "hauser": "German", "strasse": "German",
        "L'ETE": "French", "été": "French",
        "محمد": "Arabic", "كتابا": "Arabic",
        "مُحَمَّدٌ": "Arabic, with vowel signs",
        "שלום": "Hebrew", "שָׁלוֹם": "Hebrew, with points",
        "москва": "Russian", "ДОСТОПРИМЕЧАТЕЛЬНОСТЬ": "Russian",
        "ёлка": "Russian, with ё",
        "ελλάδα": "Greek", "दुनिया": "Hindi",
        "საქართველოსთვის": "Georgian", "அருங்காட்சியகத்தில்": "Tamil",
        "The Who": "band", "who": "band", "to be or not to be": "play", "OR": "play",
        "AC/DC": "signs", "ac": "signs", "C++": "language", "3.5": "number", "5": "number",
        "max.muster@example.org": "address", "example.org": "address", "muster": "address",
        "IMG_2024_AB": "file", "2024": "file", "1234": "file", "jpg": "file",
    }  # fmt: skip
    assert {query: find(query) for query in queries} == {query: [name] for query, name in queries.items()}


MISSED = {
    "part of a word of the dictionary": ("窗台", {"tokenizer": "ngram", "ngram_min_length": 2}, "Chinese"),
    "word before an ending": ("고양이", {"tokenizer": "ngram"}, "Korean"),
    "part of a compound": ("schiff", {"tokenizer": "ngram"}, "compound"),
    "other form": ("Haus", {"language": "German"}, "German"),
    "other form, by English": ("runs", {"stem": True}, "sentence"),
    "word without its vowel signs": ("محمد", {"language": "Arabic"}, "Arabic, with vowel signs"),
    "vowel signs of a query": ("مُحَمَّدٌ", {"language": "Arabic"}, "Arabic"),
    "word with an article": ("الكتاب", {"language": "Arabic"}, "Arabic"),
    "accent beyond Latin": ("ελλαδα", {"language": "Greek"}, "Greek"),
    "Cyrillic e": ("елка", {"language": "Russian"}, "Russian, with ё"),
    "part of a code": ("23", {"tokenizer": "ngram", "ngram_min_length": 2}, "file"),
    "emoji": ("🎉", {"tokenizer": "whitespace"}, "emoji"),
    "emoji, by pieces": ("🎉", {"tokenizer": "ngram", "ngram_min_length": 1}, "emoji"),
}


@pytest.mark.parametrize("what", MISSED)
def test_what_is_missed_without_options_an_option_finds(named, what):
    query, options, name = MISSED[what]
    assert name not in named()(query)
    assert name in named(**options)(query)


def test_signs_count_where_white_space_alone_parts_words(found):
    texts = ["in C", "in C++", "AC/DC", "AC power"]
    plain, signs = found(texts), found(texts, tokenizer="whitespace")
    assert (plain("C++"), signs("C++")) == (["in C", "in C++"], ["in C++"])
    assert (plain("AC/DC"), signs("ac/dc")) == (["AC power", "AC/DC"], ["AC/DC"])


SIGNS = {
    "apostrophe": ("don't", ["I don't know", "a T-shirt"]),
    "number": ("3.5", ["version 3.5", "3 to 5 of them"]),
    "Hindi": ("हिन्दी", ["हिन्दी की किताब", "उसे दी"]),
    "Tamil": ("காட்சி", ["காட்சி", "காட"]),
    "Khmer": ("មែខ្មែរ", ["មែខ្មែរ", "មែរ"]),
}


@pytest.mark.parametrize("name", SIGNS)
def test_parts_of_a_word_that_has_signs_are_left_out_where_icu_is_asked_for(found, name):
    query, (whole, part) = SIGNS[name]
    assert found([whole, part])(query) == sorted([whole, part])
    assert found([whole, part], tokenizer="icu")(query) == [whole]


GERMAN = ["ein altes Haus am See", "viele Häuser", "die Straße der Mäuse"]


@pytest.mark.parametrize("tokenizer", ["icu", "icu/split", "simple", "whitespace"])
def test_german_words_are_found_by_their_other_forms(found, tokenizer):
    german, plain = found(GERMAN, tokenizer=tokenizer, language="German"), found(GERMAN, tokenizer=tokenizer)
    for query in ("Haus", "Häuser", "HAUSES"):
        assert german(query) == ["ein altes Haus am See", "viele Häuser"]
    assert plain("Haus") == ["ein altes Haus am See"]
    assert german("Maus") == german("Strasse") == ["die Straße der Mäuse"]
    assert plain("Maus") == []


def test_stop_words_are_the_languages_own(found):
    german, english = (found(GERMAN, tokenizer="simple", language=language) for language in ("German", "English"))
    assert german("die der") == []
    assert english("die der") == ["die Straße der Mäuse"]


TITLES = ["to be or not to be", "the cat and the dog", "who is who"]


def test_stop_words_can_be_kept(found):
    assert found(TITLES, tokenizer="simple", language="English")("to be or not to be") == []
    kept = found(TITLES, tokenizer="simple", language="English", stop_words=False)
    assert kept("to be or not to be") == ["to be or not to be"]


def test_stop_words_can_be_named_instead(found):
    some = found(TITLES, stop_words=["Cat", "who"])
    assert some("cat") == some("CAT") == some("who") == []
    assert some("to be") == ["to be or not to be"]
    assert some("dog") == ["the cat and the dog"]


def test_named_stop_words_are_compared_with_stems(found):
    texts = ["he runs", "a dog"]
    assert found(texts, stem=True, stop_words=["run"])("runs") == []
    assert found(texts, stem=True, stop_words=["runs"])("runs") == ["he runs"]
    assert found(texts, stop_words=["runs"])("runs") == []


@pytest.mark.parametrize("tokenizer", ["icu", "icu/split"])
def test_a_tokenizer_of_all_languages_leaves_no_word_out(found, tokenizer):
    titles = found(TITLES, tokenizer=tokenizer)
    assert titles("cat") == ["the cat and the dog"]
    assert titles("not") == ["to be or not to be"]
    assert found(TITLES, tokenizer=tokenizer, stop_words=["not"])("not") == []


@pytest.mark.parametrize("tokenizer", ["icu", "icu/split"])
def test_icu_finds_words_that_no_space_parts(found, tokenizer):
    texts = ["東京都に猫がいます", CHINESE, THAI]
    words, plain = found(texts, tokenizer=tokenizer), found(texts, tokenizer="simple")
    assert words("猫") == sorted(texts[:2])
    assert words("東京") == texts[:1]
    assert words("京都") == [], "part of 東京都, but no word of it"
    assert words("แมว") == [THAI]
    assert [plain(query) for query in ("猫", "東京", "แมว")] == [[]] * 3


def test_ngram_finds_any_part(found):
    texts = ["東京都に猫がいます", CHINESE, KOREAN]
    pairs = found(texts, tokenizer="ngram", ngram_min_length=2, ngram_max_length=2)
    assert pairs("東京") == pairs("京都") == texts[:1]
    assert pairs("黑猫") == [CHINESE]
    assert pairs("양이") == [KOREAN]
    assert pairs("猫") == [], "it is shorter than the shortest piece"
    single = found(texts, tokenizer="ngram", ngram_min_length=1, ngram_max_length=2)
    assert single("猫") == sorted(texts[:2])


def test_a_longer_piece_finds_less(found):
    texts = ["abcdef", "abcxyz"]
    assert found(texts, tokenizer="ngram")("abcde") == texts
    assert found(texts, tokenizer="ngram", ngram_min_length=5)("abcde") == ["abcdef"]


FILES = ["IMG_2024_AB-1234.jpg", "scan_0017.tiff", "IMG_2023_CD-1299.jpg"]


def test_file_names_and_codes_are_found_by_their_parts(found):
    split, pieces = found(FILES, tokenizer="icu/split"), found(FILES, tokenizer="ngram")
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
    assert found(texts, lower_case=False)("polish") == []


def test_words_are_found_as_they_stand_without_stems(found):
    texts = ["he runs", "she ran", "running"]
    assert found(texts, language="English")("run") == found(texts, stem=True)("run") == ["he runs", "running"]
    assert found(texts)("run") == found(texts, language="English", stem=False)("run") == []


def test_a_long_word_is_left_out(found):
    short, long = "a" * (MAX_TOKEN_LENGTH - 1), "b" * MAX_TOKEN_LENGTH
    words = found([short, long])
    assert (words(short), words(long)) == ([short], [])
    assert found([short, long], max_token_length=200)(long) == [long]


@pytest.mark.parametrize("language", get_args(Language))
def test_lancedb_knows_every_language(found, language):
    assert found(["Zulu 1234"], language=language)("1234") == ["Zulu 1234"]
