"""Stores that earlier versions wrote: read, searched, rolled back and gone on with as if today's code had made them."""

import pytest

from embeddings_orch.errors import PublishRefusedError
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.plan.plan import make_plan
from embeddings_orch.pipeline.plan.status import list_generations, make_failures, make_status
from embeddings_orch.pipeline.published.publish import publish, release
from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch.search import Index
from embeddings_orch.spec.yaml_file import load_pipeline
from embeddings_orch_testing.counting import CountingEmbedder
from kept_stores import COMMITS, unpack_store

ONE_1, ONE_2 = "2e82956708f8-3", "2e82956708f8-7"
TWO_1, TWO_2, TWO_3 = "542e7811f684-3", "542e7811f684-7", "542e7811f684-11"
"""Generations of the pipeline ``gallery``: of model one and then of model two, each in a table of its own."""

EAST = [1.0, *[0.0] * 7]
WEIGHTS = {"weights": {"media": 0.7, "caption": 0.3}}
SENTENCES = {
    "gallery/toy": "0.7 media + 0.3 caption",
    "gallery/words": "caption",
    "shelf/ready": "ready-made made",
    "shelf/words": "media",
}


def declared(file):
    return Pipeline(load_pipeline(file))


@pytest.fixture(scope="module", params=COMMITS)
def commit(request):
    return request.param


@pytest.fixture(scope="module")
def unpacked(commit, tmp_path_factory):
    """A folder with both stores, for tests that only read."""
    folder = tmp_path_factory.mktemp("kept")
    for name in ("emoji", "history"):
        unpack_store(name, commit, folder)
    return folder


@pytest.fixture
def emoji(unpacked):
    return declared(unpacked / "emoji" / "defs.yaml")


@pytest.fixture
def gallery(unpacked):
    return declared(unpacked / "history" / "defs.yaml")


@pytest.fixture
def shelf(unpacked):
    return declared(unpacked / "history" / "shelf.yaml")


@pytest.fixture
def unpack(commit, tmp_path):
    """Unpacks a store for a test that writes."""
    return lambda name: unpack_store(name, commit, tmp_path)


def rows(pipeline, table):
    return pipeline.store.open(table).to_arrow().to_pylist()


def found(pipeline, index, **asked):
    with Index(pipeline.store, pipeline.spec.name, index) as opened:
        return [hit.id for hit in opened.search(limit=3, **asked).hits]


def found_in(pipeline, generation, column):
    return found(pipeline, "found", vector=EAST, column=column, generation=pipeline.store.generations.get(generation))


def embed_all(pipeline):
    """The contents that each embedding embedded, failed to and has, and the calls of the counting model."""
    CountingEmbedder.calls.clear()
    reports = {name: embed(pipeline, name) for name in pipeline.spec.embeddings}
    counts = {name: (report.embedded, report.failed, report.total) for name, report in reports.items()}
    return counts, len(CountingEmbedder.calls)


def run(pipeline):
    """All steps of a run: their reports."""
    scanned = scan_media(pipeline)
    embedded = [embed(pipeline, name) for name in pipeline.spec.embeddings]
    built = [build_index(pipeline, name) for name in pipeline.spec.indexes]
    for name in pipeline.spec.indexes:
        check_index(pipeline, name)
        publish(pipeline, name)
    return scanned, embedded, built


def test_the_emoji_are_published_and_found(emoji):
    (index,) = make_status(emoji)["indexes"]
    assert rows(emoji, "meta") == [{"key": "format", "value": "2"}]
    assert (index["published"], index["held"]) == ("c1f589a324e2-4", False)
    assert [(one["rows"], one["passed"]) for one in index["generations"]] == [(40, True)]
    assert make_failures(emoji)["failed"] == []
    assert [(one["key"], one["points"]) for one in rows(emoji, "maps")] == [("c1f589a324e2-4/clip", 40)]
    assert found(emoji, "emoji_search", id="1f004.png") == ["1f38c.png", "1fa97.png", "1f9f6.png"]
    assert found(emoji, "emoji_search", vector=[1.0, *[0.0] * 63]) == ["1f4ed.png", "1f302.png", "1f6a7.png"]
    assert found(emoji, "emoji_search", keyword="flag") == ["1f38c.png", "1f4ed.png"]


