"""Tables that several processes make in the same instant: what one of them wrote is never lost."""

import os
import time

import pyarrow as pa
import pytest

import warm
from embeddings_orch.store import Store

STORES = ("there", "new")
SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False)])
TABLES, PROCESSES = 12, 3


WRITER = """\
import sys
import pyarrow as pa
from embeddings_orch.store import Store

number, tables, *folders = sys.argv[1:]
schema = pa.schema([pa.field("key", pa.string(), nullable=False)])
for folder in folders:
    store = Store(folder)
    store.table_names()
    for table in range(int(tables)):
        print("ready", flush=True)
        sys.stdin.readline()
        made = store.create(f"table{table}", schema, primary_key="key" if table % 2 else None)
        made.add(pa.table({"key": [f"process {number}"]}, schema=schema))
"""


@pytest.mark.process
def test_processes_that_make_a_table_at_once_lose_no_row(tmp_path):
    Store(str(tmp_path / "there")).create("other", SCHEMA)
    folders = [tmp_path / existing for existing in STORES]
    processes = [warm.start_code(WRITER, number, TABLES, *folders) for number in range(PROCESSES)]
    for _ in range(TABLES * len(STORES)):
        for process in processes:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
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
