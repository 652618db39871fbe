"""Search: what brute force finds, in the index that is published, by the model that made it."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.errors import EmbeddingsOrchError, StoreError
from embeddings_orch.media.scan import source_for
from embeddings_orch.models.content import content_hash
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.search import Index
from embeddings_orch.search.contact_sheet import Strip, contact_sheet
from embeddings_orch.store import Store
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder
from galleries import Gallery
from kept import after


def opened(gallery, index="found"):
    return Index(Store(gallery.pipeline().spec.store.uri), gallery.attributes["name"], index)


def vector_of(content, **settings):
    return CountingEmbedder(CountingConfig(**{"name": "toy", **settings}))._vector(content)


def distance(query, vector, metric):
    query, vector = np.asarray(query, np.float64), np.asarray(vector, np.float64)
    if metric == "l2":
        return float(((query - vector) ** 2).sum())
    if metric == "cosine":
        query, vector = query / np.linalg.norm(query), vector / np.linalg.norm(vector)
    return float(1 - query @ vector)


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
@pytest.mark.parametrize("normalize", [True, False], ids=["unit length", "any length"])
def test_hits_are_the_ones_of_brute_force(make_gallery, metric, normalize):
    gallery = make_gallery(pictures=40)
    gallery.model(normalize=normalize)
    gallery.declare(indexes={"found": {"vectors": ["toy"], "metric": metric}})
    gallery.run()
    rows = gallery.rows()
    query = vector_of(b"a query")
    expected = sorted((distance(query, row["toy"], metric), key) for key, row in rows.items())[:7]

    results = opened(gallery).search(vector=query, limit=7)

    assert [hit.id for hit in results.hits] == [key for _, key in expected]
    np.testing.assert_allclose([hit.distance for hit in results.hits], [far for far, _ in expected], atol=1e-5)
    scores = [hit.score for hit in results.hits]
    assert scores == sorted(scores, reverse=True)
    if metric == "l2":
        assert scores == [1 / (1 + hit.distance) for hit in results.hits]
    else:
        assert scores == [1 - hit.distance for hit in results.hits]


@after(Gallery.run)
def test_a_hit_carries_the_items_columns(gallery):
    hit = opened(gallery).search(image=gallery.media / "p005.png", limit=1).hits[0]
    assert (hit.id, hit.uri) == ("p005.png", str(gallery.media / "p005.png"))
    assert hit.score == pytest.approx(1, abs=1e-5)
    assert hit.metadata["caption"] == "picture 5"
    assert hit.metadata["content_hash"] == content_hash((gallery.media / "p005.png").read_bytes())
    assert (hit.metadata["width"], hit.metadata["mime"]) == (8, "image/png")
    assert not {"toy", "_digest", "_distance", "_stat"} & set(hit.metadata)


@after(Gallery.run)
def test_results_as_json_are_what_the_contract_says(gallery):
    results = opened(gallery).search("words", limit=2).to_json()
    assert list(results) == ["index", "generation", "hits"]
    assert list(results["hits"][0]) == ["id", "uri", "score", "distance", "metadata"]


@after(Gallery.run)
def test_a_picture_is_found_by_its_path_and_by_its_bytes(gallery):
    path = gallery.media / "p007.png"
    by = [path, str(path), path.read_bytes()]
    assert [opened(gallery).search(image=image, limit=1).hits[0].id for image in by] == ["p007.png"] * 3


@after(Gallery.run)
def test_a_text_is_embedded_by_the_indexs_model(gallery):
    index = opened(gallery)
    by_text, by_vector = index.search("a dog").hits, index.search(vector=vector_of(b"a dog")).hits
    assert [hit.id for hit in by_text] == [hit.id for hit in by_vector]
    np.testing.assert_allclose([hit.distance for hit in by_text], [hit.distance for hit in by_vector], atol=1e-6)


@after(Gallery.run)
def test_a_filter_applies_before_the_search(gallery):
    index = opened(gallery)
    hits = index.search("a dog", where="caption IN ('picture 3', 'picture 9')").hits
    assert sorted(hit.id for hit in hits) == ["p003.png", "p009.png"]
    assert index.search("a dog", where="caption = 'nothing of that name'").hits == []
    assert [hit.id for hit in index.search("a dog", where="id = 'p011.png' AND width = 8").hits] == ["p011.png"]


@after(Gallery.run)
@pytest.mark.parametrize("limit", [1, 5, 100])
def test_no_more_hits_than_the_limit(gallery, limit):
    assert len(opened(gallery).search("a dog", limit=limit).hits) == min(limit, 12)


def decode_and_run(gallery):
    gallery.model(decode=True)
    gallery.run()


@after(decode_and_run)
@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            {"text": "a", "where": "no_such_column = 1"},
            r"names no_such_column, which is not there; columns: id, uri, .*caption",
        ),
        ({"text": "a", "where": "caption ="}, "filter: caption ="),
        ({"text": "a", "column": "tyo"}, "no embedding 'tyo'; did you mean 'toy'"),
        ({"vector": [1.0, 2.0]}, r"the vector has shape \(2,\); toy has 8 dimensions"),
        ({"vector": [[1.0] * 8]}, r"the vector has shape \(1, 8\); toy has 8 dimensions"),
        ({"vector": [float("nan")] * 8}, "the vector holds NaN or infinity"),
        ({"vector": [0.0] * 8}, "the vector is all zeros"),
        ({}, "exactly one of text, image, vector and id, or keyword alone"),
        ({"text": "a", "vector": [1.0] * 8}, "exactly one of text, image, vector and id, or keyword alone"),
        ({"text": "a", "limit": 0}, "limit must be at least 1, not 0"),
        ({"text": "a", "limit": -(10**30)}, "limit must be at least 1, not -1000"),
        ({"text": "a", "limit": None}, "limit is a whole number from 1, not None"),
        ({"text": "a", "limit": 2.5}, r"limit is a whole number from 1, not 2\.5"),
        ({"text": "a", "limit": float("nan")}, "limit is a whole number from 1, not nan"),
        ({"text": "a", "limit": float("inf")}, "limit is a whole number from 1, not inf"),
        ({"text": "a", "limit": True}, "limit is a whole number from 1, not True"),
        ({"text": "a", "offset": "3"}, "offset is a whole number from 0, not '3'"),
        ({"text": "a", "offset": -1}, "offset must be at least 0, not -1"),
        ({"text": "a", "candidates": 0.5}, r"candidates is a whole number from 1, not 0\.5"),
        ({"text": ""}, "the query text cannot be embedded: empty"),
        ({"image": b""}, "the query image cannot be embedded: empty"),
        ({"image": "no/such.png"}, r"the query picture no/such.png cannot be read: No such file"),
        ({"image": b"Dear diary"}, "the query image cannot be embedded: not a picture: text found"),
    ],
)
def test_a_wrong_query_is_answered_with_what_is_wrong(gallery, query, message):
    with pytest.raises(EmbeddingsOrchError, match=message):
        opened(gallery).search(**query)


def test_before_anything_is_published_the_error_says_what_to_run(gallery):
    with pytest.raises(StoreError, match=r"index 'found' of pipeline 'gallery' is not published.*embeddings-orch run"):
        opened(gallery).search("a dog")
    assert not (gallery.root / "store").exists()
    gallery.run()
    with pytest.raises(StoreError, match="index 'other' of pipeline 'gallery' is not published"):
        opened(gallery, "other").search("a dog")


def test_rows_without_a_vector_are_never_among_the_hits(gallery):
    gallery.tolerate_failures()
    gallery.model(reject="poison")
    for number in range(5):
        gallery.add(f"bad{number}.png", f"poison {number}")
    gallery.run()
    assert len(gallery.rows()) == 17

    hits = opened(gallery).search("a dog", limit=100).hits

    assert len(hits) == 12
    assert not [hit.id for hit in hits if hit.id.startswith("bad")]
    assert all(np.isfinite(hit.score) for hit in hits)


def test_an_index_whose_rows_all_lack_a_vector_has_no_hits(make_gallery):
    gallery = make_gallery(pictures=0)
    gallery.tolerate_failures()
    gallery.model(reject="poison")
    gallery.add("bad.png", "poison")
    gallery.run()
    assert opened(gallery).search("a dog").hits == []


@after(Gallery.run)
def test_the_query_model_is_the_generations_and_not_the_yamls(gallery):
    before = opened(gallery).search("a dog").hits
    gallery.model(name="another", dim=32)

    assert opened(gallery).search("a dog").hits == before
    gallery.run()
    after = opened(gallery).search("a dog").hits
    assert [hit.distance for hit in after] != [hit.distance for hit in before]


@after(Gallery.run)
def test_an_open_index_follows_the_next_publish(gallery):
    index = opened(gallery)
    first = index.search("a dog", limit=100)
    gallery.add("new.png")
    gallery.model(name="another")
    gallery.run()

    second = index.search("a dog", limit=100)

    assert (len(first.hits), len(second.hits)) == (12, 13)
    assert first.generation != second.generation


@after(Gallery.run)
def test_an_open_index_reads_a_store_that_was_deleted_and_built_again(gallery):
    index = opened(gallery)
    before = index.search("anything", limit=50)
    shutil.rmtree(gallery.pipeline().spec.store.uri)
    gone = before.hits[0].id
    gallery.remove(gone)
    gallery.run()

    after = index.search("anything", limit=50)

    assert {hit.id for hit in before.hits} - {hit.id for hit in after.hits} == {gone}


@pytest.mark.slow
@after(Gallery.run)
def test_many_threads_share_an_open_index(gallery):
    index = opened(gallery)
    queries = [vector_of(f"query {number}".encode()) for number in range(60)]
    alone = [index.search(vector=query, limit=5) for query in queries]

    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda query: index.search(vector=query, limit=5), queries))

    assert together == alone


@after(Gallery.run)
def test_a_rebuild_that_is_not_published_changes_no_hit(gallery):
    before = opened(gallery).search("a dog", limit=100)
    gallery.add("new.png")
    gallery.remove("p000.png")
    gallery.captions["p001.png"]["caption"] = "edited"
    gallery.write_captions()
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    embed(pipeline, "toy")
    build_index(pipeline, "found")

    assert opened(gallery).search("a dog", limit=100) == before


@after(Gallery.run)
def test_a_generation_that_is_not_published_is_searched_by_its_own_model(gallery):
    gallery.model(name="another", dim=32)
    pipeline = gallery.pipeline()
    embed(pipeline, "toy")
    generation = build_index(pipeline, "found").generation

    results = opened(gallery).search("a dog", limit=100, generation=generation)

    assert results.generation == generation.id
    query = vector_of(b"a dog", name="another", dim=32)
    by_vector = opened(gallery).search(vector=query, limit=100, generation=generation).hits
    assert [hit.id for hit in results.hits] == [hit.id for hit in by_vector]
    assert opened(gallery).search("a dog").generation != generation.id


def test_of_several_embeddings_the_one_that_is_named_is_searched(gallery):
    gallery.model("words", input="caption", name="words")
    gallery.declare(indexes={"found": {"vectors": ["toy", "words"]}})
    gallery.run()
    index = opened(gallery)
    assert index.search("picture 4", limit=1, column="words").hits[0].id == "p004.png"
    image = gallery.media / "p008.png"
    assert index.search(image=image, limit=1).hits[0].id == "p008.png"  # the first by default


@after(Gallery.run)
def test_a_query_that_no_model_reads_is_refused(gallery, monkeypatch):
    monkeypatch.setattr(CountingEmbedder, "modalities", frozenset({"image"}))
    with pytest.raises(EmbeddingsOrchError, match=r"none of the models of index 'found' reads text \(toy\)"):
        opened(gallery).search("a dog")


@after(Gallery.run)
def test_a_plugin_that_makes_other_vectors_now_is_not_asked(gallery, monkeypatch):
    monkeypatch.setattr(CountingConfig, "vector_version", 2)
    with pytest.raises(EmbeddingsOrchError, match="is not the one that made index 'found'"):
        opened(gallery).search("a dog")


def test_words_of_several_lines_do_not_stop_a_contact_sheet(gallery, tmp_path):
    gallery.add("p000.png", caption="one line\nand another")
    gallery.run()
    index, read = opened(gallery), source_for(gallery.pipeline().spec.media.config).read
    strips = [Strip("a dog\nand a cat", index.search("a dog", where="id = 'p000.png'"))]
    assert contact_sheet(strips, read, tmp_path / "sheet.png").exists()


@after(Gallery.run)
def test_a_contact_sheet_is_a_png_with_a_strip_for_each_query(gallery, tmp_path):
    (gallery.media / "p003.png").unlink()  # gone since: an empty frame
    index, read = opened(gallery), source_for(gallery.pipeline().spec.media.config).read
    picture = (gallery.media / "p000.png").read_bytes()
    strips = [
        Strip("a dog " * 40, index.search("a dog", limit=12)),
        Strip("p000.png", index.search(image=picture, limit=12), picture),
    ]

    path = contact_sheet(strips, read, tmp_path / "sheets" / "found.png", columns=4)
    one = contact_sheet(strips[:1], read, tmp_path / "one.png", columns=4)

    with Image.open(path) as sheet, Image.open(one) as half:
        assert (sheet.format, sheet.mode) == ("PNG", "RGB")
        assert sheet.width == half.width == 2 * 16 + 5 * 132
        assert sheet.height - half.height == 34 + 132 + 40
        assert len(sheet.getcolors(10**6)) > 100


@after(decode_and_run)
def test_a_number_beyond_all_items_is_all_of_them(gallery, right):
    index = right.opened(gallery)
    items = [hit.id for hit in index.search("a", limit=100)]
    for many in (10**30, 2**63, np.int64(2**62), np.float64(1e300)):
        assert [hit.id for hit in index.search("a", limit=many)] == items
        assert [hit.id for hit in index.search("a", limit=many, offset=np.int8(2))] == items[2:]
        assert index.search("a", offset=many).hits == []
        assert [hit.id for hit in index.search("a", limit=many, candidates=many)] == items
