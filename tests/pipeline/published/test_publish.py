"""Checks gate what is published, however the publish is started."""

import numpy as np
import pytest

from content_ids import ids_of
from embeddings_orch.errors import PublishRefusedError
from embeddings_orch.media.catalog.diff import contents
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_embedding, check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.plan.status import make_status
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.store.base import in_list
from galleries import Gallery
from kept import after


def checks(pipeline):
    return {check.name: check for check in check_index(pipeline, "found")}


def rebuild(gallery):
    """All steps up to the index."""
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    embed(pipeline, "toy")
    build_index(pipeline, "found")
    return pipeline


@pytest.mark.slow
@after(Gallery.run)
def test_a_generation_whose_checks_did_not_run_is_refused(gallery):
    rows = gallery.rows()
    gallery.add("new.png")
    pipeline = rebuild(gallery)

    with pytest.raises(PublishRefusedError, match="the checks of generation .* have not run"):
        publish(pipeline, "found")

    assert gallery.rows() == rows
    check_index(pipeline, "found")
    publish(pipeline, "found")
    assert len(gallery.rows()) == 13


def test_publishing_before_anything_was_built_is_refused(gallery):
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    with pytest.raises(PublishRefusedError, match="nothing to publish; materialize gallery/index/found first"):
        publish(pipeline, "found")


@pytest.mark.slow
@after(Gallery.run)
def test_media_that_changed_before_the_checks_fail_row_parity_and_are_counted(gallery):
    rows = gallery.rows()
    gallery.add("new1.png")
    pipeline = rebuild(gallery)
    gallery.add("new2.png")
    gallery.captions["p000.png"]["caption"] = "edited"
    gallery.remove("p001.png")
    scan_media(pipeline)

    parity = checks(pipeline)["row_parity"]

    assert not parity.passed
    assert parity.metadata == {"rows": 13, "catalog": 13, "missing": 1, "stale": 1, "surplus": 1}
    with pytest.raises(PublishRefusedError, match="failed row_parity: 13 rows for 13 items: 1 missing, 1 stale, 1 too"):
        publish(pipeline, "found")
    assert gallery.rows() == rows
    gallery.run()
    assert len(gallery.rows()) == 13


@after(Gallery.run)
def test_status_says_of_each_generation_whether_it_passed_and_which_is_published(gallery):
    first = make_status(gallery.pipeline())["indexes"][0]
    assert [generation["passed"] for generation in first["generations"]] == [True]
    gallery.add("new.png")
    rebuild(gallery)

    status = make_status(gallery.pipeline())

    index = status["indexes"][0]
    assert (index["index"], index["published"], index["held"]) == ("found", first["published"], False)
    assert [generation["passed"] for generation in index["generations"]] == [True, None]
    assert [generation["rows"] for generation in index["generations"]] == [12, 13]
    assert status["failures"] == 0


def test_status_of_a_store_that_is_not_there_is_empty_and_writes_nothing(gallery):
    assert make_status(gallery.pipeline()) == {
        "pipeline": "gallery",
        "media": {"left_out": 0, "left_out_named": [], "passed_over": 0, "passed_over_kinds": []},
        "indexes": [{"index": "found", "published": None, "held": False, "generations": []}],
        "embeddings": [],
        "failures": 0,
        "failed": [],
    }
    assert not (gallery.root / "store").exists()


@after(Gallery.run)
def test_vectors_that_a_broken_writer_left_fail_the_checks_on_embeddings(gallery):
    pipeline = gallery.pipeline()
    vectors = pipeline.store.vectors(pipeline.spec.embeddings["toy"].config.fingerprint())
    table = vectors.at()
    assert all(check.passed for check in check_embedding(pipeline, "toy"))
    *two, third = ids_of(contents(pipeline.catalog()))[:3]
    table.delete(in_list("key", [content.key for content in two]))
    # LanceDB itself refuses NaN.
    vectors.append(two, np.array([[3.0] * 8, [np.inf] * 8], dtype=np.float32))

    failed = {check.name: check for check in check_embedding(pipeline, "toy") if not check.passed}

    assert sorted(failed) == ["finite", "unit_norm"]
    assert failed["finite"].description == "1 of 12 vectors are not finite"
    assert failed["unit_norm"].metadata == {"off_by_more_than_0.001": 1}
    vectors.at().delete(in_list("key", [third.key]))
    coverage = next(check for check in check_embedding(pipeline, "toy") if check.name == "coverage")
    assert not coverage.passed
    assert coverage.description == "11 of 12 contents have a vector, 1 have neither a vector nor a failure"
