"""A store of an older format that nobody writes to is read as if it had format 3."""

import lancedb
import pyarrow as pa
import pytest

from embeddings_orch.store import Store
from embeddings_orch.store.base import TableOf
from embeddings_orch.store.migrations import view
from embeddings_orch.store.migrations.layout import POINTERS, TOMBSTONES, new_name
from embeddings_orch.store.migrations.old import OldStore
from kept_stores import COMMITS, unpack_store
from old_stores import read_files, read_store

STORES = [(name, commit) for name in ("emoji", "history") for commit in COMMITS]


@pytest.fixture
def root(tmp_path):
    return unpack_store("history", COMMITS[0], tmp_path) / "store"


def read_all(store):
    """What `read_store` says of a migrated store, read through the store."""
    tables = {name: store.read(name) for name in store.table_names() if name != "claims"}
    return {name: sorted(map(repr, table.to_pylist())) for name, table in tables.items()}


@pytest.mark.parametrize(("name", "commit"), STORES)
def test_it_reads_what_the_migration_writes_and_writes_nothing(name, commit, tmp_path):
    root = unpack_store(name, commit, tmp_path) / "store"
    files = read_files(root)

    seen = read_all(Store(str(root)))

    assert read_files(root) == files
    Store(str(root)).prepare_write()
    assert {**seen, "meta": []} == {**read_store(root), "meta": []}


def test_a_large_store_is_read_through_a_temporary_folder(root, monkeypatch, tmp_path):
    whole = read_all(Store(str(root)))
    monkeypatch.setattr(view, "IN_MEMORY", 1000)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    store = Store(str(root))

    assert read_all(store) == whole
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    store._view._folder.cleanup()
    assert not list((tmp_path / "temporary").iterdir())


def test_what_an_older_process_writes_is_seen(root):
    store, db = Store(str(root)), lancedb.connect(str(root))
    name = next(name for name in OldStore(db).old_names() if name.startswith("vectors."))
    before = store.read("states").num_rows, store.open(new_name(name)).count_rows()
    assert store.read_small("pointers", "key = 'main/shelf/goods'")["held"].to_pylist() == [False]

    db.open_table("published").update(where="key = 'shelf/goods'", values={"held": True})
    db.open_table("embedding_states").delete("key = 'shelf/ready'")
    vector = pa.array([[1.0] * 8], pa.list_(pa.float32(), 8))
    db.open_table(name).add(pa.table([[f"{'cd' * 32}:0"], vector], schema=db.open_table(name).schema))
    catalog = db.open_table("catalog.gallery")
    catalog.delete("id = 'p1.png'")
    db.open_table("embedding_states").update(where="key = 'gallery/toy'", values={"catalog_version": catalog.version})
    db.drop_table("failures")

    assert store.read_small("pointers", "key = 'main/shelf/goods'")["held"].to_pylist() == [True]
    assert store.read("states").num_rows == before[0] - 1
    assert store.open(new_name(name)).count_rows() > before[1]
    assert "p1.png" not in store.read("items.main.gallery")["id"].to_pylist()
    version = store.read("states", where="key = 'main/gallery/toy'")["catalog_version"][0].as_py()
    assert version == store.open("items.main.gallery").version == 2
    # As before: the version that the other embedding's state names.
    assert "p1.png" in store.read("items.main.gallery", version=1)["id"].to_pylist()
    assert store.read("embedding_failures") is None
    assert store.open("embedding_failures") is None


def test_once_somebody_migrated_the_tables_themselves_are_read(root):
    store = Store(str(root))
    assert store.open("pointers").uri.startswith("memory://")

    Store(str(root)).prepare_write()

    assert not store.open("pointers").uri.startswith("memory://")
    assert store.table_names() == Store(str(root)).table_names()
    assert new_name("published") in store.table_names()


def migrated_before(method, root):
    """A method of a view that another process's migration comes before, the first time."""
    left = [root]

    def wrapper(*args):
        if left:
            Store(str(left.pop())).prepare_write()
        return method(*args)

    return wrapper


