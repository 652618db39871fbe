"""Two runs that overlap, step by step: what one does between two steps of the other."""

import threading
import time

import numpy as np
import pytest

from content_ids import ids_of
from embeddings_orch.embedding.runners.local import LocalRunner
from embeddings_orch.media.catalog.diff import contents
from embeddings_orch.media.sources.folder import FolderSource
from embeddings_orch.models.content import Failure
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.embeddings.portions import Portions
from embeddings_orch.pipeline.indexes import build as index_module
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.store.tables.claims import ClaimsTable
from galleries import Gallery
from kept import after


def ids(table):
    return table["id"].to_pylist()


@after(Gallery.run)
def test_a_scan_that_another_run_overtook_lists_the_media_again(gallery, monkeypatch):
    gallery.add("first.png")
    scan, overtaken = FolderSource.scan, []

    def overtaken_scan(self, previous, progress):
        found = scan(self, previous, progress)
        if not overtaken:
            overtaken.append(True)
            gallery.remove("p000.png")
            gallery.add("second.png")
            scan_media(gallery.pipeline())
        return found

    monkeypatch.setattr(FolderSource, "scan", overtaken_scan)
    before = gallery.pipeline().store.catalog("gallery").version()
    report = scan_media(gallery.pipeline())

    catalog = gallery.pipeline().catalog()
    assert ids(catalog) == ids(report.table) == sorted(path.name for path in gallery.media.glob("*.png"))
    assert gallery.pipeline().store.catalog("gallery").version() == before + 1


@after(Gallery.run)
def test_a_build_that_waited_for_the_same_build_takes_what_it_made(gallery, monkeypatch):
    gallery.add("new.png")
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    embed(pipeline, "toy")
    alone, other = index_module.alone, []

    def after_another(*arguments):
        if not other:
            other.append(None)
            other[0] = build_index(gallery.pipeline(), "found")
            check_index(gallery.pipeline(), "found")
        return alone(*arguments)

    monkeypatch.setattr(index_module, "alone", after_another)
    report = build_index(pipeline, "found")

    assert (other[0].built, report.built) == (True, False)
    assert report.generation.id == other[0].generation.id
    assert report.generation.passed
    assert (report.new, report.unchanged) == (0, 13)
    assert publish(pipeline, "found").changed


@pytest.mark.slow
def test_a_row_that_is_in_the_table_twice_is_once_in_the_next_generation(gallery):
    first = gallery.run().indexes["found"].generation
    gallery.add("new.png")
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    embed(pipeline, "toy")
    table = pipeline.store.index(first.table)
    twice = table.at().search().where("id = 'p003.png'").to_arrow()
    table.at().add(twice)
    assert table.repeated_ids(table.latest()) == ["p003.png"]

    report = build_index(pipeline, "found")
    check_index(pipeline, "found")

    assert table.repeated_ids(report.generation.version) == []
    assert report.generation.rows == table.count(report.generation.version) == 13
    assert publish(pipeline, "found").changed


@after(Gallery.run)
def test_what_another_run_is_about_to_embed_stays_in_the_index_as_it_was(gallery):
    gallery.add("p000.png", "edited")
    pipeline = gallery.pipeline()
    scan_media(pipeline)

    report = build_index(pipeline, "found")

    assert not report.built
    assert (report.without_vector, report.unchanged) == (0, 12)
    gallery.run()
    assert gallery.rows()["p000.png"]["toy"] is not None


@after(Gallery.run)
def test_a_run_that_covers_an_older_catalog_does_not_set_the_state_back(gallery, monkeypatch):
    gallery.add("first.png")
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    run, others = LocalRunner.run, []

    def beside_another(self, *arguments, **options):
        if not others:
            others.append(True)
            gallery.add("second.png")
            scan_media(gallery.pipeline())
            # Its claims are free until the first run asks for the first portion.
            embed(gallery.pipeline(), "toy")
        run(self, *arguments, **options)

    monkeypatch.setattr(LocalRunner, "run", beside_another)
    report = embed(pipeline, "toy")

    state = pipeline.store.states.get("gallery", "toy")
    assert state.catalog_version == pipeline.store.catalog("gallery").version()
    assert (report.embedded, report.elsewhere, report.reused, report.failed) == (0, 1, 13, 0)


@pytest.fixture
def held(gallery):
    """The gallery, scanned, while another holds all claims; gives its table of claims, the vectors and the keys."""
    scan_media(gallery.pipeline())
    pipeline = gallery.pipeline()
    fingerprint = pipeline.spec.embeddings["toy"].config.fingerprint()
    ids = ids_of(contents(pipeline.catalog()))
    claims = ClaimsTable(pipeline.store)
    claims.take(
        sorted({f"vectors/{fingerprint}/{content.key[:1].hex()}" for content in ids}), "another machine#1#0", 60
    )
    return claims, fingerprint, ids


@pytest.mark.parametrize("failed", [0, 2])
def test_contents_that_another_run_embeds_are_waited_for_and_not_embedded(gallery, held, failed):
    claims, fingerprint, ids = held
    store = gallery.pipeline().store

    def work():
        time.sleep(0.5)
        failures = [Failure(content.key, "p.png", "broken") for content in ids[:failed]]
        store.failures.replace(fingerprint, [], failures)
        store.vectors(fingerprint).append(ids[failed:], np.ones((12 - failed, 8), np.float32))
        claims.release("another machine#1#0")

    other = threading.Thread(target=work)
    other.start()
    report = embed(gallery.pipeline(), "toy")
    other.join()

    assert gallery.items() == 0
    assert (report.embedded, report.elsewhere, report.failed, report.total) == (0, 12 - failed, failed, 12)


def test_contents_that_another_run_gave_up_are_embedded(gallery, held):
    claims, _, _ = held
    other = threading.Timer(0.5, claims.release, ["another machine#1#0"])
    other.start()
    report = embed(gallery.pipeline(), "toy")
    other.join()
    assert (report.embedded, report.elsewhere, report.failed, gallery.items()) == (12, 0, 0, 12)
    assert claims.rows() == []


@pytest.mark.slow
def test_portions_grow_while_they_are_quick_and_cover_everything_once(gallery, make_gallery):
    many = make_gallery(0, "many")
    for number in range(1000):
        many.add(f"{number:04}.txt", f"content {number}")
    scan_media(many.pipeline())
    pipeline, now = many.pipeline(), [0.0]
    from embeddings_orch.media.catalog.diff import contents
    from embeddings_orch.store.claims import Claims

    todo = contents(pipeline.catalog())

    def sizes(seconds):
        with Claims(pipeline.store) as claims:
            portions = Portions(
                pipeline.store, claims, "f", least=32, known=[], rows=0, start=lambda _: 7, clock=lambda: now[0]
            )
            found, keys = [], []
            for part in portions.mine(todo):
                found.append(part.num_rows)
                keys += part["key"].to_pylist()
                now[0] += seconds
        assert sorted(keys) == sorted(todo["key"].to_pylist())
        return found

    assert len(sizes(0.1)) < 12
    assert max(sizes(0.1)) < 150
    assert len(sizes(60)) > 20
