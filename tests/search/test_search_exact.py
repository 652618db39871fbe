"""Exact indexes: equal to brute force over the stored vectors, in every metric, filtered, paged and fused."""

import numpy as np
import pytest

from embeddings_orch.errors import EmbeddingsOrchError
from galleries import Gallery
from kept import after

TEXTS = ("red fruit", "a dog")


def check(found, scores, places):
    """Hits are these places of the right answer; what differs by less than float32 tells may change places."""
    expected = list(scores.items())[places]
    np.testing.assert_allclose([hit.score for hit in found], [score for _, score in expected], atol=2e-5)
    for hit, (item, _) in zip(found, expected, strict=True):
        assert hit.id == item or scores[hit.id] == pytest.approx(scores[item], abs=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_every_kind_of_search_is_equal_to_brute_force(words_gallery, right, metric):
    gallery = words_gallery(metric)
    rows = gallery.rows()
    brute, index = right.Brute(rows, metric), right.opened(gallery)

    def keep(row):
        return row["shelf"] in (1, 3) and "red" in row["caption"]

    filters = [({}, lambda row: True), ({"where": "shelf IN :s AND caption LIKE :c"}, keep)]
    filters[1][0]["params"] = {"s": [1, 3], "c": "%red%"}
    assert 3 < sum(map(keep, rows.values())) < 20
    for text in TEXTS if metric == "cosine" else TEXTS[:1]:
        toy, words = right.vector_of(text.encode()), right.vector_of(text.encode(), name="words", dim=6)
        for options, kept in filters:
            near_toy, near_words = brute.near(toy, "toy", kept), brute.near(words, "words", kept)
            by_words = {hit.id: hit.score for hit in index.search(keyword=text, limit=100, **options)}
            assert all(kept(rows[item]) for item in by_words)
            for offset, limit in ((0, 5), (3, 7), (55, 20)):
                page = {"limit": limit, "offset": offset, **options}
                places = slice(offset, offset + limit)
                check(index.search(text, **page), near_toy, places)
                check(index.search(text, column="words", **page), near_words, places)
                check(index.search(text, columns=["toy", "words"], **page), right.rrf(near_toy, near_words), places)
                check(
                    index.search(text, weights={"toy": 7, "words": 3}, **page),
                    right.relative(near_toy, near_words, weights=[0.7, 0.3]),
                    places,
                )
                check(
                    index.search(text, weights={"toy": 3, "words": 1}, fusion="rrf", **page),
                    right.rrf(near_toy, near_words, weights=[0.75, 0.25]),
                    places,
                )
                if by_words:
                    check(index.search(text, hybrid=True, **page), right.rrf(near_toy, near_words, by_words), places)
                    check(
                        index.search(text, alpha=0.3, column="words", **page),
                        right.relative(near_words, by_words, weights=[0.3, 0.7]),
                        places,
                    )
                    check(
                        index.search(text, hybrid=True, weights={"toy": 0.2, "words": 0.8}, **page),
                        right.relative(near_toy, near_words, by_words, weights=[0.1, 0.4, 0.5]),
                        places,
                    )


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_what_is_like_an_item_is_near_to_its_vectors_and_never_itself(words_gallery, right, metric):
    gallery = words_gallery(metric)
    rows = gallery.rows()
    brute, index = right.Brute(rows, metric), right.opened(gallery)
    gallery.forget_calls()
    for item in ("p000.png", "p031.png"):

        def others(row, item=item):
            return row["id"] != item

        toy = brute.near(rows[item]["toy"], "toy", others)
        words = brute.near(rows[item]["words"], "words", others)
        check(index.search(id=item, limit=100), toy, slice(0, 100))
        check(index.search(id=item, limit=5, offset=2), toy, slice(2, 7))
        check(index.search(id=item, limit=9, column="words"), words, slice(0, 9))
        check(index.search(id=item, limit=9, columns=["toy", "words"]), right.rrf(toy, words), slice(0, 9))
        hits = index.search(id=item, keyword=rows[item]["caption"], limit=100).hits
        assert item not in [hit.id for hit in hits]
        assert len(hits) == 59
    assert gallery.calls() == []


@pytest.mark.slow
def test_copies_of_a_picture_come_in_the_order_of_their_ids_on_every_page(make_gallery, right):
    gallery = make_gallery(pictures=20)
    copy = (gallery.media / "p003.png").read_bytes()
    for number in np.random.default_rng(3).permutation(60):
        gallery.add(f"copy{number:02}.png", copy)
    gallery.run()
    index = right.opened(gallery)
    query = gallery.media / "p003.png"
    copies = [*(f"copy{number:02}.png" for number in range(60)), "p003.png"]

    assert [hit.id for hit in index.search(image=query, limit=61)] == copies
    for limit in (1, 4, 20):
        paged = [
            hit.id for offset in range(0, 60, limit) for hit in index.search(image=query, limit=limit, offset=offset)
        ]
        assert paged[:60] == copies[:60]
    assert [hit.id for hit in index.search(id="copy30.png", limit=60)] == [c for c in copies if c != "copy30.png"]


def test_pages_of_a_fused_search_follow_each_other(words, right):
    index = right.opened(words)
    whole = index.search("red fruit", hybrid=True, limit=60).hits
    pages = [
        hit for offset in range(0, 60, 7) for hit in index.search("red fruit", hybrid=True, limit=7, offset=offset)
    ]
    assert pages == whole
    assert len({hit.id for hit in whole}) == 60
    assert index.search("red fruit", hybrid=True, offset=60).hits == []


def test_fewer_candidates_fuse_only_the_first_of_each_ranking(words, right):
    index, brute = right.opened(words), right.Brute(words.rows())
    toy = brute.near(right.vector_of(b"red"), "toy")
    captions = brute.near(right.vector_of(b"red", name="words", dim=6), "words")
    first = [dict(list(ranking.items())[:8]) for ranking in (toy, captions)]
    found = index.search("red", columns=["toy", "words"], candidates=8, limit=8)
    check(found, right.rrf(*first), slice(0, 8))


@pytest.mark.slow
def test_an_item_that_lacks_a_vector_is_found_by_the_other(words_gallery, right):
    gallery = words_gallery()
    gallery.add("mute.png")  # without a caption: the model of captions has nothing to read
    gallery.run()
    index = right.opened(gallery)
    assert gallery.rows()["mute.png"]["words"] is None
    assert index.search(image=gallery.media / "mute.png", limit=1).hits[0].id == "mute.png"
    assert "mute.png" in [hit.id for hit in index.search("red", columns=["toy", "words"], limit=100)]
    assert "mute.png" not in [hit.id for hit in index.search("red", column="words", limit=100)]
    assert len(index.search(id="mute.png", columns=["toy", "words"], limit=100)) == 60
    with pytest.raises(EmbeddingsOrchError, match=r"the item 'mute.png' has no vector \(words\)"):
        index.search(id="mute.png", column="words")


@after(Gallery.run)
def test_an_item_that_is_not_there_is_said(gallery, right):
    for item in ("nothing.png", "x' OR '1'='1"):
        with pytest.raises(EmbeddingsOrchError, match="there is no item"):
            right.opened(gallery).search(id=item)


def test_a_distance_is_there_where_one_embedding_was_searched(words, right):
    index = right.opened(words)
    single = {hit.id: hit.distance for hit in index.search("red fruit", column="words", limit=60)}
    hybrid = index.search("red fruit", column="words", hybrid=True, limit=60)
    assert {hit.id: hit.distance for hit in hybrid} == single
    assert {hit.distance for hit in index.search("red fruit", hybrid=True)} == {None}
    assert {hit.distance for hit in index.search(keyword="red fruit")} == {None}


@pytest.mark.slow
def test_approximate_search_finds_what_the_stored_recall_promises(make_gallery, right, monkeypatch):
    from embeddings_orch.store.tables import index_table

    monkeypatch.setattr(index_table, "EXACT_UP_TO", 500)
    gallery = make_gallery(pictures=0, media={"source": "table", "path": "texts.csv"})
    lines = ["id,text", *(f"t{number:05},text number {number}" for number in range(1500))]
    (gallery.root / "texts.csv").write_text("\n".join(lines))
    gallery.model(dim=32, batch_size=512)
    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["text"]}})
    gallery.run()
    index, brute = right.opened(gallery), right.Brute(gallery.rows())
    generation = index.generation()
    assert generation.search, "the index is not approximate"
    (promised,) = [check.metadata["recall"] for check in generation.checks if check.name == "recall_at_10"]
    vectors = [right.vector_of(f"query {number}".encode(), dim=32) for number in range(25)]
    exact = [list(brute.near(vector, "toy"))[:10] for vector in vectors]

    found = sum(
        len({hit.id for hit in index.search(vector=vector)} & set(ids))
        for vector, ids in zip(vectors, exact, strict=True)
    )

    assert found / 250 >= min(promised, 0.95) - 0.04  # what 250 neighbours can differ by chance
    few = index.search(vector=vectors[0], where="id IN :ids", params={"ids": exact[0][3:]}, limit=10)
    assert [hit.id for hit in few] == exact[0][3:]
