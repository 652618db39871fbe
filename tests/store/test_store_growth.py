"""Tables through many commits: they stay small, keep what is needed, and readers read on."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from content_ids import text_ids, text_keys
from embeddings_orch.store import Store, tidy
from embeddings_orch.store.tables import vectors


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


@pytest.fixture
def pruned(monkeypatch):
    """Calls of `prune`, of which the exact effect depends on the time: the table's name, what is needed, since when."""
    calls = []

    def record(table, needed, used_since):
        calls.append((table.name, needed, datetime.now(UTC) - used_since))
        return 0

    monkeypatch.setattr(tidy, "prune", record)
    monkeypatch.setattr(vectors, "prune", record)
    return calls


def fragments(table, version=None):
    return tidy.count_fragments(table.at(version))


def log_publications(store, count):
    for number in range(count):
        store.publications.add("p", "i", generation=f"g{number}", previous=None, kind="publish")


def test_a_small_table_is_compacted_now_and_then_and_keeps_its_rows_and_young_versions(store, monkeypatch):
    monkeypatch.setattr(tidy, "MOST_FRAGMENTS", 4)

    log_publications(store, 12)

    assert [move.generation for move in store.publications.of("p", "i")] == [f"g{number}" for number in range(12)]
    assert fragments(store.publications) <= 5
    assert store.publications.at(3).count_rows() == 2
    assert len(store.publications.history()) > 12


def test_old_versions_of_a_small_table_go_now_and_then_and_those_of_an_hour_stay(store, monkeypatch, pruned):
    monkeypatch.setattr(tidy, "_EVERY", 7)

    log_publications(store, 12)

    assert [(name, tuple(needed)) for name, needed, _ in pruned] == [("publication_log", ())] * 4
    assert all(timedelta(hours=1) <= age < timedelta(hours=2) for _, _, age in pruned)
    tidy.tidy(store.publications, {3}, grace=7200.0)
    assert len(pruned) == 4  # its version is 13
    store.publications.remove("g0")
    tidy.tidy(store.publications, {3}, grace=7200.0)
    assert pruned[-1][1] == {3}
    assert pruned[-1][2] >= timedelta(hours=2)


def test_what_stands_against_a_clean_up_fails_no_commit(store, monkeypatch):
    monkeypatch.setattr(tidy, "MOST_FRAGMENTS", 1)

    def fail(_table):
        raise RuntimeError("Commit conflict for version 3")

    monkeypatch.setattr(tidy, "settle", fail)
    monkeypatch.setattr(tidy, "HASTY", tidy.HASTY.__class__(tidy.HASTY.policy, sleep=lambda _: None))

    log_publications(store, 3)

    assert len(store.publications.of("p", "i")) == 3


def append(table, start, count):
    table.append(
        text_ids(f"{number}" for number in range(start, start + count)), np.full((count, 4), start, np.float32)
    )


def test_vectors_are_compacted_between_checkpoints_where_as_many_came_as_is_worth_it(store):
    table = store.vectors("f")
    compacted, total = [], 0
    while total < 60:
        append(table, total, 1)
        total += 1
        if table.compact_between(most=5):
            compacted.append(total)
            assert fragments(table) == 1

    # Half as many again each time: nothing is written over and over.
    assert compacted == [6, 11, 17, 26, 39, 59]
    assert table.total() == len(table.keys()) == 60
    assert table.take(text_keys("0", "59")).to_pylist() == [[0.0] * 4, [59.0] * 4]


def test_a_reader_of_vectors_that_are_compacted_meanwhile_reads_on(store):
    table = store.vectors("f")
    for number in range(8):
        append(table, number, 1)
    reader = table.at()

    assert table.compact(most=5)

    assert reader.to_arrow().num_rows == table.at(3 + 1).count_rows() + 5 == 8
    assert fragments(table) == 1


def test_versions_that_a_fast_run_left_go_with_a_later_one(store, monkeypatch, pruned):
    monkeypatch.setattr(vectors, "_MOST_OLD", 5)
    monkeypatch.setattr(tidy, "_EVERY", 10)
    table = store.vectors("f")
    for number in range(8):
        append(table, number, 1)
    assert table.version() == 9
    monkeypatch.setattr(tidy, "GRACE", timedelta(0))
    assert not table.compact()

    append(table, 8, 1)

    assert table.compact()
    assert [(name, needed) for name, needed, _ in pruned] == [(table.name, ())]
    assert fragments(table) == 1
    assert len(table.keys()) == 9
