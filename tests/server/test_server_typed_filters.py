"""Filters over HTTP, whose parameters are JSON: each finds what a filter in plain Python finds."""

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from embeddings_orch.server.gate.answers import to_json
from typed_tables import COLUMNS, conditions, typed_table

ROWS = 30


@pytest.fixture(scope="module")
def typed(shared_gallery, shared_served):
    """A server of an index with columns of all types, and its rows."""
    gallery = shared_gallery(pictures=0, media={"source": "table", "path": "rows.parquet"})
    table = typed_table(COLUMNS, ROWS)
    pq.write_table(table.append_column("text", table["id"]), gallery.root / "rows.parquet")
    gallery.model(input="text")
    gallery.run()
    rows = gallery.rows()
    return shared_served(gallery).http, rows


@settings(deadline=None, max_examples=40)
@given(conditions(COLUMNS))
def test_a_filter_of_json_agrees_with_plain_python(typed, condition):
    http, rows = typed
    params = json.loads(to_json(condition.params))
    if "null" in json.dumps(params):
        return  # JSON has no infinity
    answer = http.post("/v1/search", json={"text": "x", "limit": ROWS, "where": condition.where, "params": params})
    assert answer.status_code == 200, answer.text
    assert {hit["id"] for hit in answer.json()["hits"]} == {name for name, row in rows.items() if condition.keep(row)}
