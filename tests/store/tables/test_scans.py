"""What the last scan did not take in, as the store keeps it."""

import pytest

from embeddings_orch.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


def versions(store):
    return {name: store.open(name).version for name in store.table_names()}


def test_notes_are_of_one_pipeline_of_one_deployment(store):
    branch = Store(store.uri, "branch")
    store.scans.put("photos", {"left_out": 1})
    branch.scans.put("photos", {"left_out": 2})
    assert (store.scans.get("photos"), branch.scans.get("photos")) == ({"left_out": 1}, {"left_out": 2})
    assert store.scans.get("others") == {}
    store.scans.remove("photos")
    assert (store.scans.get("photos"), branch.scans.get("photos")) == ({}, {"left_out": 2})


def test_the_same_notes_write_nothing_and_none_make_no_table(store):
    store.scans.put("photos", {})
    assert store.table_names() == []
    store.scans.put("photos", {"left_out": 1})
    before = versions(store)
    store.scans.put("photos", {"left_out": 1})
    assert versions(store) == before
    store.scans.put("photos", {})
    assert store.scans.get("photos") == {}