@pytest.mark.parametrize("read", [Store.open, Store.read, Store.read_small])
def test_a_migration_that_ends_in_the_middle_of_a_read_hides_no_table(read, root, monkeypatch):
    monkeypatch.setattr(view.OlderView, "with_table", migrated_before(view.OlderView.with_table, root))
    assert read(Store(str(root)), "pointers") is not None


def test_a_migration_that_ends_in_the_middle_of_a_list_hides_no_table(root, monkeypatch):
    monkeypatch.setattr(view.OlderView, "names", migrated_before(view.OlderView.names, root))
    assert new_name("published") in Store(str(root)).table_names()


def test_what_was_converted_goes_once_somebody_migrated(root, monkeypatch, tmp_path):
    monkeypatch.setattr(view, "IN_MEMORY", 1000)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    store = Store(str(root))
    before = store.read("pointers")
    assert list((tmp_path / "temporary").iterdir())

    Store(str(root)).prepare_write()

    assert store.read("pointers").equals(before)
    assert not list((tmp_path / "temporary").iterdir())
    assert "_view" not in vars(store)


def test_a_half_done_migration_is_no_part_of_what_is_read(root):
    db = lancedb.connect(str(root))
    whole = read_all(Store(str(root)))
    for name, columns in (
        ("pointers", POINTERS.names),
        ("tombstones.main.gallery", TOMBSTONES.names),
        ("items.main.gallery", ["id", "uri", "content_hash", "modality", "_digest"]),
    ):
        db.create_table(name, pa.table({column: ["half"] for column in columns}))
    assert read_all(Store(str(root))) == whole
    assert Store(str(root)).open("tombstones.main.gallery") is None
    Store(str(root)).prepare_write()
    assert "half" not in str(read_store(root))


def test_tables_of_others_are_listed_as_they_are_called(root):
    db = lancedb.connect(str(root))
    for name in ("failures", "catalog.shop", "vectors.docs"):
        db.create_table(name, pa.table({"key": ["a"], "title": ["A"]}), mode="overwrite")
    store = Store(str(root))
    assert {"failures", "catalog.shop", "vectors.docs"} <= {*store.table_names()}
    assert store.open("embedding_failures") is None
    assert store.read("items.main.shop") is None
    assert store.failures.by_fingerprint() == {}
    assert store.read("embeddings.docs") is None


def test_sizes_and_times_are_those_of_the_old_tables(root):
    store = Store(str(root))
    folder = root / "catalog.gallery.lance"
    assert store.bytes("items.main.gallery") == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert store.has_data("items.main.gallery")
    assert store.last_written("items.main.gallery") is not None
    assert store.bytes("items.branch.gallery") == 0
    assert store.open("items.branch.gallery") is None


def test_to_drop_a_table_migrates_first(root):
    Store(str(root)).drop("items.main.shelf")
    tables = Store(str(root)).table_names()
    assert "items.main.shelf" not in tables
    assert "items.main.gallery" in tables
    assert "catalog.shelf" not in tables


def test_to_delete_rows_migrates_first(root):
    assert TableOf(Store(str(root)), "states").delete_rows("key = 'main/shelf/ready'") == 1
    assert [row["key"] for row in OldStore(lancedb.connect(str(root))).rows("states")].count("main/shelf/ready") == 0


def test_to_note_another_version_migrates_first(root):
    Store(str(root)).states.renumber_catalog("gallery", 1, 7)
    states = {row["key"]: row["catalog_version"] for row in OldStore(lancedb.connect(str(root))).rows("states")}
    assert states["main/gallery/toy"] == 7


def test_where_there_is_no_store_nothing_is_made(tmp_path):
    store = Store(str(tmp_path / "none"))
    store.prepare_write()
    assert store.table_names() == []
    assert not (tmp_path / "none").exists()
