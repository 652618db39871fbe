"""What LanceDB would take for a vector, or would write wrongly, is stored as it was given."""

from __future__ import annotations

import pyarrow as pa
import pytest

from embeddings_orch.store import Store
from embeddings_orch.store.boxes import box, unbox

OBJECTS = [{"a": {"c": [1, 2]}}, None, {"a": None}, {"a": {"c": [3]}}, {"a": {"c": []}}, None]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1.0], None, [2.0, 3.0]]),
        pa.array([{"list": [1.0]}, None, {"list": None}]),
        pa.array([{"list": {"list": "a"}}, None, {"list": None}]),
        pa.array([{"list": 1}]),
        pa.array([{"a": 1, "list": [1]}]),
    ],
    ids=str,
)
def test_what_was_boxed_comes_out_as_it_was(values):
    table = pa.table({"c": values})
    assert unbox(box(table)).equals(table)


@pytest.mark.parametrize("first", range(4))
def test_objects_within_objects_are_written_as_they_are_from_a_slice_too(tmp_path, first):
    ids, objects = pa.array([str(row) for row in range(len(OBJECTS))]), pa.array(OBJECTS)
    schema = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("o", objects.type)])
    table = pa.table([ids, objects], schema=schema).slice(first)
    store = Store(str(tmp_path / "store"))
    store.overwrite("catalog.main.p", table, primary_key="id")
    assert store.read("catalog.main.p").sort_by("id")["o"].to_pylist() == OBJECTS[first:]
    index = store.index("index.p.i.0")
    index.write(iter([table]), table.schema, [])
    assert store.read("index.p.i.0").sort_by("id")["o"].to_pylist() == OBJECTS[first:]
