"""What gc keeps and what it removes; the clock is set, so that nobody waits for the grace."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.garbage import listing
from embeddings_orch.pipeline.garbage.collect import collect, indexes_that_lost
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.pipeline.published.publish import release
from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch.search import Index
from embeddings_orch.store.claims import Claims
from embeddings_orch.store.tables.claims import ClaimsTable
from embeddings_orch.store.tables.published import Pointer
from embeddings_orch.store.tables.states import StatesTable
from embeddings_orch.store.watch import Watch
from kept import after


def needs(gallery, *, hours=2.0, forget=None, others=(), **options):
    """As gc is asked so many hours from now; the grace is one hour."""
    clock = lambda: datetime.now(UTC) + timedelta(hours=hours)  # noqa: E731
    return Needs(gallery.pipeline(), forget, others, clock=clock, **options)


def listed(gallery, **options):
    """What would be removed, by kind."""
    found = {}
    for one in make_gc(needs(gallery, **options)).garbage:
        found.setdefault(one.kind, []).append(one)
    return found


def remove(gallery, **options):
    asked = needs(gallery, **options)
    report = collect(asked, make_gc(asked))
    assert report.left == []
    return report


def model(gallery, name):
    gallery.model(name=name)
    gallery.run()
    return gallery.pipeline().store.published.get("gallery", "found").generation


def keeping(gallery, count, **index):
    gallery.declare(indexes={"found": {**gallery.attributes["indexes"]["found"], "keep_generations": count, **index}})


def ids(gallery):
    return [one.id for one in gallery.pipeline().store.generations.of("gallery", "found")]


def models_of_which_one_is_kept(gallery):
    """Models a, b and c were published one after the other, and gc may leave the one before alone."""
    keeping(gallery, 1)
    for name in "abc":
        model(gallery, name)


def tables(gallery, kind):
    return sorted(name for name in gallery.pipeline().store.table_names() if name.startswith(f"{kind}."))


def search(gallery):
    return {hit.id for hit in Index(gallery.pipeline().store, "gallery", "found").search("x", limit=100).hits}


@pytest.mark.slow
def test_of_the_current_table_the_last_versions_stay(gallery):
    keeping(gallery, 2)
    for number in range(4):
        gallery.add(f"new{number}.png")
        gallery.run()
    first, second, third, fourth = ids(gallery)
    first_version = gallery.pipeline().store.generations.get(first).version

    found = listed(gallery)

    assert [one.name for one in found["generation"]] == [first, second]
    assert [one.name for one in found["versions"] if one.name.startswith("index.")] == tables(gallery, "index")
    assert "table" not in found
    remove(gallery)
    assert ids(gallery) == [third, fourth]
    store = gallery.pipeline().store
    table = store.index(tables(gallery, "index")[0])
    versions = [store.generations.get(one).version for one in (third, fourth)]
    assert table.at(first_version) is None
    assert [table.count(version) for version in versions] == [15, 16]
    assert len(search(gallery)) == 16
    assert not any(asset.changes for asset in gallery.plan().values())
    assert rollback(gallery.pipeline(), "found").generation.id == third
    assert len(search(gallery)) == 15


@pytest.mark.slow
def test_a_run_after_gc_writes_nothing(gallery, monkeypatch):
    monkeypatch.setattr(listing, "_WORTH", 3)
    keeping(gallery, 1)
    for number in range(5):  # so many that the small tables are worth a clean-up
        gallery.add(f"new{number}.png")
        gallery.run()
    removed = {one.name for one in remove(gallery, apart=timedelta(0)).removed if one.kind == "versions"}
    assert {"items.main.gallery", "index_generations", "pointers", *tables(gallery, "index")} <= removed
    versions = {name: version for name, version in gallery.versions().items() if name != "claims"}
    gallery.forget_calls()

    gallery.run()

    assert {name: version for name, version in gallery.versions().items() if name != "claims"} == versions
    assert gallery.calls() == []


@pytest.mark.slow
def test_of_earlier_tables_what_was_published_last_stays(gallery):
    keeping(gallery, 2)
    a = model(gallery, "a")
    gallery.add("new.png")
    gallery.run()
    a2 = ids(gallery)[-1]
    b = model(gallery, "b")
    c = model(gallery, "c")
    d = model(gallery, "d")

    found = listed(gallery)
    assert [one.name for one in found["generation"]] == [a, a2]
    assert len(found["table"]) == len(found["vectors"]) == 1
    assert all(one.bytes > 0 and one.rows == 13 for one in [*found["table"], *found["vectors"]])
    report = remove(gallery)

    assert ids(gallery) == [b, c, d]
    assert (len(tables(gallery, "index")), len(tables(gallery, "embeddings"))) == (3, 3)
    assert report.bytes > 0
    assert list(indexes_that_lost(report)) == ["gallery/found"]
    assert make_gc(needs(gallery)).garbage == ()
    assert [rollback(gallery.pipeline(), "found").generation.id for _ in "bc"] == [c, b]
    assert search(gallery) == {*gallery.captions, "new.png"}


@pytest.mark.slow
def test_of_an_earlier_table_not_the_newest_but_what_was_published_last_stays(gallery):
    a = model(gallery, "a")
    gallery.model(name="b")
    gallery.run()
    rollback(gallery.pipeline(), "found")
    gallery.model(name="a")
    gallery.add("new.png")
    gallery.run()
    gallery.model(name="c")
    gallery.run()
    a2 = next(one for one in ids(gallery) if one.startswith(a[:12]) and one != a)
    rollback(gallery.pipeline(), "found", a)
    release(gallery.pipeline(), "found")
    keeping(gallery, 1)

    remove(gallery)

    assert a in ids(gallery)
    assert a2 not in ids(gallery)


@pytest.mark.slow
@after(models_of_which_one_is_kept)
def test_what_is_younger_than_the_grace_stays(gallery):
    newest = gallery.pipeline().store.generations.get(ids(gallery)[-1])
    age = (datetime.now(UTC) - newest.created_at) / timedelta(hours=1)
    assert make_gc(needs(gallery, hours=0.9 - age)).garbage == ()
    assert len(make_gc(needs(gallery, hours=1.1 - age)).garbage) == 3


@pytest.mark.slow
@after(models_of_which_one_is_kept)
def test_what_was_published_until_a_moment_ago_stays_however_old_it_is(gallery, monkeypatch):
    first, second, third = ids(gallery)
    store = gallery.pipeline().store
    for one in (first, second, third):
        generation = store.generations.get(one)
        store.generations.put(replace(generation, created_at=datetime(2020, 1, 1, tzinfo=UTC)))

    kept = make_gc(needs(gallery, hours=0)).kept

    assert kept == {first, second, third}
    assert make_gc(needs(gallery, hours=2)).kept == {second, third}


@pytest.mark.slow
@after(models_of_which_one_is_kept)
def test_the_published_generation_stays_though_it_is_held_and_old(gallery):
    first = ids(gallery)[0]
    model(gallery, "d")
    rollback(gallery.pipeline(), "found", first)

    remove(gallery)

    assert first in ids(gallery)
    assert search(gallery) == gallery.captions.keys()


@pytest.mark.slow
def test_an_index_and_an_embedding_that_are_no_longer_declared_go(gallery):
    gallery.model("other", name="other")
    both = {"found": {"vectors": ["toy"]}, "second": {"vectors": ["other"]}}
    gallery.declare(indexes=both)
    gallery.run()
    embeddings = {"toy": gallery.attributes["embeddings"]["toy"]}
    gallery.declare(embeddings=embeddings, indexes={"found": both["found"]})

    found = listed(gallery)

    assert [one.name for one in found["pointer"]] == ["gallery/second"]
    assert [one.name for one in found["state"]] == ["gallery/other"]
    assert {one.why for one in found["table"]} == {"the index second is no longer declared"}
    # Younger than the grace: only what has no age goes.
    assert {one.kind for one in make_gc(needs(gallery, hours=0)).garbage} == {"state"}
    remove(gallery)
    store = gallery.pipeline().store
    assert store.published.all().keys() == {("gallery", "found")}
    assert store.states.of_pipeline("gallery").keys() == {"toy"}
    assert (len(tables(gallery, "index")), len(tables(gallery, "embeddings"))) == (1, 1)
    assert search(gallery) == gallery.captions.keys()
    # Declared again it is built anew, and counts its versions from the start.
    gallery.model("other", name="other")
    gallery.declare(indexes=both)
    gallery.run()
    assert store.published.get("gallery", "second").generation is not None
    assert [entry.index for entry in store.publications.of_pipeline("gallery")] == ["found", "second"]


@pytest.mark.slow
def test_failures_of_a_model_that_is_gone_go(gallery):
    keeping(gallery, 1)
    gallery.add("bad.png", b"\x89PNG but no picture")
    gallery.model(decode=True)
    gallery.declare(
        indexes={"found": {**gallery.attributes["indexes"]["found"], "checks": {"max_failed": 1.0}}},
    )
    for name in "ab":
        model(gallery, name)
    keeping(gallery, 1)
    model(gallery, "c")
    store = gallery.pipeline().store
    assert sorted(map(len, store.failures.by_fingerprint().values())) == [1, 1, 1]
    assert [one.rows for one in listed(gallery)["failures"]] == [1]

    remove(gallery)

    kept = {model.fingerprint for one in store.generations.all() for model in one.models}
    assert store.failures.by_fingerprint().keys() == kept


@pytest.mark.slow
def test_a_pipeline_that_shares_the_store_is_left_alone(make_gallery):
    gallery = make_gallery()
    other = make_gallery(folder="other", name="neighbour", store={"uri": str(gallery.root / "store")})
    other.run()
    other.model(name="new")
    other.run()
    keeping(gallery, 1)
    for name in "abc":
        model(gallery, name)
    before = {one.id for one in gallery.pipeline().store.generations.of_pipeline("neighbour")}

    report = remove(gallery)

    assert report.removed
    store = gallery.pipeline().store
    assert {one.id for one in store.generations.of_pipeline("neighbour")} == before
    assert rollback(other.pipeline(), "found").generation.rows == 12
    assert not any("neighbour" in one.name for one in report.removed)
    other.forget_calls()
    assert len(Index(store, "neighbour", "found").search("x").hits) == 10


@pytest.mark.slow
def test_the_models_of_a_declared_pipeline_stay_before_its_first_run_has_ended(make_gallery):
    gallery = make_gallery()
    gallery.run()
    other = make_gallery(folder="other", name="neighbour", store={"uri": str(gallery.root / "store")})
    other.model(name="fresh")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StatesTable, "put", lambda *_: None)  # killed before the state was kept
        other.run()
    store = gallery.pipeline().store
    for one in store.generations.of_pipeline("neighbour"):
        store.generations.remove([one.id])
    spec = other.pipeline().spec

    assert "vectors" not in listed(gallery, others=[spec])
    assert len(listed(gallery)["vectors"]) == 1


@pytest.mark.slow
def test_a_pipeline_is_forgotten_whole(make_gallery):
    gallery = make_gallery()
    gallery.run()
    other = make_gallery(folder="other", name="neighbour", store={"uri": str(gallery.root / "store")})
    other.model(name="theirs")
    other.run()
    store = gallery.pipeline().store
    store.tombstones("neighbour").add(["gone.png"], 2)
    assert make_gc(needs(gallery)).garbage == ()

    with pytest.raises(EmbeddingsOrchError, match="'neighbour' is declared"):
        make_gc(needs(gallery, forget="neighbour", others=[other.pipeline().spec]))
    with pytest.raises(EmbeddingsOrchError, match="nothing of a pipeline 'nobody'; it has: gallery, neighbour"):
        make_gc(needs(gallery, forget="nobody"))
    remove(gallery, forget="neighbour")

    assert not any("neighbour" in name for name in store.table_names())
    assert [name for name, _ in store.states.all()] == ["gallery"]
    assert store.published.all().keys() == {("gallery", "found")}
    assert store.publications.of_pipeline("neighbour") == []
    assert len(tables(gallery, "embeddings")) == 1
    assert search(gallery) == gallery.captions.keys()


@after(models_of_which_one_is_kept)
def test_gc_completes_what_a_killed_one_left(gallery):
    first = ids(gallery)[0]
    store = gallery.pipeline().store
    table = store.generations.get(first).table
    store.generations.remove([first])  # and killed before the log and the table
    for file in (gallery.root / "store" / f"{table}.lance" / "_versions").iterdir():
        file.unlink()  # or while the table's files were removed

    assert [(one.name, one.why) for one in listed(gallery)["table"]] == [(table, "no generation was recorded of it")]
    remove(gallery)

    assert table not in store.table_names()
    assert first not in {entry.generation for entry in store.publications.of_pipeline("gallery")}
    assert rollback(gallery.pipeline(), "found").generation.id == ids(gallery)[0]


@after(models_of_which_one_is_kept)
def test_what_came_into_use_after_the_list_was_made_stays(gallery):
    first = ids(gallery)[0]
    asked = needs(gallery)
    plan = make_gc(asked)
    assert {one.kind for one in plan.garbage} == {"generation", "table", "vectors"}

    rollback(gallery.pipeline(), "found", first)
    collect(asked, plan)

    assert first in ids(gallery)
    assert search(gallery) == gallery.captions.keys()


@after(models_of_which_one_is_kept)
def test_a_generation_published_at_the_moment_it_is_removed_stays(gallery, monkeypatch):
    first = ids(gallery)[0]
    store = gallery.pipeline().store
    asked = needs(gallery)
    pointer = store.published.get("gallery", "found")
    remove_rows = type(store.generations).remove

    def removed(self, gone):
        remove_rows(self, gone)
        # Another process that saw the generation a moment before.
        store.published.swap("gallery", "found", pointer, Pointer(first))

    monkeypatch.setattr(type(store.generations), "remove", removed)
    report = collect(asked, make_gc(asked))
    monkeypatch.undo()

    assert next((one.name, reason) for one, reason in report.left) == (first, "in use again")
    assert first in ids(gallery)
    assert search(gallery) == gallery.captions.keys()


@pytest.mark.slow
@after(models_of_which_one_is_kept)
def test_a_table_that_a_run_writes_is_left_to_it_and_goes_when_the_run_is_dead(gallery):
    asked = needs(gallery)
    plan = make_gc(asked)
    table = next(one.name for one in plan.garbage if one.kind == "table")
    claims, seconds = ClaimsTable(gallery.pipeline().store), [0.0]
    holder = "another machine#1#0"
    claims.take([f"index/{table}"], holder, 60)

    def gc(sleep):
        make_claims = partial(Claims, sleep=sleep, watch=Watch(lambda: seconds[0]))
        return collect(asked, plan, make_claims)

    report = gc(lambda _: claims.extend(holder, 60))
    assert [(one.name, reason) for one, reason in report.left] == [(table, "a run works on it")]
    assert table in tables(gallery, "index")

    def stand_still(pause):
        seconds[0] += pause

    report = gc(stand_still)
    assert report.left == []
    assert table in [one.name for one in report.removed]
    assert table not in tables(gallery, "index")
    assert 60 <= seconds[0] < 61


def test_a_store_that_is_not_there_has_no_garbage_and_is_not_made(gallery):
    assert make_gc(needs(gallery)).garbage == ()
    assert not (gallery.root / "store").exists()
