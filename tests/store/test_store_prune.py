"""Old versions of a table: which are removed, and that none is that is needed or may still be read."""

import time
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from embeddings_orch.store import Store
from embeddings_orch.store.base import TableOf, Version
from embeddings_orch.store.prune import prune, removable, settle

SCHEMA = pa.schema([("n", pa.int64())])
START = datetime(2026, 1, 1, tzinfo=UTC)


def version(number, seconds):
    return Version(number, START + timedelta(seconds=seconds))


@pytest.fixture
def table(tmp_path):
    """Versions 1 (empty) to 6 (five rows)."""
    store = Store(str(tmp_path / "store"))
    store.create("numbers", SCHEMA)
    for number in range(5):
        time.sleep(0.1)  # LanceDB goes by its own clock
        store.open("numbers").add(pa.table({"n": [number]}, schema=SCHEMA))
    return TableOf(store, "numbers")


def numbers(table):
    return [one.number for one in table.history()]


def test_what_was_latest_since_a_time_is_in_use_and_so_is_all_that_came_later():
    history = [version(1, 0), version(2, 10), version(3, 20)]
    assert removable(history, [], START + timedelta(seconds=15)) == history[:1]
    assert removable(history, [], START + timedelta(seconds=25)) == history[:2]
    assert removable(history, [], START) == []


def test_a_needed_version_keeps_all_later_ones():
    history = [version(1, 0), version(2, 10), version(3, 20)]
    assert removable(history, [2], START + timedelta(hours=1)) == history[:1]
    assert removable(history, [1], START + timedelta(hours=1)) == []
    assert removable([], [1], START) == []


def test_versions_by_clocks_that_differ_stay_where_a_needed_one_is_older():
    history = [version(1, 30), version(2, 10), version(3, 40)]
    assert [one.number for one in removable(history, [2], START + timedelta(hours=1))] == []
    assert [one.number for one in removable(history, [1], START + timedelta(hours=1))] == [2]


def test_pruning_removes_what_is_older_than_the_oldest_needed(table):
    assert numbers(table) == [1, 2, 3, 4, 5, 6]

    gone = prune(table, {4}, datetime.now(UTC))

    assert gone == 3
    assert numbers(table)[:3] == [4, 5, 6]
    assert table.at(3) is None
    assert table.at(4).to_arrow()["n"].to_pylist() == [0, 1, 2]
    assert table.at(6).count_rows() == table.at().count_rows() == 5
    assert table.at().tags.list() == {}
    assert prune(table, {4}, datetime.now(UTC)) == 0


def test_a_reader_of_the_version_that_pruning_replaced_reads_on(table):
    reader = table.at(6)

    prune(table, set(), datetime.now(UTC))

    assert numbers(table)[0] == 6
    assert sorted(reader.search().to_arrow()["n"].to_pylist()) == [0, 1, 2, 3, 4]


def test_pruning_of_a_young_table_writes_nothing(table):
    before = numbers(table)
    assert prune(table, set(), datetime.now(UTC) - timedelta(hours=1)) == 0
    assert numbers(table) == before


def test_marks_that_a_killed_clean_up_left_do_not_stop_the_next(table):
    table.at().tags.create("needed-1", 1)
    assert prune(table, {3}, datetime.now(UTC)) == 2
    assert table.at().tags.list() == {}


def test_a_settled_table_is_compacted_no_further(table):
    settle(table.at)
    version = table.at().version
    table.at().optimize(cleanup_older_than=timedelta(days=999))
    assert table.at().version == version


def test_dropping_what_is_half_gone_or_gone(table, tmp_path):
    for file in (tmp_path / "store" / "numbers.lance" / "_versions").iterdir():
        file.unlink()
    assert table.last_written() is not None
    table.drop()
    table.drop()
    assert table.database.table_names() == ["meta"]
    assert (table.bytes, table.history(), table.last_written()) == (0, [], None)
