"""What stands between a built generation and the published one: each gate blocks what it is for, and nothing else."""

import numpy as np
import pytest

from content_ids import ids_of
from embeddings_orch.errors import PublishRefusedError
from embeddings_orch.media.catalog.diff import contents
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.recall import check_recall
from embeddings_orch.pipeline.checks.run import INDEX_CHECKS, INDEX_GATES, check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.store.base import in_list
from embeddings_orch_testing.counting import CountingEmbedder
from galleries import Gallery
from kept import after


def checks(pipeline):
    return {check.name: check for check in check_index(pipeline, "found")}


def stored(gallery):
    """The results that are stored with the newest generation."""
    return {check.name: check for check in gallery.pipeline().store.generations.of("gallery", "found")[-1].checks}


def rebuilt_with(gallery, vector):
    """The pipeline after a writer exchanged the vector of the first picture and the index was built anew."""
    pipeline = gallery.pipeline()
    vectors = pipeline.store.vectors(pipeline.spec.embeddings["toy"].config.fingerprint())
    first = ids_of(contents(pipeline.catalog()))[0]
    vectors.at().delete(in_list("key", [first.key]))
    vectors.append([first], np.array([vector], dtype=np.float32))
    name = pipeline.catalog()["id"].to_pylist()[0]
    gallery.captions[name]["caption"] = "edited, so that the row is written again"
    gallery.write_captions()
    scan_media(pipeline)
    build_index(pipeline, "found")
    return pipeline


@after(Gallery.run)
def test_every_check_is_stored_with_the_generation_and_all_gates_block(gallery):
    found = stored(gallery)
    assert tuple(found) == INDEX_CHECKS
    assert all(check.passed and check.description for check in found.values())
    assert [name for name, check in found.items() if check.blocking] == list(INDEX_GATES)


@pytest.mark.slow
@after(Gallery.run)
def test_more_failures_than_max_failed_are_not_published(gallery):
    rows = gallery.rows()
    gallery.model(reject="poison")
    gallery.add("bad.png", "poison")

    with pytest.raises(
        PublishRefusedError, match=r"failed_share: 1 of 13 items have no vector of toy \(7\.69%; the li"
    ):
        gallery.run()

    assert gallery.rows() == rows
    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["caption"], "checks": {"max_failed": 0.08}}})
    gallery.run()
    assert len(gallery.rows()) == 13
    assert stored(gallery)["failed_share"].metadata == {
        "failed": 1,
        "items": 13,
        "share": 0.076923,
        "limit": 0.08,
        "embedding": "toy",
    }


@pytest.mark.slow
def test_items_with_nothing_to_embed_are_no_failures(gallery):
    gallery.model("words", input="caption", name="words")
    gallery.declare(indexes={"found": {"vectors": ["toy", "words"]}})
    gallery.add("without_caption.png")
    gallery.run()
    assert stored(gallery)["failed_share"].metadata["failed"] == 0
    assert gallery.rows()["without_caption.png"]["words"] is None


def test_the_worst_of_several_vectors_counts(gallery):
    gallery.model("words", input="caption", name="words", reject="picture 1")  # 1, 10 and 11
    gallery.declare(indexes={"found": {"vectors": ["toy", "words"], "checks": {"max_failed": 0.25}}})
    gallery.run()
    share = stored(gallery)["failed_share"]
    assert share.description == "3 of 12 items have no vector of words (25.00%; the limit is 25.00%)"


@after(Gallery.run)
def test_failures_that_were_published_stay_right_when_the_catalog_moves_on(gallery):
    before = stored(gallery)
    gallery.model(reject="poison")
    gallery.add("bad.png", "poison")
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    assert checks(pipeline)["failed_share"] == before["failed_share"]


@after(Gallery.run)
def test_a_vector_that_is_not_finite_is_not_published(gallery):
    rows = gallery.rows()
    pipeline = rebuilt_with(gallery, [np.inf, *[0.0] * 7])

    found = checks(pipeline)

    assert found["finite"].description == "1 of 12 vectors are not finite"
    assert (found["finite"].passed, found["unit_norm"].passed) == (False, True)
    with pytest.raises(PublishRefusedError, match="failed finite: 1 of 12"):
        publish(pipeline, "found")
    assert gallery.rows() == rows


@after(Gallery.run)
def test_a_vector_that_is_not_of_unit_length_is_not_published_where_vectors_are_normalized(gallery):
    pipeline = rebuilt_with(gallery, [3.0] * 8)
    found = checks(pipeline)
    assert [name for name, check in found.items() if not check.passed] == ["unit_norm"]
    assert found["unit_norm"].metadata == {"off_by_more_than_0.001": 1, "vectors": 12}
    with pytest.raises(PublishRefusedError, match="failed unit_norm: 1 of 12 vectors are not of unit length"):
        publish(pipeline, "found")


def test_vectors_of_any_length_are_published_where_they_are_not_normalized(gallery):
    gallery.model(normalize=False)
    gallery.run()
    assert stored(gallery)["unit_norm"].description == "vectors are not normalized, as configured"


def test_vectors_of_another_length_than_the_model_says_are_not_published(gallery, monkeypatch):
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    embed(pipeline, "toy")
    build_index(pipeline, "found")
    monkeypatch.setattr(CountingEmbedder, "dimensions", lambda self: 9)
    dimension = checks(pipeline)["dimension"]
    assert not dimension.passed
    assert dimension.description == "dimensions: toy has 8, its model 9"


@after(Gallery.run)
def test_recall_latency_and_size_are_stored_with_the_generation(gallery):
    measured = stored(gallery)["recall_at_10"].metadata
    assert measured["recall"] == 1.0
    assert 0 < measured["latency_ms"] < 10_000
    assert measured["table_bytes"] > 12 * 8 * 4


@pytest.mark.slow
def test_the_latency_is_the_median_of_the_searches_of_the_slowest_column(gallery):
    gallery.model("words", input="caption", name="words")
    gallery.declare(indexes={"found": {"vectors": ["toy", "words"]}})
    ran = gallery.run()
    generation = ran.indexes["found"].generation
    taken = [0.001] * 10 + [0.002, 0.003, 9.0, *[0.003] * 7]
    times = [time for seconds in taken for time in (0.0, seconds)]

    result = check_recall(
        gallery.pipeline().store.index(generation.table), generation, 0.95, clock=iter(times).__next__
    )

    assert result.metadata["latency_ms"] == 3.0


@pytest.mark.slow
def test_checking_what_is_unchanged_writes_nothing_and_calls_no_model(gallery):
    golden = [{"image": str(gallery.media / "p003.png"), "expect": ["p003.png"]}]
    gallery.declare(indexes={"found": {"vectors": ["toy"], "checks": {"golden": golden}}})
    gallery.run()
    gallery.forget_calls()
    before = gallery.versions()

    gallery.run()

    assert gallery.versions() == before
    assert gallery.calls() == []


def test_an_empty_index_passes(make_gallery):
    gallery = make_gallery(pictures=0)
    gallery.run()
    assert all(check.passed for check in stored(gallery).values())


def test_items_are_told_from_the_column_that_the_model_reads(gallery):
    gallery.add("priced.png", price="7", caption="a price")
    gallery.model("prices", input="price", name="prices")
    gallery.declare(indexes={"found": {"vectors": ["prices"]}})
    gallery.run()
    assert stored(gallery)["failed_share"].metadata["items"] == 1
