"""The CPU time of one read of a small table: ours, and by LanceDB's synchronous table.

    python benchmarks/small_reads.py [--reads N]

A run of a pipeline makes some forty such reads.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable

import lancedb
import pyarrow as pa

from embeddings_orch.store.reading import read_rows

WHERE = "key = 'k7'"


def milliseconds(read: Callable[[], pa.Table], reads: int) -> float:
    """CPU milliseconds of one read."""
    started = time.process_time()
    for _ in range(reads):
        assert read().num_rows == 1
    return (time.process_time() - started) * 1000 / reads


def main() -> None:
    """Measure both in turns, and print the best of five."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=int, default=100)
    reads = parser.parse_args().reads
    with tempfile.TemporaryDirectory() as folder:
        db = lancedb.connect(folder)
        db.create_table("small", pa.table({"key": [f"k{i}" for i in range(20)], "value": list(range(20))}))
        ways: dict[str, Callable[[], pa.Table]] = {
            "lancedb, synchronous": lambda: db.open_table("small").search().where(WHERE).to_arrow(),
            "read_rows": lambda: read_rows(db, "small", where=WHERE),
        }
        best = {name: min(milliseconds(read, reads) for _ in range(5)) for name, read in ways.items()}
    for name, taken in best.items():
        print(f"{name:22s} {taken:6.2f} ms")
    theirs, ours = best.values()
    print(f"ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