def test_no_emoji_is_embedded_anew(unpack):
    emoji = declared(unpack("emoji") / "defs.yaml")
    report = embed(emoji, "clip")
    assert (report.delta.todo.num_rows, report.embedded, report.failed, report.total) == (0, 0, 0, 40)
    assert {asset.asset: asset.reason for asset in make_plan(emoji).assets}["emoji/embeddings/clip"] == "up to date"


def test_the_history_is_listed(gallery, shelf):
    assert rows(gallery, "meta") == [{"key": "format", "value": "2"}]
    listed = list_generations(gallery, "found")
    assert (listed["published"], listed["held"]) == (ONE_2, True)
    assert [
        (one["generation"], one["rows"], one["passed"], one["providers"]["toy"]) for one in listed["generations"]
    ] == [
        (ONE_1, 11, True, "counting/one"),
        (ONE_2, 12, True, "counting/one"),
        (TWO_1, 12, True, "counting/two"),
        (TWO_2, 12, True, "counting/two"),
        (TWO_3, 13, True, "counting/two"),
    ]
    assert [one["generation"] for one in listed["generations"] if one["published_before"]] == [ONE_1, TWO_1, TWO_2]
    assert [(one.kind, one.generation, one.previous) for one in gallery.store.publications.of("gallery", "found")] == [
        ("publish", ONE_1, None),
        ("publish", ONE_2, ONE_1),
        ("publish", TWO_1, ONE_2),
        ("publish", TWO_2, TWO_1),
        ("rollback", ONE_2, TWO_2),
    ]
    assert len(rows(gallery, "maps")) == 12
    (goods,) = make_status(shelf)["indexes"]
    assert (goods["published"], goods["held"]) == ("d8c61a95ac96-3", False)


def test_the_pointer_is_held_against_the_declaration(gallery):
    pointer = gallery.store.published.get("gallery", "found")
    assert (pointer.generation, pointer.held) == (ONE_2, True)
    assert pointer.hold_version == "9d61f8b8efa995f3d7f5db7a54de7bd7d6ac41b0ff7d0f58ac1215d8fff412d2"
    plan = {asset.asset: asset for asset in make_plan(gallery).assets}["gallery/published/found"]
    assert (plan.reason, plan.changes) == (f"held at generation {ONE_2}", False)


def test_what_a_model_was_given_is_known_however_it_is_written(gallery, commit):
    states = {row["key"].removeprefix("main/"): row["input"] for row in rows(gallery, "states")}
    assert states.keys() == SENTENCES.keys()
    assert (states == SENTENCES) == (commit == "0fe1c8f")
    generation = gallery.store.generations.get(ONE_1)
    assert [str(model.inputs) for model in generation.models] == [SENTENCES["gallery/toy"], "caption"]
    goods = gallery.store.generations.get("d8c61a95ac96-3")
    assert [str(model.inputs) for model in goods.models] == ["ready-made made", "media"]


def test_failures_are_remembered_with_their_kind(gallery, shelf):
    listed = [(one["embedding"], one["id"], one["kind"], one["reason"]) for one in make_failures(gallery)["failed"]]
    late, alone = "/tmp/kept_stores/history/media/late.png", "its vector is that of caption alone"
    assert listed == [
        ("toy", "bad.txt", "item", "media: an input holds 'not to be read'"),
        (
            "toy",
            "late.png",
            "transient",
            f"media: {late} changed since it was scanned; the next run picks it up; {alone}",
        ),
    ]
    # That of the model before is there too.
    assert sorted(row["kind"] for row in rows(gallery, "embedding_failures")) == ["item", "item", "transient"]
    assert make_failures(shelf)["failed"] == []


