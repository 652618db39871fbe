"""Writers of one table at the same time: what LanceDB calls a conflict is tried again."""

import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pytest

from content_ids import text_ids, text_keys
from embeddings_orch.errors import StoreError
from embeddings_orch.models.rows.sums import sum_digests
from embeddings_orch.policy.retry import Retrier, RetryPolicy
from embeddings_orch.store import Store
from embeddings_orch.store.conflicts import retry_conflicts

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("caption", pa.string()),
        pa.field("_digest", pa.binary(32), nullable=False),
        pa.field("clip", pa.list_(pa.float32(), 4)),
    ]
)


def digest(text):
    return sha256(text.encode()).digest()


def rows(count, text="d"):
    cells = [
        {"id": f"{i:03}", "caption": f"c {i}", "_digest": digest(text), "clip": [1.0, 0, 0, i]} for i in range(count)
    ]
    return pa.Table.from_pylist(cells, schema=SCHEMA)


def at_once(count, function):
    barrier = threading.Barrier(count)

    def run(number):
        barrier.wait()
        return function(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_indexes_made_at_the_same_time_are_made_once(tmp_path):
    uri = str(tmp_path / "store")
    Store(uri).index("index.p.i.0").write(iter([rows(50)]), SCHEMA, [])

    at_once(4, lambda _: Store(uri).index("index.p.i.0").build_indexes(["clip"], "cosine", ["caption"]))

    (index,) = Store(uri).open("index.p.i.0").list_indices()
    assert (index.columns, index.num_unindexed_rows) == (["caption"], 0)


def test_rows_written_at_the_same_time_are_there_once(tmp_path):
    uri = str(tmp_path / "store")
    Store(uri).index("index.p.i.0").write(iter([rows(10)]), SCHEMA, [])

    at_once(4, lambda n: Store(uri).index("index.p.i.0").write(iter([rows(60, f"d{n}")]), SCHEMA, ["not there"]))

    table = Store(uri).index("index.p.i.0")
    version = table.latest()
    assert table.count(version) == 60
    assert table.repeated_ids(version) == []
    assert len(set(table.digests(version).values())) == 1


def test_a_version_is_told_by_how_many_rows_it_has_and_the_sum_of_their_digests(tmp_path):
    table = Store(str(tmp_path / "store")).index("index.p.i.0")
    table.write(iter([rows(3)]), SCHEMA, [])
    three = table.digest(table.latest())
    assert three == (3, sum_digests(pa.array([digest("d")] * 3, pa.binary(32))))

    table.at().add(rows(1))

    assert table.repeated_ids(table.latest()) == ["000"]
    assert table.digest(table.latest()) == (4, sum_digests(pa.array([digest("d")] * 4, pa.binary(32))))
    with pytest.raises(StoreError, match="is gone"):
        table.digest(99)


def test_conflicts_are_retried_patiently_and_other_errors_are_not():
    waits = []
    retrier = Retrier(RetryPolicy(max_retries=3), sleep=waits.append, uniform=lambda low, high: high)
    messages = ["lance error: Retryable commit conflict for version 3", "Too many concurrent writers"]

    def commit():
        if messages:
            raise RuntimeError(messages.pop())
        return "done"

    assert retry_conflicts(commit, retrier) == "done"
    assert waits == [0.5, 1.0]

    def broken():
        waits.append("called")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        retry_conflicts(broken, retrier)
    assert waits.count("called") == 1

    def never():
        raise RuntimeError("Commit conflict for version 3")

    with pytest.raises(RuntimeError, match="Commit conflict for version 3"):
        retry_conflicts(never, retrier)


def test_compaction_beside_appends_loses_nothing_and_keeps_all_versions(tmp_path):
    table = Store(str(tmp_path / "store")).vectors("f")
    for number in range(12):
        table.append(text_ids([f"{number}"]), np.full((1, 4), number, np.float32))
    first = table.at(1 + 6)

    assert not table.compact(most=12)

    def work(number):
        own = Store(str(tmp_path / "store")).vectors("f")
        if number < 2:
            own.compact(most=3)
        else:
            for one in range(10):
                own.append(text_ids([f"{number}-{one}"]), np.ones((1, 4), np.float32))

    at_once(4, work)
    table.compact(most=1)

    assert len(table.keys()) == table.total() == 32
    assert table.take(text_keys("7", "2-3")).to_pylist() == [[7.0] * 4, [1.0] * 4]
    assert table.at().stats()["fragment_stats"]["num_fragments"] == 1
    assert first.count_rows() == table.at(7).count_rows() == 6
