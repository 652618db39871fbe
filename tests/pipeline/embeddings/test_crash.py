"""Runs killed between two commits, damaged stores, media that moved: the next run mends it, or says so."""

import os
import shutil

import pytest

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import PluginError, SourceError, StoreError, TerminalError
from embeddings_orch.models.content import Failure, Item
from embeddings_orch.models.keys import key_array
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_embedding, check_index
from embeddings_orch.pipeline.embeddings import embed as embed_module
from embeddings_orch.pipeline.plan.status import make_status
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search import Index
from embeddings_orch.store.tables.generations import GenerationsTable
from embeddings_orch.store.tables.published import PointersTable
from embeddings_orch.store.tables.vectors import VectorsTable
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder
from galleries import Gallery
from kept import after


class Killed(BaseException):
    """What no ``except Exception`` catches."""


def killed(*_args, **_options):
    raise Killed


@pytest.mark.slow
@after(Gallery.run)
def test_a_run_killed_before_its_generation_was_recorded_is_in_the_next_plan(gallery, monkeypatch):
    gallery.add("new.png")
    with monkeypatch.context() as patch:
        patch.setattr(GenerationsTable, "put", killed)
        with pytest.raises(Killed):
            gallery.run()

    assert gallery.plan()["published/found"].changed == 1
    gallery.run()
    assert len(gallery.rows()) == 13
    assert not any(asset.changes for asset in gallery.plan().values())


@pytest.mark.slow
def test_a_run_killed_while_vectors_are_committed_leaves_no_failure_of_a_content_that_has_one(gallery, monkeypatch):
    gallery.tolerate_failures()
    gallery.model(reject="IHDR")
    gallery.run()
    assert make_status(gallery.pipeline())["failures"] == 12
    gallery.model(reject="")
    append = VectorsTable.append_rows

    def append_and_die(self, rows):
        append(self, rows)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(VectorsTable, "append_rows", append_and_die)
        with pytest.raises(Killed):
            gallery.run(retry_failed=True)

    gallery.run()
    assert make_status(gallery.pipeline())["failures"] == 0
    coverage = {check.name: check for check in check_embedding(gallery.pipeline(), "toy")}["coverage"]
    assert coverage.passed
    assert coverage.metadata == {"contents": 12, "with_vector": 12, "failed_contents": 0}


@after(Gallery.run)
def test_a_failure_that_another_run_mended_is_not_counted(gallery):
    pipeline = gallery.pipeline()
    fingerprint = pipeline.spec.embeddings["toy"].config.fingerprint()
    key = pipeline.store.vectors(fingerprint).keys()[0].as_py()

    pipeline.store.failures.replace(fingerprint, [], [Failure(key, "p000.png", "late")])

    assert gallery.plan()["embeddings/toy"].failed == 0
    assert make_status(pipeline)["failures"] == 0
    coverage = {check.name: check for check in check_embedding(pipeline, "toy")}["coverage"]
    assert coverage.metadata["failed_contents"] == 0


def test_weights_replaced_during_a_run_stop_it_before_a_vector_is_stored(gallery, monkeypatch):
    fingerprints = iter(["a" * 64] + ["b" * 64] * 100)
    with monkeypatch.context() as patch:
        patch.setattr(CountingConfig, "fingerprint", lambda self: next(fingerprints))
        pipeline = gallery.pipeline()
        scan_media(pipeline)
        with pytest.raises(TerminalError, match="the model's files changed during the run; run again"):
            embed_module.embed(pipeline, "toy")

    assert not [name for name in gallery.pipeline().store.table_names() if name.startswith("embeddings.")]


@after(Gallery.run)
def test_a_table_whose_files_are_lost_is_an_error_and_not_a_bill(gallery):
    gallery.forget_calls()
    (vectors,) = [path for path in (gallery.root / "store").iterdir() if path.name.startswith("embeddings.")]
    shutil.rmtree(vectors / "_versions")

    with pytest.raises(StoreError, match=r"table embeddings\..* is damaged"):
        gallery.run()
    assert gallery.items() == 0


@after(Gallery.run)
def test_a_missing_data_file_is_one_readable_error(gallery):
    (vectors,) = [path for path in (gallery.root / "store").iterdir() if path.name.startswith("embeddings.")]
    shutil.rmtree(vectors / "data")
    gallery.add("new.png")  # else nobody would look

    with pytest.raises(StoreError, match=r"table embeddings\.[0-9a-f]+ of the store .* cannot be read") as caught:
        gallery.plan()
    assert "rustc" not in str(caught.value)
    assert ".rs:" not in str(caught.value)


