"""Rows that are read again from memory are those that the store holds: another process's, another store's, none."""

import shutil

import pytest

from embeddings_orch.store import Store, database
from embeddings_orch.store.tables.published import Pointer


@pytest.fixture
def reads(monkeypatch):
    """The names of the tables that LanceDB is asked for."""
    names = []
    read_rows = database.read_rows

    def told(db, name, **options):
        names.append(name)
        return read_rows(db, name, **options)

    monkeypatch.setattr(database, "read_rows", told)
    return names


def publish(store, generation, before=None):
    assert store.published.swap("p", "i", before, generation)


def test_what_nobody_wrote_to_is_read_once(tmp_path, reads):
    store = Store(str(tmp_path / "store"))
    publish(store, "one")
    first = store.exists, store.published.get("p", "i")
    reads.clear()
    assert (store.exists, store.published.get("p", "i")) == first == (True, Pointer("one"))
    assert reads == []


def test_what_another_writer_commits_is_seen_by_the_next_read(tmp_path):
    store, other = Store(str(tmp_path / "store")), Store(str(tmp_path / "store"))
    publish(other, "0")
    for number in range(1, 20):
        assert store.published.get("p", "i") == Pointer(str(number - 1))
        publish(other, str(number), str(number - 1))
    assert store.published.get("p", "i") == Pointer("19")


def test_a_removed_store_is_noticed(tmp_path):
    store = Store(str(tmp_path / "store"))
    publish(store, "one")
    assert store.exists
    assert store.published.get("p", "i") == Pointer("one")
    shutil.rmtree(tmp_path / "store")
    assert not store.exists
    assert store.published.get("p", "i") == Pointer(None)


def test_a_store_in_the_place_of_another_one_with_as_many_versions_is_noticed(tmp_path):
    store = Store(str(tmp_path / "store"))
    publish(store, "one")
    publish(Store(str(tmp_path / "other")), "two")
    assert store.published.get("p", "i") == Pointer("one")
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "other").rename(tmp_path / "store")
    assert store.published.get("p", "i") == Pointer("two")


def test_a_removed_table_is_noticed(tmp_path):
    store = Store(str(tmp_path / "store"))
    publish(store, "one")
    assert store.published.get("p", "i") == Pointer("one")
    Store(str(tmp_path / "store")).published.drop()
    assert store.published.get("p", "i") == Pointer(None)


def test_of_a_store_that_is_no_folder_nothing_is_remembered(reads):
    store = Store("memory://")
    assert store.read_small("published") is None
    assert store.read_small("published") is None
    assert reads.count("published") == 2
