"""Deployments that share a store: what each has, and what is left when one is dropped."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from embeddings_orch.errors import EmbeddingsOrchError, StoreError
from embeddings_orch.pipeline.garbage.collect import collect
from embeddings_orch.pipeline.garbage.deployments import drop_deployment, list_deployments
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.search import Index
from embeddings_orch.store import Store
from embeddings_orch.store.claims import Claims
from embeddings_orch.store.watch import Watch
from kept import after


def deploy(gallery, name):
    """Declare the gallery's store as another deployment's."""
    gallery.declare(store={"uri": "store", "deployment": name})


def run_both(gallery):
    """A run of ``main``, and one of ``branch`` whose model is another."""
    gallery.run()
    deploy(gallery, "branch")
    gallery.model(name="other")
    gallery.run()


def run_the_same(gallery):
    """A run of ``main``, and one of ``branch`` with the same declaration."""
    gallery.run()
    deploy(gallery, "branch")
    gallery.run()


def open_as(gallery, name):
    return Store(str(gallery.root / "store"), name)


def remove(gallery):
    """gc, as it would be two hours from now."""
    asked = Needs(gallery.pipeline(), clock=lambda: datetime.now(UTC) + timedelta(hours=2))
    report = collect(asked, make_gc(asked))
    assert report.left == []
    return {(garbage.kind, garbage.name) for garbage in report.removed}


def search(gallery, name):
    return {hit.id for hit in Index(open_as(gallery, name), "gallery", "found").search("x", limit=100).hits}


@after(run_both)
def test_each_deployment_is_listed_with_what_it_has(gallery):
    branch, main = list_deployments(open_as(gallery, "main"))

    assert [(one.name, one.current) for one in (branch, main)] == [("branch", False), ("main", True)]
    assert main.pipelines == branch.pipelines == ("gallery",)
    assert main.catalogs == branch.catalogs == {"gallery": 12}
    assert (main.generations, branch.generations) == (1, 1)
    assert main.published["gallery/found"] != branch.published["gallery/found"]
    assert main.last_activity <= branch.last_activity <= datetime.now(UTC)
    assert branch.to_json()["last_activity"] == branch.last_activity.isoformat()


def test_a_store_that_was_never_written_has_no_deployment(tmp_path):
    assert list_deployments(Store(str(tmp_path / "store"))) == []


@after(run_both)
def test_a_dropped_deployment_leaves_the_others_what_they_have(gallery):
    main = open_as(gallery, "main")
    kept = {name: one for name, one in ((one.name, one) for one in list_deployments(main)) if name == "main"}

    dropped = drop_deployment(main, "branch")

    assert {one.name: one for one in list_deployments(main)} == kept
    assert dropped.tables == ("items.branch.gallery",)
    assert len(dropped.generations) == 1
    assert open_as(gallery, "branch").states.all() == open_as(gallery, "branch").published.all() == {}
    assert len(search(gallery, "main")) == 12
    # What it alone had is garbage of whoever stays.
    gallery.model(name="toy")
    deploy(gallery, "main")
    assert {kind for kind, _ in remove(gallery)} >= {"table", "vectors"}
    assert len(search(gallery, "main")) == 12


@after(run_the_same)
def test_of_a_generation_that_two_deployments_have_the_other_one_keeps_it(gallery):
    main = open_as(gallery, "main")
    generation = main.published.get("gallery", "found").generation
    assert open_as(gallery, "branch").published.get("gallery", "found").generation == generation
    assert main.generations.get(generation).deployments == {"main", "branch"}

    drop_deployment(main, "branch")

    assert main.generations.get(generation).deployments == {"main"}
    assert len(search(gallery, "main")) == 12


@after(run_both)
def test_the_deployment_of_this_process_and_one_that_is_not_there_are_refused(gallery):
    with pytest.raises(EmbeddingsOrchError, match="cannot drop itself"):
        drop_deployment(open_as(gallery, "main"), "main")
    with pytest.raises(EmbeddingsOrchError, match="nothing of a deployment 'other'; it has: branch, main"):
        drop_deployment(open_as(gallery, "main"), "other")


@after(run_both)
def test_a_deployment_with_a_run_going_on_is_not_dropped(gallery):
    main, seconds = open_as(gallery, "main"), [0.0]

    def stand_still(pause):
        seconds[0] += pause

    make_claims = partial(Claims, sleep=stand_still, watch=Watch(lambda: seconds[0]))
    with Claims(open_as(gallery, "branch")) as run:
        run.take(["index/some"])

        def live(pause):
            run.table.extend(run.holder, 60)

        with pytest.raises(StoreError, match="a run of the deployment branch works on index/some"):
            drop_deployment(main, "branch", partial(make_claims, sleep=live))
        assert len(list_deployments(main)) == 2
    # Of a run that died, on another machine.
    run.table.take(["index/some"], "another machine#1#0@branch", 60)
    assert drop_deployment(main, "branch", make_claims).name == "branch"
    assert 60 <= seconds[0] < 61


@after(run_the_same)
def test_gc_of_one_deployment_takes_its_name_off_and_leaves_the_generation_to_the_other(gallery):
    shared = open_as(gallery, "main").published.get("gallery", "found").generation
    gallery.declare(indexes={"found": {**gallery.attributes["indexes"]["found"], "keep_generations": 1}})
    for number in range(2):
        gallery.add(f"new{number}.png")
        gallery.run()
    first_of_branch = [one.id for one in open_as(gallery, "branch").generations.of("gallery", "found")]
    assert first_of_branch[0] == shared

    removed = remove(gallery)

    branch, main = open_as(gallery, "branch"), open_as(gallery, "main")
    assert {name for kind, name in removed if kind == "generation"} == set(first_of_branch[:-1])
    assert [one.id for one in branch.generations.of("gallery", "found")] == first_of_branch[-1:]
    assert main.generations.get(shared).deployments == {"main"}
    assert len(search(gallery, "main")) == 12
    assert len(search(gallery, "branch")) == 14


@after(run_both)
def test_gc_of_one_deployment_leaves_the_others_vectors_catalog_and_pointer(gallery):
    before = gallery.versions().keys()

    assert remove(gallery) == set()

    assert gallery.versions().keys() == before
    assert (len(search(gallery, "main")), len(search(gallery, "branch"))) == (12, 12)
