"""Tables that several processes make in the same instant: what one of them wrote is never lost."""

import multiprocessing
import os
import time

import pyarrow as pa
import pytest

from embeddings_orch.store import Store

STORES = ("there", "new")
SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False)])
TABLES, PROCESSES = 12, 3


def make_and_add(folder, number, barrier):
    for existing in STORES:
        store = Store(f"{folder}/{existing}")
        store.table_names()
        for table in range(TABLES):
            barrier.wait(100)
            made = store.create(f"table{table}", SCHEMA, primary_key="key" if table % 2 else None)
            made.add(pa.table({"key": [f"process {number}"]}, schema=SCHEMA))


@pytest.mark.process
def test_processes_that_make_a_table_at_once_lose_no_row(tmp_path):
    Store(str(tmp_path / "there")).create("other", SCHEMA)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    processes = [context.Process(target=make_and_add, args=(str(tmp_path), n, barrier)) for n in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    for existing in STORES:
        store = Store(str(tmp_path / existing))
        for table in range(TABLES):
            rows = store.open(f"table{table}").to_arrow()["key"].to_pylist()
            assert sorted(rows) == [f"process {number}" for number in range(PROCESSES)], f"{existing}: table{table}"
        others = ["other"] if existing == "there" else []
        assert sorted(store.table_names()) == sorted([*(f"table{table}" for table in range(TABLES)), "meta", *others])
        assert sorted(path.suffix for path in (tmp_path / existing).iterdir()) == [".lance"] * len(store.table_names())


def test_what_a_killed_process_left_aside_is_removed_after_a_day(tmp_path):
    for name, age in (("old", 90_000), ("young", 80_000)):
        left = tmp_path / f".new-{name}"
        (left / "table.lance").mkdir(parents=True)
        os.utime(left, (time.time() - age, time.time() - age))
    Store(str(tmp_path)).create("table", SCHEMA)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new-young", "meta.lance", "table.lance"]


def test_the_rest_of_a_removed_table_does_not_stop_a_new_one(tmp_path):
    store = Store(str(tmp_path))
    store.create("table", SCHEMA)
    (tmp_path / "other.lance" / "data").mkdir(parents=True)
    (tmp_path / "other.lance" / "data" / "left").touch()
    store.create("other", SCHEMA).add(pa.table({"key": ["a"]}, schema=SCHEMA))
    assert store.open("other").count_rows() == 1
