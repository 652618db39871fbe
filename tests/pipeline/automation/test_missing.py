"""What a declaration wants and the store lacks, whoever orchestrates; and what Dagster's record lacks beside."""

import pytest

from embeddings_orch.dagster.automation.record import add_unrecorded, tags_of
from embeddings_orch.pipeline.automation.missing import find_missing, fingerprints, short
from embeddings_orch.pipeline.published.rollback import rollback
from galleries import Gallery
from kept import after

MEDIA, TOY, INDEX, PUBLISHED = ALL = (
    "gallery/raw_media",
    "gallery/embeddings/toy",
    "gallery/index/found",
    "gallery/published/found",
)


@after(Gallery.run)
def test_a_store_that_lacks_nothing_needs_no_run_whoever_asks(gallery):
    missing = find_missing(gallery.pipeline())
    assert missing.need() is None
    assert missing.tell_satisfied().startswith("up to date with toy (")


def test_an_empty_store_lacks_everything(gallery):
    need = find_missing(gallery.pipeline()).need()
    assert need.assets == ALL
    assert need.reason == "there is no catalog in the store; gallery/embeddings/toy: never materialized"


@after(Gallery.run)
def test_another_model_is_missing_with_the_indexes_that_hang_on_it(gallery):
    old = fingerprints(gallery.pipeline().spec)["toy"]
    gallery.model(name="b")
    missing = find_missing(gallery.pipeline())
    assert missing.need().assets == (TOY, INDEX, PUBLISHED)
    new = fingerprints(gallery.pipeline().spec)["toy"]
    assert missing.models == {"toy": (new, old)}
    assert tags_of(missing) == {
        "embeddings_orch/fingerprint.toy": short(new),
        "embeddings_orch/previous_fingerprint.toy": short(old),
    }


@after(Gallery.run)
def test_another_index_is_missing_alone(gallery):
    gallery.declare(indexes={"found": {**gallery.attributes["indexes"]["found"], "metric": "l2"}})
    need = find_missing(gallery.pipeline()).need()
    assert need.assets == (INDEX, PUBLISHED)
    assert need.reason == f"{INDEX}: its models, metric or columns changed"


@after(Gallery.run)
def test_what_is_held_lacks_nothing_and_is_told(gallery):
    gallery.add("more.png", caption="more")
    gallery.run()
    rollback(gallery.pipeline(), "found")
    missing = find_missing(gallery.pipeline())
    assert missing.need() is None
    assert "found is held: `embeddings-orch publish found` releases it" in missing.tell_satisfied()


@after(Gallery.run)
@pytest.mark.parametrize(
    ("unrecorded", "assets"),
    [(MEDIA, (MEDIA,)), (TOY, (TOY, INDEX, PUBLISHED)), (INDEX, (INDEX, PUBLISHED)), (PUBLISHED, (INDEX, PUBLISHED))],
)
def test_what_dagster_has_no_record_of_is_missing_for_dagster(gallery, unrecorded, assets):
    fingerprint = fingerprints(gallery.pipeline().spec)["toy"]
    recorded = {**dict.fromkeys(ALL, "1"), TOY: f"{short(fingerprint)}-1"}
    missing = find_missing(gallery.pipeline())
    add_unrecorded(missing, recorded)
    assert missing.need() is None
    add_unrecorded(missing, {**recorded, unrecorded: None})
    need = missing.need()
    assert need.assets == assets
    assert "not recorded in this Dagster instance" in need.reason
