"""Items without a vector: each is counted and named, wherever something counts or names them."""

import numpy as np
import pyarrow as pa
import pytest

from embeddings_orch.media.catalog import reading
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.models.keys import no_keys
from embeddings_orch.pipeline.checks.run import check_embedding
from embeddings_orch.pipeline.embeddings import lacking
from embeddings_orch.pipeline.embeddings.lacking import ItemCounts, ItemCoverage, find_items
from embeddings_orch.pipeline.plan.status import make_failures, make_status
from embeddings_orch.pipeline.run.assets import make_asset
from galleries import Gallery
from kept import after

BROKEN = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
COPIES = [f"copy{number}.png" for number in range(5)]


def counts(gallery, name="toy"):
    return find_items(gallery.pipeline(), name).counts


@pytest.fixture
def copies(make_gallery):
    """Five copies of a broken picture among four good ones, and a model of captions that refuses one caption."""
    gallery = make_gallery(pictures=4)
    for name in COPIES:
        gallery.add(name, BROKEN, caption="poison")
    gallery.add("without.png")
    # The same bytes as a text, which is one, and as a picture, which is none.
    gallery.add("same.txt", "the same bytes", caption="")
    gallery.add("same.png", "the same bytes", caption="")
    gallery.model(decode=True)
    gallery.model("words", provider="counting", log=str(gallery.log), name="words", input="caption", reject="poison")
    gallery.declare(indexes={"found": {"vectors": ["toy", "words"], "checks": {"max_failed": 1}}})
    return gallery


def test_every_copy_of_what_failed_is_named_and_all_numbers_agree(copies):
    ran = copies.run()
    pipeline = copies.pipeline()

    assert {(row["embedding"], row["id"]) for row in make_failures(pipeline)["failed"]} == {
        *(("toy", name) for name in (*COPIES, "same.png")),
        *(("words", name) for name in COPIES),
    }
    assert counts(copies) == ItemCounts(items=12, with_vector=6, failed=6, failed_contents=2)
    assert counts(copies, "words") == ItemCounts(
        items=12, with_vector=4, failed=5, failed_contents=1, nothing_to_embed=3
    )
    status = make_status(pipeline)
    assert status["failures"] == 11
    assert [(row["embedding"], row["without_vector"]) for row in status["embeddings"]] == [("toy", 6), ("words", 5)]
    for name, failed, embeddable in (("toy", 6, 12), ("words", 5, 9)):
        share = {check.name: check for check in check_embedding(pipeline, name)}["failed_share"]
        assert (share.metadata["failed"], share.metadata["items"]) == (failed, embeddable)
    rows = copies.rows().values()
    assert [sum(row[name] is None for row in rows) for name in ("toy", "words")] == [6, 8]
    # Of a row that lacks both it is told once.
    report = ran.indexes["found"]
    assert (report.without_vector, report.nothing_to_embed) == (6, 3)
    planned = copies.plan()
    assert (planned["embeddings/toy"].failed, planned["embeddings/toy"].unit) == (2, "contents")
    assert (planned["index/found"].failed, planned["index/found"].unit) == (6, "items")


def test_what_a_run_tells_names_each_item_once(copies):
    copies.run()
    pipeline, warned = copies.pipeline(), []
    made = make_asset(pipeline, pipeline.embedding_key("toy"), warned.append)
    metadata = made.metadata
    assert (metadata["unit"], metadata["failed"]) == ("contents", 2)
    assert (metadata["items"], metadata["items_failed"], metadata["items_without_vector"]) == (12, 6, 6)
    named = [row["item"] for row in metadata["failures"].rows]
    assert named == sorted(str(copies.media / name) for name in (*COPIES, "same.png"))


def test_a_plan_says_before_the_first_scan_is_stored_how_many_will_lack_a_vector(copies):
    copies.run()
    copies.add("copy5.png", BROKEN, caption="another")
    planned = copies.plan()
    assert (planned["embeddings/toy"].failed, planned["index/found"].failed) == (2, 7)
    assert copies.run().indexes["found"].without_vector == 7


def test_of_several_inputs_each_that_failed_is_named_and_what_the_vector_is_of(make_gallery):
    gallery = make_gallery(pictures=1)
    gallery.add("captioned.png", BROKEN, caption="a broken one")
    gallery.add("hopeless.png", BROKEN, caption="poison")
    gallery.add("alone.png", BROKEN)
    gallery.model(decode=True, reject="poison", input={"media": 0.7, "caption": 0.3})
    gallery.tolerate_failures()
    ran = gallery.run()

    failed = {row["id"]: row for row in make_failures(gallery.pipeline())["failed"]}
    assert {name: row["has_vector"] for name, row in failed.items()} == {
        "captioned.png": True,
        "hopeless.png": False,
        "alone.png": False,
    }
    assert failed["captioned.png"]["reason"].startswith("media: corrupt")
    assert failed["captioned.png"]["reason"].endswith("; its vector is that of caption alone")
    assert failed["hopeless.png"]["reason"].endswith("; caption: an input holds 'poison'")
    assert failed["alone.png"]["reason"].startswith("media: corrupt")
    assert counts(gallery) == ItemCounts(items=4, with_vector=2, failed=3, partial=1, failed_contents=2)
    assert ran.indexes["found"].without_vector == 2
    assert {name for name, row in gallery.rows().items() if row["toy"] is None} == {"hopeless.png", "alone.png"}


def test_what_is_not_embedded_yet_is_no_failure(gallery):
    pipeline = gallery.pipeline()
    assert find_items(pipeline, "toy") is None  # there is no catalog yet
    make_asset(pipeline, pipeline.media_key)
    assert counts(gallery) == ItemCounts(items=12, with_vector=0, not_embedded=12)
    assert make_failures(gallery.pipeline())["failed"] == []


@after(Gallery.run)
def test_where_nothing_was_written_since_nothing_is_hashed(gallery, monkeypatch):
    gallery.add("without.png")
    gallery.model(input="caption")
    gallery.run()

    def refuse(*_):
        raise AssertionError("the contents were hashed")

    monkeypatch.setattr(lacking, "item_keys", refuse)
    monkeypatch.setattr(reading, "input_keys", refuse)
    assert counts(gallery) == ItemCounts(items=13, with_vector=12, nothing_to_embed=1)


def test_a_column_of_ready_made_vectors_counts_as_other_inputs_do():
    rows = pa.table(
        {
            "id": ["a", "b"],
            "content_hash": ["0" * 64, "1" * 64],
            "modality": ["image", "image"],
            "text": pa.nulls(2, pa.large_string()),
            "made": [[1.0, 0.0], None],
        }
    )
    coverage = ItemCoverage.of(rows, Inputs.ready("made"), no_keys())
    assert np.array_equal(coverage.filled, [True, False])
    assert coverage.count() == ItemCounts(items=2, with_vector=0, not_embedded=1, nothing_to_embed=1)
