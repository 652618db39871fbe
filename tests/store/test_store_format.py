"""The store's format: a new store has today's, and an older one is migrated wherever and by however many it is met."""

import shutil
from datetime import UTC, datetime

import lancedb
import pyarrow as pa
import pytest

import warm
from embeddings_orch.errors import StoreError
from embeddings_orch.models.content import Failure
from embeddings_orch.store import Store, database
from embeddings_orch.store.database import FORMAT
from embeddings_orch.store.prune import prune
from embeddings_orch.store.tables.published import Pointer
from kept_stores import COMMITS, unpack_store

POINTERS_1 = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"lance-schema:unenforced-primary-key:position": "1"}),
        pa.field("generation", pa.string(), nullable=False),
        pa.field("held", pa.bool_(), nullable=False),
        pa.field("updated_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""The table of pointers as format 1 had it."""


def make_format_1(root, *keys):
    """Make a store as a release of format 1 did, with pointers at the generation ``a-1``."""
    db = lancedb.connect(str(root))
    db.create_table("meta", pa.table({"key": ["format"], "value": ["1"]}))
    rows = [
        {"key": key, "generation": "a-1", "held": False, "updated_at": datetime(2026, 1, 1, tzinfo=UTC)} for key in keys
    ]
    if rows:
        db.create_table("published", pa.Table.from_pylist(rows, schema=POINTERS_1))


def format_of(root):
    return lancedb.connect(str(root)).open_table("meta").to_arrow().to_pylist()


TODAYS = [{"key": "format", "value": "3"}]


def test_a_new_store_has_the_present_format(gallery):
    gallery.run()
    assert FORMAT == 3
    assert format_of(gallery.root / "store") == TODAYS
    assert not [name for name in gallery.pipeline().store.table_names() if name.startswith(("catalog.", "vectors."))]


def test_a_store_of_a_newer_format_is_refused(tmp_path, monkeypatch):
    Store(str(tmp_path)).published.swap("p", "i", None, "g")
    monkeypatch.setattr(database, "FORMAT", 2)
    with pytest.raises(StoreError, match="has format 3, this version reads up to 2: upgrade embeddings-orch"):
        Store(str(tmp_path)).published.get("p", "i")


def test_an_old_store_without_pointers_is_migrated_too(tmp_path):
    make_format_1(tmp_path)
    assert Store(str(tmp_path)).published.swap("p", "i", None, "g")
    assert Store(str(tmp_path)).published.get("p", "i") == Pointer("g")
    assert format_of(tmp_path) == TODAYS


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
    make_format_1(tmp_path, "p/old")
    writers = [warm.start_code(WRITER, f"w{number}", tmp_path) for number in range(2)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n", writer.stderr.read()
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors

    assert Store(str(tmp_path)).published.all() == {
        ("p", "old"): Pointer("a-1"),
        **{("p", f"w{number}"): Pointer("g", True, f"w{number}") for number in range(2)},
    }
    assert format_of(tmp_path) == TODAYS


def test_an_older_store_in_the_place_of_one_in_use_is_migrated_too(tmp_path):
    store = Store(str(tmp_path / "store"))
    assert store.published.swap("gallery", "found", None, "a-0")
    shutil.rmtree(tmp_path / "store")
    make_format_1(tmp_path / "store", "gallery/found")
    assert store.published.get("gallery", "found") == Pointer("a-1")
    assert store.published.swap("gallery", "found", "a-1", "a-2")
    assert Store(str(tmp_path / "store")).published.get("gallery", "found") == Pointer("a-2")
    assert format_of(tmp_path / "store") == TODAYS


def write_catalog(store):
    rows = store.catalog("gallery").read()
    store.catalog("gallery").write(rows.slice(1), [], rows["id"].to_pylist()[:1], root=store.catalog("gallery").root())


def replace_failures(store):
    (fingerprint, *_) = store.failures.by_fingerprint()
    store.failures.replace(fingerprint, store.failures.of(fingerprint), [])


def prune_states(store):
    prune(store.states, (), datetime.now(UTC))


WRITES = {
    "catalog": write_catalog,
    "vectors": lambda store: store.vectors("ab").drop(),
    "failures": replace_failures,
    "another failure": lambda store: store.failures.replace("ab", [], [Failure(bytes(32), "", "why")]),
    "states": lambda store: store.states.remove("gallery", "toy"),
    "pointers": lambda store: store.published.remove("gallery", "found"),
    "moves": lambda store: store.publications.remove("2e82956708f8-3"),
    "generations": lambda store: store.generations.remove(["2e82956708f8-3"]),
    "maps": lambda store: store.maps.delete_rows("true"),
    "claims": lambda store: store.maps.database.create("claims", pa.schema([pa.field("key", pa.string())])),
    "tombstones": lambda store: store.tombstones("gallery").forget(1),
    "a clean-up": prune_states,
}


@pytest.mark.parametrize("write", WRITES)
def test_whatever_is_written_is_written_to_the_migrated_store(write, tmp_path):
    root = unpack_store("history", COMMITS[0], tmp_path) / "store"
    store = Store(str(root))
    store.table_names()
    WRITES[write](store)
    assert format_of(root) == TODAYS
    # What a view holds would be lost with the process.
    anew = Store(str(root))
    assert {name: anew.read(name) for name in anew.table_names()} == {
        name: store.read(name) for name in store.table_names()
    }


def test_what_was_written_first_is_there(tmp_path):
    root = unpack_store("history", COMMITS[0], tmp_path) / "store"
    before = Store(str(root)).catalog("gallery").read()["id"].to_pylist()
    write_catalog(Store(str(root)))
    assert Store(str(root)).catalog("gallery").read()["id"].to_pylist() == before[1:]
