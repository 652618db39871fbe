"""Deployments that build the same index table of other media, and scans that know another deployment's hashes."""

import pytest

from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.published.publish import move
from embeddings_orch.store import Store
from embeddings_orch.store.tables.published import Pointer
from galleries import Gallery
from kept import after


def open_as(gallery, name):
    return Store(str(gallery.root / "store"), name)


def generation_of(gallery, name):
    return open_as(gallery, name).published.get("gallery", "found").generation


@pytest.fixture
def branch(gallery, make_gallery):
    """Another folder with one picture more, over the store of the gallery, as another deployment."""
    store = {"uri": str(gallery.root / "store"), "deployment": "branch"}
    return make_gallery(pictures=13, folder="branch", store=store)


def test_deployments_with_other_media_build_one_table_in_turn_and_each_keeps_its_own_rows(gallery, branch):
    gallery.run()
    first = generation_of(gallery, "main")

    ran = branch.run()

    assert branch.items() == 1  # the others have vectors of the main deployment's
    assert ran.indexes["found"].generation.table == gallery.run().indexes["found"].generation.table
    assert generation_of(gallery, "main") == first
    assert (len(gallery.rows()), len(branch.rows())) == (12, 13)
    versions = gallery.versions()
    for _ in range(2):
        gallery.run()
        branch.run()
    assert {name: version for name, version in gallery.versions().items() if name != "claims"} == {
        name: version for name, version in versions.items() if name != "claims"
    }


def test_a_change_is_counted_against_the_deployments_own_generation_and_written_on_the_latest(gallery, branch):
    gallery.run()
    branch.run()
    gallery.add("zebra.png")

    planned = gallery.plan()["index/found"]
    built = gallery.run().indexes["found"]

    assert (planned.new, planned.changed, planned.deleted) == (built.new, built.changed, built.deleted) == (1, 0, 0)
    assert "this deployment's last" in planned.reason
    assert (len(gallery.rows()), len(branch.rows())) == (13, 13)
    assert "zebra.png" in gallery.rows()
    assert "p012.png" in branch.rows()


def test_what_another_deployment_has_built_is_adopted_and_not_built_again(gallery, branch):
    branch.remove("p012.png")
    gallery.run()

    ran = branch.run()

    assert not ran.indexes["found"].built
    assert generation_of(gallery, "branch") == generation_of(gallery, "main")
    assert open_as(gallery, "main").generations.get(generation_of(gallery, "main")).deployments == {"main", "branch"}


def test_a_generation_older_than_the_deployments_own_is_never_gone_back_to(gallery, branch):
    branch.remove("p012.png")
    gallery.run()
    branch.run()
    shared = generation_of(gallery, "branch")
    branch.add("more.png")
    branch.run()
    branch.remove("more.png")

    branch.run()

    assert len(branch.rows()) == 12
    assert generation_of(gallery, "branch") != shared
    assert generation_of(gallery, "main") == shared


@after(Gallery.run)
def test_the_first_scan_of_a_deployment_takes_hashes_of_another_and_nothing_else(gallery, monkeypatch):
    gallery.declare(store={"uri": "store", "deployment": "branch"})
    known = []
    scan = type(gallery.pipeline().source).scan
    monkeypatch.setattr(
        type(gallery.pipeline().source),
        "scan",
        lambda self, previous, progress: known.append(previous) or scan(self, previous, progress),
    )

    report = scan_media(gallery.pipeline())

    (previous,) = known
    assert previous.num_rows == 12
    assert (report.new, report.changed, report.unchanged, report.deleted) == (12, 0, 0, 0)
    assert open_as(gallery, "branch").catalog("gallery").read().num_rows == 12
    assert open_as(gallery, "branch").states.all() == {}


@after(Gallery.run)
def test_a_publish_beside_the_deployments_gc_keeps_a_generation_that_another_deployment_has(gallery):
    store, published = open_as(gallery, "main"), Pointer(generation_of(gallery, "main"))
    open_as(gallery, "branch").generations.adopt(published.generation)
    store.published.swap("gallery", "found", published, Pointer(None))
    store.generations.remove([published.generation])  # as gc does before it looks at the pointer

    assert move(gallery.pipeline(), "found", Pointer(None), published)

    assert store.generations.get(published.generation).deployments == {"main", "branch"}
