"""Columns of any name and type, as HTTP, the command line and Arrow give them."""

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from embeddings_orch.cli.main import main
from embeddings_orch.search import Index

COLUMNS = {
    "_x": pa.array([True]),
    "a b": pa.array([Decimal("1.50")]),
    "bytes": pa.array([b"\x00\xff"]),
    "took": pa.array([dt.timedelta(days=1, seconds=2)]),
    "object": pa.array([{"a": [dt.date(2026, 1, 2)], "b": b"\xff"}]),
    "nan": pa.array([float("nan")]),
}
JSON = {
    "_x": True,
    "a b": "1.50",
    "bytes": "AP8=",
    "took": "P1DT2S",
    "object": {"a": ["2026-01-02"], "b": "/w=="},
    "nan": None,
}


@pytest.fixture
def gallery(make_gallery):
    gallery = make_gallery(
        0, media={"source": "table", "path": "items.parquet"}, indexes={"found": {"vectors": ["toy"]}}
    )
    pq.write_table(pa.table({"id": ["i"], "text": ["words"], **COLUMNS}), gallery.root / "items.parquet")
    gallery.run()
    return gallery


def own(metadata):
    return {name: metadata[name] for name in COLUMNS}


def test_values_go_out_as_json_and_as_arrow(gallery, served):
    http = served(gallery).http
    (hit,) = http.post("/v1/search", json={"text": "words"}).json()["hits"]
    assert own(hit["metadata"]) == JSON
    assert own(http.get("/v1/indexes/gallery/found/items/i").json()["metadata"]) == JSON
    listed = http.get("/v1/indexes").json()["indexes"][0]["columns"]
    assert {*COLUMNS} <= {column if isinstance(column, str) else column["name"] for column in listed}

    printed = CliRunner().invoke(
        main, ["search", "words", "--file", str(gallery.file), "--json"], catch_exceptions=False
    )
    assert own(json.loads(printed.stdout)["hits"][0]["metadata"]) == JSON

    with Index.open("found", file=gallery.file) as index:
        table = index.search("words").to_arrow()
    for name, column in COLUMNS.items():
        assert repr(table[name].to_pylist()) == repr(column.to_pylist())
    assert table.schema.field("took").type == pa.duration("us")
    assert pa.types.is_struct(table.schema.field("object").type)
