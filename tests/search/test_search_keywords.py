"""Full text: BM25 over the published version, alone and beside vectors."""

import math

import pytest

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from galleries import Gallery
from kept import after


def bm25(rows, column, query, k1=1.2, b=0.75):
    """Okapi BM25 over captions of plain words."""
    texts = {item: (row[column] or "").split() for item, row in rows.items() if row[column]}
    mean = sum(map(len, texts.values())) / len(texts)
    scores = dict.fromkeys(texts, 0.0)
    for term in query.split():
        holding = sum(term in words for words in texts.values())
        idf = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        for item, words in texts.items():
            count = words.count(term)
            scores[item] += idf * count * (k1 + 1) / (count + k1 * (1 - b + b * len(words) / mean))
    return {item: score for item, score in scores.items() if score > 0}


@pytest.mark.slow
def test_keywords_are_scored_by_bm25_and_the_better_column_counts(words_gallery, right):
    gallery = words_gallery(full_text=("caption", "title"))
    gallery.forget_calls()
    rows, index = gallery.rows(), right.opened(gallery)
    for query in ("red", "red fruit", "boat dog tree"):
        in_caption, in_title = bm25(rows, "caption", query), bm25(rows, "title", query)
        best = {item: max(in_caption.get(item, 0), in_title.get(item, 0)) for item in in_caption | in_title}
        expected = sorted(best.items(), key=lambda one: (-round(one[1], 5), one[0]))

        hits = index.search(keyword=query, limit=100).hits

        assert {hit.id: hit.score for hit in hits} == pytest.approx(dict(expected), rel=1e-3)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert gallery.calls() == [], "a model was asked for what only the words are needed"


@pytest.mark.slow
def test_the_ends_of_alpha_are_keywords_alone_and_vectors_alone(words_gallery, right):
    gallery = words_gallery()
    index = right.opened(gallery)
    words = [hit.id for hit in index.search(keyword="red fruit", limit=100)]
    gallery.forget_calls()
    assert [hit.id for hit in index.search("red fruit", alpha=0, limit=100)] == words
    assert gallery.calls() == []
    vectors = [hit.id for hit in index.search("red fruit", columns=["toy", "words"], fusion="relative", limit=100)]
    assert [hit.id for hit in index.search("red fruit", alpha=1, limit=100)] == vectors
    assert [hit.id for hit in index.search("red fruit", alpha=1, column="toy", limit=60)] == [
        hit.id for hit in index.search("red fruit", column="toy", limit=60)
    ]


def test_a_picture_and_words_are_one_search(words_gallery, right):
    gallery = words_gallery()
    index = right.opened(gallery)
    picture = gallery.media / "p010.png"
    near = {hit.id: hit.score for hit in index.search(image=picture, column="toy", limit=60)}
    by_words = {hit.id: hit.score for hit in index.search(keyword="boat", limit=60)}
    found = index.search(image=picture, keyword="boat", column="toy", limit=60)
    expected = right.rrf(near, by_words)
    assert [hit.id for hit in found] == list(expected)
    assert [hit.score for hit in found] == pytest.approx(list(expected.values()))


@pytest.mark.slow
def test_no_character_of_the_words_is_syntax(gallery, right):
    gallery.captions["p004.png"]["caption"] = "a red fruit"
    gallery.write_captions()
    gallery.run()
    index = right.opened(gallery)
    for words in ('"red', "red AND (fruit OR", "caption:red", "+red -fruit", "red*", "\\red", "red\x00"):
        assert [hit.id for hit in index.search(keyword=words)] == ["p004.png"]
    for words in ("' OR true", "*", "caption:", "\x00", "()", "the"):
        assert index.search(keyword=words).hits == []


@after(Gallery.run)
def test_words_that_nothing_has_find_nothing_and_a_hybrid_search_goes_on(gallery, right):
    index = right.opened(gallery)
    assert index.search(keyword="xylophone 🎹").hits == []
    near = [hit.id for hit in index.search("xylophone", limit=12)]
    assert [hit.id for hit in index.search("xylophone", hybrid=True, limit=12)] == near
    assert [hit.id for hit in index.search("xylophone", alpha=0.5, limit=12)] == near


@after(Gallery.run)
def test_keywords_see_the_published_version_only(gallery, right):
    index = right.opened(gallery)
    gallery.captions["p001.png"]["caption"] = "a zebra"
    gallery.write_captions()
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    embed(pipeline, "toy")
    built = build_index(pipeline, "found").generation
    assert index.search(keyword="zebra").hits == []
    assert [hit.id for hit in index.search(keyword="zebra", generation=built)] == ["p001.png"]


WRONG = [
    ({"image": b"x", "hybrid": True}, "a hybrid search needs words"),
    ({"id": "p001.png", "alpha": 0.5}, "a hybrid search needs words"),
    ({"keyword": " "}, "the keywords are empty"),
    ({"text": "a", "alpha": 1.5}, "alpha is from 0, keywords only, to 1, vectors only, not 1.5"),
    ({"text": "a", "weights": {}}, "weights are numbers from 0, at least one of them above it"),
    ({"text": "a", "weights": {"toy": 0}}, "weights are numbers from 0"),
    ({"text": "a", "weights": {"toy": float("nan")}}, "weights are numbers from 0"),
    ({"text": "a", "weights": {"tyo": 1}}, "no embedding 'tyo'; did you mean 'toy'"),
    ({"text": "a", "weights": {"toy": 1}, "column": "words"}, "weights and columns name different embeddings"),
    ({"text": "a", "column": "toy", "columns": ["toy"]}, "column or columns, not both"),
    ({"text": "a", "columns": []}, "columns names no embedding"),
    ({"text": "a", "fusion": "best"}, "fusion is one of rrf, relative, not 'best'"),
    ({"text": "a", "offset": -1}, "offset must be at least 0, not -1"),
    ({"text": "a", "candidates": 0}, "candidates must be at least 1, not 0"),
    ({"text": "a", "columns": ["toy", "toy"]}, "columns names 'toy' more than once"),
    ({"keyword": "a", "where": "nothing = 1"}, "names nothing, which is not there; columns: id, uri"),
    ({"text": "a", "hybrid": True, "where": "nothing = 1"}, "names nothing, which is not there; columns: id, uri"),
]


@pytest.mark.slow
def test_a_vector_is_of_one_model(words_gallery, right):
    index = right.opened(words_gallery(pictures=5))
    with pytest.raises(EmbeddingsOrchError, match="a vector is of one model; name one embedding"):
        index.search(vector=[1.0] * 8, columns=["toy", "words"])


@after(Gallery.run)
def test_what_does_not_go_together_is_said(gallery, right):
    index = right.opened(gallery)
    for query, message in WRONG:
        with pytest.raises(EmbeddingsOrchError, match=message):
            index.search(**query)


def test_an_index_without_full_text_says_what_to_declare(make_gallery, right):
    gallery = make_gallery(pictures=2, indexes={"found": {"vectors": ["toy"]}})
    gallery.run()
    for query in ({"keyword": "a"}, {"text": "a", "hybrid": True}):
        with pytest.raises(EmbeddingsOrchError, match=r"has no full text.*full_text: \[caption\]"):
            right.opened(gallery).search(**query)
