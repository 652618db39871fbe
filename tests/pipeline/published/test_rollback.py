"""Going back to what was published before, holds, and publishes beside other runs."""

import pytest

from embeddings_orch.errors import EmbeddingsOrchError, PublishConflictError, PublishRefusedError, StoreError
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.plan.status import list_generations
from embeddings_orch.pipeline.published import publish as publish_module
from embeddings_orch.pipeline.published.publish import hash_declaration, publish, release
from embeddings_orch.pipeline.published.rollback import find, rollback
from embeddings_orch.search import Index
from embeddings_orch.store.tables.published import Pointer, PointersTable
from galleries import Gallery
from kept import after


def published(gallery):
    return gallery.pipeline().store.published.get("gallery", "found")


def model(gallery, name):
    """Exchange the model and run; returns the generation that is published then."""
    gallery.model(name=name)
    gallery.run()
    return published(gallery).generation


def models_a_and_b(gallery):
    model(gallery, "a")
    model(gallery, "b")


def models_a_b_and_c(gallery):
    models_a_and_b(gallery)
    model(gallery, "c")


def ids(gallery):
    """The generations from the first to the newest."""
    return [generation.id for generation in gallery.pipeline().store.generations.of("gallery", "found")]


def build(gallery, *, checks=True):
    """A generation that is not published."""
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    embed(pipeline, "toy")
    generation = build_index(pipeline, "found").generation
    if checks:
        check_index(pipeline, "found")
    return generation.id


@pytest.mark.slow
@after(models_a_and_b)
def test_rollback_goes_to_what_was_published_before_and_holds_it(gallery):
    first, second = ids(gallery)
    before = gallery.items()

    report = rollback(gallery.pipeline(), "found")

    assert (report.generation.id, report.previous, report.held, report.changed) == (first, second, True, True)
    assert (published(gallery).generation, published(gallery).held) == (first, True)
    results = Index(gallery.pipeline().store, "gallery", "found").search("x")
    assert results.generation == first
    assert gallery.items() == before + 1, "only the query was embedded"


@pytest.mark.slow
@after(models_a_and_b)
def test_after_a_b_a_rollback_gives_b_and_then_the_first_a(gallery):
    first, second = ids(gallery)
    gallery.add("new.png")
    third = model(gallery, "a")
    assert third.partition("-")[0] == first.partition("-")[0]
    assert third != first

    assert rollback(gallery.pipeline(), "found").generation.id == second
    assert rollback(gallery.pipeline(), "found").generation.id == first
    with pytest.raises(PublishRefusedError, match="nothing to go back to"):
        rollback(gallery.pipeline(), "found")
    assert published(gallery).generation == first


@after(models_a_and_b)
def test_what_was_rolled_back_and_published_again_is_one_step_again(gallery):
    first, second = ids(gallery)
    rollback(gallery.pipeline(), "found")

    assert release(gallery.pipeline(), "found").generation.id == second

    assert published(gallery) == Pointer(second)
    assert rollback(gallery.pipeline(), "found").generation.id == first


@pytest.mark.slow
@after(models_a_b_and_c)
def test_rollback_to_a_number_an_id_or_its_beginning(gallery):
    a, b, c = ids(gallery)

    assert rollback(gallery.pipeline(), "found", a).generation.id == a
    assert rollback(gallery.pipeline(), "found", "2").generation.id == b
    # Onwards from a: so the way back leads there.
    assert rollback(gallery.pipeline(), "found").generation.id == a
    assert rollback(gallery.pipeline(), "found", c[:9]).generation.id == c
    listed = list_generations(gallery.pipeline(), "found")["generations"]
    assert [(row["number"], row["generation"]) for row in listed] == list(enumerate([a, b, c], 1))
    assert [row["published"] and row["held"] for row in listed] == [False, False, True]
    assert [row["published_before"] for row in listed] == [True, True, False]


def test_rollback_to_what_is_published_holds_it(gallery):
    only = model(gallery, "a")
    report = rollback(gallery.pipeline(), "found", only)
    assert (report.changed, report.held) == (False, True)
    assert published(gallery).held


@after(Gallery.run)
def test_a_beginning_that_fits_several_or_none_names_what_there_is(gallery):
    gallery.add("new.png")
    gallery.run()
    first, second = gallery.pipeline().store.generations.of("gallery", "found")

    with pytest.raises(EmbeddingsOrchError, match=f"several generations begin with .*: {first.id}, {second.id}"):
        rollback(gallery.pipeline(), "found", first.id[:6])
    with pytest.raises(EmbeddingsOrchError, match="no generation 'zz'; there are, from number 1: "):
        rollback(gallery.pipeline(), "found", "zz")
    assert find([first, second], "2") == second
    assert published(gallery) == Pointer(second.id)