def test_a_store_that_is_a_file_is_refused_by_the_plan(gallery):
    (gallery.root / "store").write_text("not a folder")
    with pytest.raises(StoreError, match="store cannot be used: it is a file, not a folder"):
        gallery.plan()


@after(Gallery.run)
def test_a_source_that_suddenly_lists_nothing_changes_nothing(gallery):
    rows = gallery.rows()
    gallery.media.rename(gallery.root / "elsewhere")
    gallery.media.mkdir()

    with pytest.raises(SourceError, match="lists nothing, where the catalog has 12 items"):
        gallery.run()
    assert gallery.rows() == rows


@pytest.mark.slow
def test_touched_files_are_hashed_once_more_and_change_no_data(gallery):
    for path in gallery.media.glob("*.png"):
        os.utime(path, ns=(1_600_000_000_000_000_001, 1_600_000_000_000_000_001))
    first = gallery.run()
    for path in gallery.media.glob("*.png"):
        os.utime(path, ns=(1_600_000_001_000_000_001, 1_600_000_001_000_000_001))

    second = gallery.run()
    versions = gallery.versions()
    gallery.run()

    assert second.scan.digest == first.scan.digest
    assert second.indexes["found"].generation.id == first.indexes["found"].generation.id
    assert gallery.versions() == versions


@after(Gallery.run)
def test_checks_that_run_after_the_catalog_moved_on_leave_the_published_generation_as_passed(gallery):
    gallery.add("new.png")
    pipeline = gallery.pipeline()
    scan_media(pipeline)

    shown = {check.name: check for check in check_index(pipeline, "found")}

    assert not shown["row_parity"].passed
    (generation,) = pipeline.store.generations.of("gallery", "found")
    assert generation.passed


@after(Gallery.run)
def test_a_publish_that_another_run_made_already_is_no_failure(gallery, monkeypatch):
    gallery.add("new.png")
    swap = PointersTable.swap

    def first_by_another(self, pipeline, index, expected, generation):
        assert swap(self, pipeline, index, expected, generation)
        return swap(self, pipeline, index, expected, generation)

    monkeypatch.setattr(PointersTable, "swap", first_by_another)
    ran = gallery.run()
    assert ran.published["found"].generation.id == publish(gallery.pipeline(), "found").generation.id


@after(Gallery.run)
def test_a_query_is_embedded_with_the_settings_that_are_declared_now(gallery):
    other = gallery.root / "queries.log"
    gallery.model(log=str(other))
    pipeline = gallery.pipeline()
    gallery.forget_calls()

    Index(pipeline.store, "gallery", "found", [e.config for e in pipeline.spec.embeddings.values()]).search("a query")

    assert other.read_text() == "text 1\n"
    assert gallery.calls() == []


@after(Gallery.run)
def test_kept_settings_that_the_installed_plugin_does_not_know_are_one_readable_error(gallery, monkeypatch):
    monkeypatch.setattr(CountingConfig, "settings", lambda self: {"colour": "red"})
    gallery.add("new.png")
    gallery.run()
    with pytest.raises(PluginError, match="the settings kept for 'counting' do not fit the installed plugin"):
        Index(gallery.pipeline().store, "gallery", "found").search("a query")


@pytest.mark.parametrize(
    ("error", "kind"), [(ValueError("odd"), "item"), (OSError("cut"), "item"), (MemoryError(), "transient")]
)
def test_whatever_a_plugin_raises_for_one_content_is_that_contents_failure(monkeypatch, error, kind):
    def prepare(self, item):
        raise error

    monkeypatch.setattr(CountingEmbedder, "prepare", prepare)
    failure = EmbedStep(CountingConfig()).prepare(Item(b"k", "text", "a text", "a.txt"))
    assert isinstance(failure, Failure)
    assert failure.kind == kind


def test_a_plugin_whose_code_is_wrong_stops_the_run_instead_of_failing_every_item(monkeypatch):
    def prepare(self, item):
        import no_such_sdk  # noqa: F401

    monkeypatch.setattr(CountingEmbedder, "prepare", prepare)
    with pytest.raises(TerminalError, match="no_such_sdk"):
        EmbedStep(CountingConfig()).prepare(Item(b"k", "text", "a text", "a.txt"))


@after(Gallery.run)
def test_vectors_are_taken_in_the_order_asked_for_with_repeats_and_gaps(gallery):
    pipeline = gallery.pipeline()
    table = pipeline.store.vectors(pipeline.spec.embeddings["toy"].config.fingerprint())
    stored = {row["key"]: row["vector"] for batch in table.scan() for row in batch.to_pylist()}
    first, *_, last = stored

    taken = table.take(key_array([last, None, first, bytes(32), last])).to_pylist()

    assert taken == [stored[last], None, stored[first], None, stored[last]]
