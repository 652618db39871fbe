"""Index tables that are brought up to date many times: few segments and fragments, and the same is found."""

import numpy as np
import pyarrow as pa
import pytest

from embeddings_orch.store import Store, tidy
from embeddings_orch.store.prune import settle
from embeddings_orch.store.tables import index_table
from embeddings_orch.store.tables.index_table import DIGEST_COLUMN

DIMENSIONS, ROWS = 16, 600


def index_rows(numbers, seed=0):
    random = np.random.default_rng(seed)
    matrix = random.standard_normal((len(numbers), DIMENSIONS)).astype(np.float32)
    vector = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), DIMENSIONS)
    ids = [f"r{number:04}" for number in numbers]
    names = ["id", "title", DIGEST_COLUMN, "toy"]
    titles = [f"title {number} {seed}" for number in numbers]
    table = pa.table([ids, titles, [str(seed)] * len(numbers), vector], names=names)
    return table.cast(table.schema.set(0, pa.field("id", pa.string(), nullable=False)))


def bring_up_to_date(table, numbers, seed):
    rows = index_rows(numbers, seed)
    table.write(iter([rows]), rows.schema, [])
    table.build_indexes(["toy"], "cosine", ["title"])
    return table.latest()


@pytest.mark.slow
def test_an_index_brought_up_to_date_many_times_keeps_few_parts_and_finds_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(index_table, "EXACT_UP_TO", 500)
    monkeypatch.setattr(index_table, "MOST_SEGMENTS", 3)
    table = Store(str(tmp_path / "store")).index("index.p.i.0")
    versions = [bring_up_to_date(table, range(ROWS), 0)]
    expected = [sorted(row["id"] for row in table.at().to_arrow().to_pylist())]
    query = np.random.default_rng(9).standard_normal((5, DIMENSIONS)).astype(np.float32)

    def find(version):
        search = {"nprobes": 100, "refine_factor": 100}
        return table.nearest_distances(query, "toy", version=version, metric="cosine", limit=10, search=search)

    first, most = find(versions[0]), 0
    for number in range(1, 9):
        versions.append(bring_up_to_date(table, range(number * 6, number * 6 + 6), number))
        opened = table.at()
        parts = [opened.index_stats(index.name).num_indices for index in opened.list_indices()]
        most = max(most, *parts, tidy.count_fragments(opened))

    assert most <= 3
    assert sorted(row["id"] for row in table.at().to_arrow().to_pylist()) == expected[0]
    stored = table.at().to_arrow()
    matrix = np.array(stored["toy"].to_pylist())
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    exact = np.sort(1 - query / np.linalg.norm(query, axis=1, keepdims=True) @ unit.T, axis=1)[:, :10]
    np.testing.assert_allclose(find(versions[-1]), exact, atol=1e-5)
    assert find(versions[0]) == first
    reader = table.reader(versions[-1])
    assert reader.keyword("8", ["title"], limit=100).num_rows >= 6
    settle(table.at)
    assert table.latest() == versions[-1]
