"""Columns of any name and type, from a Parquet file through the store to what a search answers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embeddings_orch.errors import SpecError
from embeddings_orch.pipeline.garbage.collect import collect
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.search import Index

COLUMNS = {
    "a b": pa.array(["red", None, "blue"]),
    "größe": pa.array([1, 2, None], pa.uint64()),
    "1st": pa.array(["red", "green", None]).dictionary_encode(),
    "_x": pa.array([True, None, False]),
    "select": pa.array([1.5, None, 2.5], pa.float16()),
    "ID": pa.array(["A", "B", "C"], pa.string_view()),
    "Size": pa.array([7, 8, 9], pa.int8()),
    'q"/:\n': pa.array([Decimal("1.50"), None, Decimal("2.00")]),
    "bytes": pa.array([b"\x00\xff", None, b""]),
    "fixed": pa.array([b"ab", None, b"\x00\xff"], pa.binary(2)),
    "took": pa.array([dt.timedelta(days=1, microseconds=5), None, dt.timedelta(0)]),
    "clock": pa.array([dt.time(1, 2, 3), None, None], pa.time32("s")),
    "day": pa.array([dt.date(2026, 1, 2), None, None], pa.date64()),
    "at": pa.array([dt.datetime(2026, 1, 2, tzinfo=dt.UTC), None, None], pa.timestamp("ns", "UTC")),
    "object": pa.array([{"a": {"c": [1, 2], "s": "x"}, "b": b"\xff"}, None, {"a": None, "b": None}]),
    "objects": pa.array([[{"a": "x"}, None], None, []]),
    "nested": pa.array([[[1], [2, 3]], None, [[]]]),
    "list": pa.array([["a"], None, []], pa.large_list(pa.string())),
    "numbers": pa.array([[1.5], None, [2.5, 3.5]]),
    "embedding": pa.array([[1.5, 2.5], None, []], pa.list_(pa.float64())),
    "vector": pa.array([[1.5, 1e-300], [2.5, float("inf")], [3.5, 4.0]]),
    "my_embedding": pa.array([[0.1, 1.0], [2.5, 3.0], [3.5, 4.0]], pa.list_(pa.float64(), 2)),
    "nothing": pa.nulls(3),
}
ODD = {
    "a.b": pa.array([1, 2, 3]),
    "size": pa.array([4, 5, 6]),
    "_score": pa.array([7, 8, 9]),
    "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
}


def expected(column):
    return [value.as_py() for value in column]


@pytest.fixture
def gallery(make_gallery):
    return make_gallery(
        0,
        media={"source": "table", "path": "items.parquet"},
        indexes={"found": {"vectors": ["toy"], "full_text": ["a b", "1st"]}},
    )


def write(gallery, columns):
    ids = pa.array(["i0", "i1", "i2"])
    table = {"id": ids, "text": pa.array(["text 0", "text 1", "text 2"]), **columns}
    pq.write_table(pa.table(table), gallery.root / "items.parquet")


def metadata(gallery):
    with Index.open("found", file=gallery.file) as index:
        return {hit.id: hit.metadata for hit in index.search("text", limit=5)}


def test_values_come_out_of_a_search_as_they_came_in(gallery):
    write(gallery, {**COLUMNS, **ODD})
    ran = gallery.run()
    assert [problem.reason.partition(":")[0] for problem in ran.scan.problems] == [
        "no filter can say the name 'a.b'",
        "the catalog has a column 'size' of its own",
        "LanceDB keeps the name '_score' for itself",
        "the column 'map' of map is kept as text",
    ]
    assert (ran.scan.left_out, gallery.plan()["raw_media"].failed) == ([], 0)
    found = metadata(gallery)
    for name, column in COLUMNS.items():
        assert [found[key][name] for key in ("i0", "i1", "i2")] == expected(column), name
    odd = {name: [found[key][name] for key in ("i0", "i1", "i2")] for name in ("a_b", "size_2", "score", "map")}
    assert odd == {"a_b": [1, 2, 3], "size_2": [4, 5, 6], "score": [7, 8, 9], "map": ['{"k":1}', None, "{}"]}

    gallery.forget_calls()
    before = gallery.versions()
    again = gallery.run()
    assert {name: version for name, version in gallery.versions().items() if version != before[name]} == {}
    assert (again.scan.new, again.scan.changed, again.scan.unchanged, gallery.items()) == (0, 0, 3, 0)
    assert not again.indexes["found"].built


def test_every_column_can_be_asked_for_and_searched_for_words(gallery):
    write(gallery, COLUMNS)
    gallery.run()
    with Index.open("found", file=gallery.file) as index:

        def ids(**options):
            return {hit.id for hit in index.search(**options)}

        for name, column in COLUMNS.items():
            there = {f"i{row}" for row in range(3) if column[row].as_py() is not None}
            assert ids(text="text", where=f"`{name}` IS NOT NULL") == there, name
        assert ids(text="text", where="\"a b\" = 'red' AND `object`.a.s = 'x' AND \"Size\" = 7") == {"i0"}
        assert ids(keyword="red") == {"i0"}
        assert ids(keyword="green") == {"i1"}


def test_objects_gain_fields_and_rows_change_one_by_one(gallery):
    write(gallery, COLUMNS)
    gallery.run()
    gallery.forget_calls()
    more = [{"a": {"c": [1, 2], "s": "x"}, "b": b"\xff", "new": None}, None, {"a": None, "b": None, "new": ["n"]}]
    write(gallery, {**COLUMNS, "object": pa.array(more)})
    ran = gallery.run()
    assert (ran.scan.changed, ran.scan.unchanged, gallery.items()) == (1, 2, 0)
    found = metadata(gallery)
    assert [found[key]["object"] for key in ("i0", "i1", "i2")] == more
    more[0] = {"a": {"c": [], "s": None}, "b": None, "new": None}
    write(gallery, {**COLUMNS, "object": pa.array(more)})
    ran = gallery.run()
    assert (ran.scan.changed, ran.scan.unchanged) == (1, 2)
    gallery.declare(indexes={"found": {**gallery.attributes["indexes"]["found"], "keep_generations": 1}})
    needs = Needs(gallery.pipeline(), clock=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    assert collect(needs, make_gc(needs)).removed
    found = metadata(gallery)
    assert [found[key]["object"] for key in ("i0", "i1", "i2")] == more
    assert [found["i0"][name] for name in COLUMNS if name != "object"] == [
        expected(column)[0] for name, column in COLUMNS.items() if name != "object"
    ]


def test_declarations_name_the_columns_of_the_catalog(gallery):
    write(gallery, {"a.b": pa.array(["red", "green", "blue"]), "toy": pa.array([1, 2, 3])})
    index = {"vectors": ["toy"], "full_text": ["a.b"]}
    gallery.declare(indexes={"found": index})
    with pytest.raises(SpecError, match=r"full_text names 'a\.b', which is no text column; did you mean 'a_b'\?"):
        gallery.run()
    gallery.declare(indexes={"found": {**index, "full_text": ["a_b"]}})
    with pytest.raises(SpecError, match=r"embedding 'toy' has the name of a media column.*\{rename: \{toy: NAME\}\}"):
        gallery.run()
    columns = {"rename": {"a.b": "größe", "toy": "shelf no"}}
    gallery.declare(
        media={"source": "table", "path": "items.parquet", "columns": columns},
        indexes={"found": {**index, "full_text": ["größe"]}},
    )
    gallery.model(input={"größe": 2, "shelf no": 1})
    ran = gallery.run()
    assert ran.scan.problems == []
    assert {name: row["shelf no"] for name, row in gallery.rows().items()} == {"i0": 1, "i1": 2, "i2": 3}