@after(models_a_and_b)
def test_rollback_is_refused_to_what_was_not_checked_did_not_pass_or_is_gone(gallery):
    first, current = ids(gallery)
    gallery.add("new.png")
    unchecked = build(gallery, checks=False)
    with pytest.raises(PublishRefusedError, match=f"the checks of generation {unchecked} have not run"):
        rollback(gallery.pipeline(), "found", unchecked)
    gallery.add("newer.png")
    scan_media(gallery.pipeline())
    check_index(gallery.pipeline(), "found")
    with pytest.raises(PublishRefusedError, match=f"generation {unchecked} failed row_parity"):
        rollback(gallery.pipeline(), "found", unchecked)
    store = gallery.pipeline().store
    store.index(store.generations.get(first).table).drop()
    with pytest.raises(StoreError, match="is gone; the index stays as it is"):
        rollback(gallery.pipeline(), "found")
    assert published(gallery) == Pointer(current)


def test_rollback_before_anything_was_published_is_refused(gallery):
    with pytest.raises(PublishRefusedError, match="nothing is published"):
        rollback(gallery.pipeline(), "found")
    gallery.run()
    with pytest.raises(PublishRefusedError, match="there is nothing to go back to"):
        rollback(gallery.pipeline(), "found")


@pytest.mark.slow
@after(models_a_and_b)
def test_while_held_runs_build_and_check_and_do_not_publish(gallery):
    first = ids(gallery)[0]
    rollback(gallery.pipeline(), "found")
    gallery.add("new.png")

    report = gallery.run().published["found"]

    assert (report.generation.id, report.changed, report.held) == (first, False, True)
    assert report.message == f"held at generation {first}; to release it: embeddings-orch publish found"
    assert len(gallery.rows()) == 12
    newest = gallery.pipeline().store.generations.of("gallery", "found")[-1]
    assert newest.passed
    assert newest.rows == 13
    assert not any(asset.changes for asset in gallery.plan().values())
    assert gallery.plan()["published/found"].reason == f"held at generation {first}"

    assert release(gallery.pipeline(), "found").generation.id == newest.id
    assert len(gallery.rows()) == 13


@pytest.mark.slow
@after(models_a_and_b)
def test_an_operational_edit_does_not_release_a_hold_and_an_edit_of_the_model_does(gallery):
    first = ids(gallery)[0]
    rollback(gallery.pipeline(), "found")

    gallery.model(batch_size=3)
    assert gallery.run().published["found"].held
    assert published(gallery).generation == first

    third = model(gallery, "c")
    assert published(gallery) == Pointer(third)
    assert third != first


@after(models_a_and_b)
@pytest.mark.parametrize(
    "edit", [{"keep_generations": 7}, {"checks": {"min_recall": 0.5}}, {"metric": "l2"}, {"full_text": []}]
)
def test_an_edit_of_the_index_releases_a_hold(gallery, edit):
    rollback(gallery.pipeline(), "found")
    gallery.declare(indexes={"found": {**gallery.attributes["indexes"]["found"], **edit}})

    assert gallery.plan()["published/found"].changed == 1
    assert not gallery.run().published["found"].held

    newest = gallery.pipeline().store.generations.of("gallery", "found")[-1]
    assert published(gallery) == Pointer(newest.id)


@after(models_a_and_b)
def test_a_rollback_works_where_the_models_weights_are_missing(gallery):
    first = ids(gallery)[0]
    pipeline = gallery.pipeline()
    config = type(pipeline.spec.embeddings["toy"].config)

    def missing(self):
        raise EmbeddingsOrchError("weights.pt is not there")

    with pytest.MonkeyPatch.context() as patch:  # the counting model has no weights that could be missing
        patch.setattr(config, "fingerprint", missing)
        assert rollback(pipeline, "found").generation.id == first
        assert {row["kept"] for row in list_generations(pipeline, "found")["generations"]} == {None}

    assert gallery.run().published["found"].held


@after(models_a_and_b)
def test_publish_by_hand_is_refused_where_nothing_passed_and_keeps_the_hold(gallery):
    first = ids(gallery)[0]
    rollback(gallery.pipeline(), "found")
    gallery.model(name="c")

    with pytest.raises(PublishRefusedError, match="gallery/index/found as it is declared now was never built"):
        release(gallery.pipeline(), "found")
    unchecked = build(gallery, checks=False)
    with pytest.raises(PublishRefusedError, match=f"generation {unchecked} was not checked"):
        release(gallery.pipeline(), "found")
    assert published(gallery).generation == first
    assert published(gallery).held


@pytest.mark.slow
@after(Gallery.run)
def test_publish_by_hand_takes_the_newest_that_passed(gallery):
    gallery.add("good.png")
    good = build(gallery)
    gallery.add("bad.png")
    build(gallery, checks=False)
    gallery.add("newer.png")
    scan_media(gallery.pipeline())
    check_index(gallery.pipeline(), "found")
    with pytest.raises(PublishRefusedError, match="failed row_parity"):
        publish(gallery.pipeline(), "found")

    assert release(gallery.pipeline(), "found").generation.id == good


