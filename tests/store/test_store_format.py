"""The store's format: an older one is read as it is and migrated by the first write, also by several processes."""

from datetime import UTC, datetime

import lancedb
import pyarrow as pa
import pytest

import warm
from embeddings_orch.pipeline.plan.status import list_generations, make_status
from embeddings_orch.pipeline.published.publish import release
from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch.search import Index
from embeddings_orch.store import Store
from embeddings_orch.store.database import FORMAT
from embeddings_orch.store.tables.published import Pointer

PUBLISHED_1 = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"lance-schema:unenforced-primary-key:position": "1"}),
        pa.field("generation", pa.string(), nullable=False),
        pa.field("held", pa.bool_(), nullable=False),
        pa.field("updated_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""The table of pointers as format 1 had it; the other tables of that format are as they are now."""


def to_format_1(root, generation, key="gallery/found"):
    """Make a store what a release of format 1 would have written."""
    db = lancedb.connect(str(root))
    row = {"key": key, "generation": generation, "held": False, "updated_at": datetime(2026, 1, 1, tzinfo=UTC)}
    db.create_table("published", pa.Table.from_pylist([row], schema=PUBLISHED_1), mode="overwrite")
    for table in ("publications", "claims"):
        db.drop_table(table, ignore_missing=True)
    meta = pa.table({"key": ["format"], "value": ["1"]}, schema=db.open_table("meta").schema)
    db.create_table("meta", meta, mode="overwrite")


def format_of(root):
    return lancedb.connect(str(root)).open_table("meta").to_arrow().to_pylist()


@pytest.fixture
def old(gallery):
    """A gallery with two generations, the second published, in a store of format 1."""
    gallery.run()
    gallery.add("more.png")
    gallery.run()
    published = gallery.pipeline().store.published.get("gallery", "found").generation
    to_format_1(gallery.root / "store", published)
    return gallery


def test_a_new_store_has_the_present_format(gallery):
    gallery.run()
    assert FORMAT == 2
    assert format_of(gallery.root / "store") == [{"key": "format", "value": "2"}]


@pytest.mark.slow
def test_reading_an_old_store_works_and_writes_nothing(old):
    versions = old.versions()

    status = make_status(old.pipeline())
    listed = list_generations(old.pipeline(), "found")

    assert [one["passed"] for one in status["indexes"][0]["generations"]] == [True, True]
    assert status["indexes"][0]["published"] == status["indexes"][0]["generations"][1]["generation"]
    assert [one["published"] for one in listed["generations"]] == [False, True]
    assert not any(asset.changes for asset in old.plan().values())
    assert len(Index(old.pipeline().store, "gallery", "found").search("p000").hits) == 10
    assert old.versions() == versions
    assert format_of(old.root / "store")[0]["value"] == "1"


@pytest.mark.slow
def test_a_rollback_in_an_old_store_migrates_it_and_goes_to_the_generation_before(old):
    first, second = (one.id for one in old.pipeline().store.generations.of("gallery", "found"))

    assert rollback(old.pipeline(), "found").generation.id == first

    assert format_of(old.root / "store")[0]["value"] == "2"
    pointer = old.pipeline().store.published.get("gallery", "found")
    assert (pointer.generation, pointer.held) == (first, True)
    assert release(old.pipeline(), "found").generation.id == second
    assert rollback(old.pipeline(), "found").generation.id == first


@pytest.mark.slow
def test_a_run_in_an_old_store_migrates_it_and_publishes(old):
    before = old.pipeline().store.published.get("gallery", "found").generation
    old.add("new.png")

    old.run()

    assert len(old.rows()) == 14
    assert format_of(old.root / "store")[0]["value"] == "2"
    # The log begins with this run, and says what was published before it.
    assert rollback(old.pipeline(), "found").generation.id == before


def test_an_old_store_without_pointers_is_migrated_too(tmp_path):
    root = tmp_path / "store"
    store = Store(str(root))
    store.create("failures", pa.schema([("a", pa.int64())]))
    lancedb.connect(str(root)).open_table("meta").update(values={"value": "1"})

    assert Store(str(root)).published.swap("p", "i", None, "g")

    assert Store(str(root)).published.get("p", "i") == Pointer("g")
    assert format_of(root)[0]["value"] == "2"


WRITER = """\
import sys
from embeddings_orch.store import Store
from embeddings_orch.store.tables.published import Pointer

name, root = sys.argv[1:]
store = Store(root)
store.published.get("p", name)
print("ready", flush=True)
sys.stdin.readline()
assert store.published.swap("p", name, None, Pointer("g", held=True, hold_version=name)), "not swapped"
"""


@pytest.mark.process
def test_processes_that_migrate_at_once_lose_nothing(tmp_path):
    root = tmp_path / "store"
    Store(str(root)).create("other", pa.schema([("a", pa.int64())]))
    to_format_1(root, "old", "p/old")
    writers = [warm.start_code(WRITER, f"w{number}", root) for number in range(2)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n", writer.stderr.read()
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors

    assert Store(str(root)).published.all() == {
        ("p", "old"): Pointer("old"),
        **{("p", f"w{number}"): Pointer("g", True, f"w{number}") for number in range(2)},
    }
    assert format_of(root) == [{"key": "format", "value": "2"}]


def test_an_older_store_in_the_place_of_one_in_use_is_migrated_too(tmp_path):
    store = Store(str(tmp_path / "store"))
    assert store.published.swap("gallery", "found", None, "a-1")
    to_format_1(tmp_path / "store", "a-1")
    assert store.published.swap("gallery", "found", "a-1", "a-2")
    assert format_of(tmp_path / "store") == [{"key": "format", "value": "2"}]
