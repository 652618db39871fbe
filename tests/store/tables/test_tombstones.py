"""What was deleted from a catalog, for those who saw it at an earlier version."""

import pyarrow as pa
import pytest

from embeddings_orch.store import Store

CATALOG = pa.schema([pa.field("id", pa.string(), nullable=False)])


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


def write(store, *ids):
    """A catalog of these ids, with tombstones as a scan writes them."""
    catalog = store.catalog("p")
    before = catalog.read()
    gone = sorted(set() if before is None else set(before["id"].to_pylist()) - set(ids))
    store.tombstones("p").add(gone, (catalog.version() or 0) + 1)
    return catalog.write(pa.table([pa.array(ids, pa.string())], schema=CATALOG), list(ids), gone)


def deleted(store, version, now=None):
    found = store.tombstones("p").deleted_since(version, now)
    return None if found is None else sorted(found.to_pylist())


def test_nothing_was_deleted_from_a_catalog_that_never_was(store):
    assert deleted(store, 0) == []
    store.tombstones("p").forget(3)
    assert store.table_names() == []


def test_what_was_deleted_since_a_version(store):
    first = write(store, "a", "b", "c")
    second = write(store, "a", "b")
    write(store, "a")
    assert (deleted(store, first), deleted(store, second)) == (["b", "c"], ["b"])
    assert deleted(store, first, second) == ["c"]


def test_an_id_that_came_back_is_not_deleted(store):
    first = write(store, "a", "b")
    write(store, "a")
    write(store, "a", "b")
    assert deleted(store, first) == []


def test_what_was_noted_before_a_commit_that_never_came_is_not_deleted(store):
    version = write(store, "a", "b")
    store.tombstones("p").add(["b"], version + 1)
    assert deleted(store, version) == []


def test_what_is_forgotten_is_said_and_what_came_later_is_known(store):
    first = write(store, "a", "b", "c")
    second = write(store, "a", "b")
    third = write(store, "a")
    store.tombstones("p").forget(second)
    assert (deleted(store, first), deleted(store, second), deleted(store, third)) == (None, ["b"], [])
    write(store, "d")
    store.tombstones("p").forget(third)
    assert (deleted(store, second), deleted(store, third)) == (None, ["a"])
    version = store.tombstones("p").at().version
    store.tombstones("p").forget(third)
    assert store.tombstones("p").at().version == version