@pytest.mark.parametrize(
    ("generation", "toy", "words"),
    [
        (ONE_1, ["p5.png", "p0.png", "p3.png"], ["p6.png", "p3.png", "a.txt"]),
        (ONE_2, ["p9.png", "p5.png", "p0.png"], ["p6.png", "p0.png", "p3.png"]),
        (TWO_1, ["p3.png", "p1.png", "p9.png"], ["p6.png", "p0.png", "p3.png"]),
        (TWO_3, ["p3.png", "p1.png", "p9.png"], ["p10.png", "p6.png", "p0.png"]),
    ],
)
def test_each_generation_is_searched_as_it_was(gallery, generation, toy, words):
    assert found_in(gallery, generation, "toy") == toy
    assert found_in(gallery, generation, "words") == words


def test_what_is_published_is_found_by_words_and_keywords(gallery, shelf):
    assert found(gallery, "found", vector=EAST, column="toy") == ["p9.png", "p5.png", "p0.png"]
    assert found(gallery, "found", text="caption 3", column="words")[0] == "p3.png"
    assert found(gallery, "found", keyword="another") == ["p0.png"]
    assert found(shelf, "goods", vector=EAST, column="ready") == ["i0", "i2", "i4"]
    assert found(shelf, "goods", keyword="i3") == ["i3"]


def test_the_index_is_rolled_back_and_on_and_released(unpack):
    gallery = declared(unpack("history") / "defs.yaml")
    before = ONE_2
    for to, ids in {ONE_1: ["p5.png", "p0.png", "p3.png"], TWO_3: ["p3.png", "p1.png", "p9.png"]}.items():
        report = rollback(gallery, "found", to)
        assert (report.generation.id, report.previous, report.held) == (to, before, True)
        assert found(gallery, "found", vector=EAST, column="toy") == ids
        before = to
    assert rows(gallery, "meta") == [{"key": "format", "value": "3"}]
    # What there was is not in the tables that are built now: of the declaration there is none before the next run.
    with pytest.raises(PublishRefusedError, match="as it is declared now was never built"):
        release(gallery, "found")
    assert gallery.store.published.get("gallery", "found").held
    run(gallery)
    released = release(gallery, "found").generation
    assert not released.table.startswith("index.gallery.found.542e7811f684")
    assert not gallery.store.published.get("gallery", "found").held


def test_the_next_run_builds_each_index_anew_from_the_vectors_that_are_there(unpack):
    emoji = declared(unpack("emoji") / "defs.yaml")
    scanned, (embedded,), (built,) = run(emoji)
    # The files are elsewhere than where they were, and the same.
    assert (scanned.new, scanned.changed, scanned.deleted, scanned.unchanged) == (0, 0, 0, 40)
    assert (embedded.embedded, embedded.total) == (0, 40)
    assert built.generation.rows == 40
    old, new = emoji.store.generations.of("emoji", "emoji_search")
    assert old.id == "c1f589a324e2-4"
    assert new.id == built.generation.id == emoji.store.published.get("emoji", "emoji_search").generation
    assert old.table != new.table
    assert found(emoji, "emoji_search", id="1f004.png") == ["1f38c.png", "1fa97.png", "1f9f6.png"]
    assert rollback(emoji, "emoji_search").generation.id == old.id
    assert found(emoji, "emoji_search", id="1f004.png") == ["1f38c.png", "1fa97.png", "1f9f6.png"]
    assert [asset.asset for asset in make_plan(emoji).assets if asset.changes] == []


def test_of_the_history_the_next_run_embeds_what_changed_since(unpack):
    folder = unpack("history")
    CountingEmbedder.calls.clear()
    _, embedded, _ = run(declared(folder / "defs.yaml"))
    # The file that could not be read while it changed, and nothing else.
    assert [(report.embedded, report.total) for report in embedded] == [(1, 25), (0, 12)]
    assert len(CountingEmbedder.calls) == 1
    run(declared(folder / "shelf.yaml"))
    assert len(CountingEmbedder.calls) == 1


def test_nothing_is_embedded_anew(unpack):
    folder = unpack("history")
    counts, calls = embed_all(declared(folder / "defs.yaml"))
    # One is skipped, and one cannot be read where it was.
    assert counts == {"toy": (0, 2, 25), "words": (0, 0, 12)}
    assert calls == 0
    assert embed_all(declared(folder / "shelf.yaml")) == ({"ready": (0, 0, 6), "words": (0, 0, 6)}, 0)