@pytest.mark.slow
@after(Gallery.run)
def test_a_generation_that_another_run_added_is_left_to_that_run(gallery):
    gallery.add("new.png")
    checked = build(gallery)
    gallery.add("newer.png")
    build(gallery, checks=False)

    report = publish(gallery.pipeline(), "found")

    assert (report.generation.id, report.changed) == (checked, True)
    with pytest.raises(PublishRefusedError, match="have not run"):
        publish(gallery.pipeline(), "found")
    assert not publish(gallery.pipeline(), "found", checked=True).changed


@pytest.mark.slow
@after(Gallery.run)
def test_the_pointer_never_goes_back_within_a_table(gallery, monkeypatch):
    older = published(gallery).generation
    gallery.add("new.png")
    newer = build(gallery)
    publish(gallery.pipeline(), "found")
    # What a run sees that listed the generations before the newer one was made.
    candidates = publish_module.candidates
    monkeypatch.setattr(
        publish_module, "candidates", lambda *args: [one for one in candidates(*args) if one.id == older]
    )

    report = publish(gallery.pipeline(), "found")

    assert (report.generation.id, report.changed) == (newer, False)
    assert report.message == f"generation {older} is superseded: another run published {newer}, which is newer"
    assert published(gallery) == Pointer(newer)


def between(monkeypatch, action):
    """Let something happen right before the next swap."""
    swap = PointersTable.swap

    def swapped(self, *args):
        monkeypatch.setattr(PointersTable, "swap", swap)
        action()
        return swap(self, *args)

    monkeypatch.setattr(PointersTable, "swap", swapped)


@pytest.mark.slow
@after(Gallery.run)
@pytest.mark.parametrize(
    ("full_text", "same"),
    [
        ({"columns": ["caption"]}, True),
        ({"columns": ["caption"], "tokenizer": "icu/split", "stem": False}, True),
        ({"columns": ["caption"], "language": "German"}, False),
    ],
)
def test_an_option_of_the_full_text_ends_a_hold_only_where_it_is_another_than_the_default(gallery, full_text, same):
    before = hash_declaration(gallery.pipeline(), "found")
    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": full_text}})
    assert (hash_declaration(gallery.pipeline(), "found") == before) is same


def test_a_run_that_loses_against_the_same_publish_is_no_error(gallery, monkeypatch):
    gallery.add("new.png")
    newest = build(gallery)
    between(monkeypatch, lambda: publish(gallery.pipeline(), "found"))

    report = publish(gallery.pipeline(), "found")

    assert (report.generation.id, report.changed) == (newest, False)
    assert "another run" in report.message


@after(models_a_and_b)
def test_a_run_that_loses_against_another_table_is_refused(gallery, monkeypatch):
    first, second = ids(gallery)
    gallery.add("new.png")
    newest = build(gallery)
    store = gallery.pipeline().store
    between(monkeypatch, lambda: store.published.swap("gallery", "found", second, first))

    with pytest.raises(PublishConflictError, match=f"points at {first}; run again to publish {newest}"):
        publish(gallery.pipeline(), "found")


@pytest.mark.slow
@after(models_a_and_b)
def test_a_run_never_overwrites_a_hold_that_came_meanwhile(gallery, monkeypatch):
    first, second = ids(gallery)
    gallery.add("new.png")
    build(gallery)
    between(monkeypatch, lambda: rollback(gallery.pipeline(), "found", second))

    report = publish(gallery.pipeline(), "found")

    assert (report.generation.id, report.held, report.changed) == (second, True, False)
    assert (published(gallery).generation, published(gallery).held) == (second, True)
    assert rollback(gallery.pipeline(), "found").generation.id == first


@after(models_a_and_b)
def test_a_rollback_that_loses_against_a_publish_is_refused(gallery, monkeypatch):
    gallery.add("new.png")
    newest = build(gallery)
    between(monkeypatch, lambda: publish(gallery.pipeline(), "found"))

    with pytest.raises(PublishConflictError, match=f"another publish came first and points at {newest}"):
        rollback(gallery.pipeline(), "found")

    assert published(gallery) == Pointer(newest)


@after(models_a_and_b)
def test_a_move_to_what_gc_removes_at_that_moment_is_taken_back(gallery, monkeypatch):
    first, second = ids(gallery)
    between(monkeypatch, lambda: gallery.pipeline().store.generations.remove([first]))

    with pytest.raises(PublishRefusedError, match=f"gc has removed generation {first}"):
        rollback(gallery.pipeline(), "found")

    assert published(gallery) == Pointer(second)


@after(models_a_and_b)
def test_a_move_that_was_killed_before_it_was_logged_can_be_gone_back_from(gallery):
    first, second = ids(gallery)
    store = gallery.pipeline().store
    gallery.model(name="c")
    newest = build(gallery)
    assert store.published.swap("gallery", "found", second, newest)

    assert rollback(gallery.pipeline(), "found").generation.id == second
    assert rollback(gallery.pipeline(), "found").generation.id == first
