"""Nothing was written since: a step sees it by the versions of its tables and reads none of their rows."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from embeddings_orch.models.rows.sums import sum_digests
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.garbage.kinds import VersionsGarbage
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.plan.plan import make_plan
from embeddings_orch.spec.yaml_file import load_pipeline
from embeddings_orch.store import Store
from embeddings_orch.store.base import TableOf
from embeddings_orch.store.database import LanceDatabase
from embeddings_orch.store.names import TableName
from embeddings_orch.store.prune import prune
from galleries import Gallery, png
from kept import after

BIG = ("items.", "embeddings.", "index.")


@pytest.fixture
def reads(monkeypatch):
    """The tables of rows that were read since it was cleared."""
    names = []
    read = LanceDatabase.read

    def recorded(database, name, **options):
        if name.startswith(BIG):
            names.append(name.partition(".")[0])
        return read(database, name, **options)

    monkeypatch.setattr(LanceDatabase, "read", recorded)
    return names


@after(Gallery.run)
def test_steps_whose_tables_have_the_versions_they_were_made_from_read_no_row(gallery, reads):
    scan_media(gallery.pipeline())
    embed(gallery.pipeline(), "toy")
    built = build_index(gallery.pipeline(), "found").generation
    reads.clear()

    report = embed(gallery.pipeline(), "toy")
    index = build_index(gallery.pipeline(), "found")

    assert reads == []
    assert (report.embedded, report.reused, report.total, report.failed) == (0, 12, 12, 0)
    assert report.digest == gallery.pipeline().store.states.get("gallery", "toy").digest
    assert (index.generation, index.built, index.unchanged) == (built, False, 12)


@after(Gallery.run)
def test_the_counts_of_a_generation_of_an_earlier_version_are_made_anew_once(gallery, reads):
    store, built = gallery.pipeline().store, gallery.run().indexes["found"].generation
    told = json.loads(built.made_from)
    # Until then, items with nothing to embed counted as failures, and no embedding had numbers of its own.
    told = {name: told[name] for name in ("deployment", "catalog_version", "vectors", "cancelled")}
    store.generations.put(replace(built, made_from=json.dumps({**told, "without_vector": 3})))

    (plan,) = (asset for asset in make_plan(gallery.pipeline()).assets if asset.asset.endswith("/index/found"))
    first = build_index(gallery.pipeline(), "found")
    reads.clear()
    second = build_index(gallery.pipeline(), "found")

    assert (plan.failed, first.without_vector, second.without_vector, first.built) == (0, 0, 0, False)
    assert (second.generation, reads) == (built, [])


@after(Gallery.run)
def test_a_plan_without_changes_reads_only_the_catalog(gallery, reads):
    gallery.run()
    reads.clear()

    assert not make_plan(gallery.pipeline()).changes

    assert set(reads) == {"items"}


@after(Gallery.run)
def test_what_comes_goes_or_changes_is_seen_after_a_run_that_read_nothing(gallery):
    gallery.run()
    gallery.add("new.png")
    gallery.remove("p003.png")

    ran = gallery.run()

    assert ran.embedded() == 1
    assert (ran.indexes["found"].new, ran.indexes["found"].deleted) == (1, 1)
    assert {"new.png"} == gallery.rows().keys() - {f"p{number:03}.png" for number in range(12)}


def run_five_times(gallery):
    """Runs that leave old versions and several fragments in all tables, so that gc compacts them."""
    gallery.tolerate_failures()
    gallery.model(reject="broken")
    gallery.add("bad.png", b"broken")
    for number in range(5):
        gallery.add(f"new{number}.png")
        gallery.run()


def prune_tables(gallery, prefix):
    """Remove the old versions of some tables, as gc would in thirty days; their latest versions before and after."""
    pipeline = gallery.pipeline()
    needs = Needs(pipeline, clock=lambda: datetime.now(UTC) + timedelta(days=30), apart=timedelta(0))
    (name,) = (name for name in pipeline.store.table_names() if name.startswith(prefix))
    before = TableOf(pipeline.store, name).at().version
    assert VersionsGarbage(table=TableName(name), why="", versions=1).remove(needs).versions
    return before, TableOf(pipeline.store, name).at().version


@after(run_five_times)
def test_states_name_the_numbers_that_a_compaction_gives_the_same_rows(gallery):
    store, fingerprint = gallery.pipeline().store, gallery.pipeline().spec.embeddings["toy"].config.fingerprint()

    catalog, compacted_catalog = prune_tables(gallery, "items.")
    vectors, compacted_vectors = prune_tables(gallery, "embeddings.")

    assert compacted_catalog > catalog
    assert compacted_vectors > vectors
    state, index_state = store.states.get("gallery", "toy"), store.index_states.get("gallery", "found")
    assert (state.catalog_version, state.vectors_version) == (compacted_catalog, compacted_vectors)
    assert index_state.catalog_version == compacted_catalog
    assert index_state.vectors_versions == {fingerprint: compacted_vectors}


@after(run_five_times)
def test_vectors_that_come_while_gc_compacts_their_table_are_taken_into_the_index(gallery, monkeypatch):
    gallery.model(reject="")

    def prune_beside_a_run(*arguments):
        assert embed(gallery.pipeline(), "toy", retry_failed=True).embedded == 1
        return prune(*arguments)

    monkeypatch.setattr("embeddings_orch.pipeline.garbage.kinds.prune", prune_beside_a_run)
    prune_tables(gallery, "embeddings.")
    monkeypatch.undo()

    assert build_index(gallery.pipeline(), "found").changed == 1


@after(Gallery.run)
def test_contents_that_failed_are_looked_at_each_time(gallery, reads):
    gallery.tolerate_failures()
    gallery.model(reject="broken")
    gallery.add("bad.png", b"broken")
    gallery.run()
    reads.clear()

    report = embed(gallery.pipeline(), "toy")

    assert "items" in reads
    assert (report.failed, report.total) == (1, 13)


@after(Gallery.run)
def test_vectors_that_are_removed_are_embedded_anew_for_every_deployment(gallery):
    branch = Store(gallery.pipeline().store.uri, "branch")
    declared = load_pipeline(gallery.file)
    for step in (scan_media, lambda pipeline: embed(pipeline, "toy"), lambda pipeline: build_index(pipeline, "found")):
        step(Pipeline(declared, branch))
    (vectors,) = (gallery.root / "store").glob("embeddings.*")
    shutil.rmtree(vectors)
    gallery.forget_calls()

    assert gallery.run().embedded() == 12
    assert branch.states.get("gallery", "toy").vectors_version is None
    assert branch.index_states.get("gallery", "found") is None
    assert embed(Pipeline(declared, branch), "toy").total == 12
    assert gallery.items() == 12


@after(Gallery.run)
def test_a_catalog_that_is_removed_and_made_of_other_media_is_embedded(gallery):
    for name in ("items.main.gallery.lance", "tombstones.main.gallery.lance"):
        shutil.rmtree(gallery.root / "store" / name, ignore_errors=True)
    gallery.add("p005.png", png("another picture"))

    ran = gallery.run()

    assert ran.embedded() == 1
    assert gallery.rows()["p005.png"]["toy"] is not None


def test_digests_change_by_what_comes_and_goes_alone(gallery):
    first = gallery.run()
    gallery.add("new.png")
    gallery.remove("p000.png")
    second = gallery.run()

    store = gallery.pipeline().store
    generations = [store.generations.get(ran.indexes["found"].generation.id) for ran in (first, second)]
    for generation in generations:
        rows = store.index(generation.table)
        assert rows.digest(generation.version) == (generation.rows, generation.digest)
    before, now = (store.index(one.table).digests(one.version) for one in generations)
    gone, new = int.from_bytes(before["p000.png"], "big"), int.from_bytes(now["new.png"], "big")
    change = int.from_bytes(generations[1].digest, "big") - int.from_bytes(generations[0].digest, "big")
    assert (change - new + gone) % 2**256 == 0
    covered = store.vectors(second.embeddings["toy"].fingerprint).keys()
    assert sum_digests(covered).hex() != second.embeddings["toy"].digest  # p000.png's vector stays, and is not covered
